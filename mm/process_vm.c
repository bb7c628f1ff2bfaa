/* SPDX-License-Identifier: MIT */
/*
 * process_vm.c: reading and writing the memory of another address space.
 *
 * Pages are held (gup.c: the area's row checks what the entry allows, faults are made on behalf of
 * the owner) and copied through the kernel's own map of memory.
 * Used by process_vm_readv(2), /proc/PID/mem and by exec for the new program's arguments.
 * Debuggers' writes to read-only memory are not offered.
 *
 * Locks: none while pages are copied: they are held.
 * Source: process_vm_readv(2). Checked by tests/kernel/mm/remote_ktest.c. Read next: gup.c.
 */
#include <asm/errno.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <mm/gup.h>
#include <mm/slab.h>
#include "vma_internal.h"

struct mm *process_mm_get(struct process *p)
{
    struct task *t, *found = NULL;
    struct mm *mm = NULL;
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);

    list_for_each_entry(t, &p->threads, thread_link) {
        if (READ_ONCE(t->mm)) {
            found = t;
            task_get(t);
            break;
        }
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    if (found) {
        mm = task_mm_get(found);
        task_put(found);
    }
    ASSERT(mm == NULL || atomic_read(&mm->users) > 0);
    return mm;
}

/* Pages that are held at a time. */
#define BATCH 16

/*
 * Holds the pages of the first part of [addr, addr + len), at most BATCH: how many, or -errno.
 * *bytes of the range lie in them. To write they are pinned: else a fork before the copy could make
 * the bytes the child's, too. To read, references will do, and nothing is unshared for a look.
 */
static long hold_part(struct mm *mm, vaddr_t addr, size_t len, bool write, struct page **pages,
                      size_t *bytes)
{
    size_t off = addr & ~PAGE_MASK;
    unsigned long nr;
    long got;

    ASSERT(len != 0 && addr < user_top());
    len = min(len, BATCH * PAGE_SIZE - off);
    nr = PAGE_ALIGN(off + len) >> PAGE_SHIFT;
    ASSERT(nr != 0 && nr <= BATCH); /* the room in @pages */
    if (mm == current->mm)
        got = write ? pin_user_pages_fast(addr, nr, GUP_WRITE, pages)
                    : get_user_pages_fast(addr, nr, 0, pages);
    else
        got = write ? pin_user_pages(mm, addr, nr, GUP_WRITE, pages)
                    : get_user_pages(mm, addr, nr, 0, pages);
    ASSERT(got <= (long)nr);
    if (got > 0)
        *bytes = min(len, (size_t)got * PAGE_SIZE - off);
    return got;
}

static void release_part(struct page **pages, long nr, bool write)
{
    ASSERT(nr > 0 && nr <= BATCH);
    if (write) {
        unpin_user_pages(pages, (unsigned long)nr, true);
        return;
    }
    for (long i = 0; i < nr; i++)
        put_user_page(pages[i]);
}

/* The same bytes in one call of @copy per page. Returns how many it did. */
static size_t for_each_piece(struct page **pages, vaddr_t addr, size_t len,
                             size_t (*copy)(void *ctx, char *at, size_t n), void *ctx)
{
    size_t done = 0;

    while (done < len) {
        size_t off = (addr + done) & ~PAGE_MASK, n = min(len - done, PAGE_SIZE - off), got;

        got = copy(ctx, (char *)page_to_virt(*pages++) + off, n);
        ASSERT(got <= n);
        done += got;
        if (got < n)
            break;
    }
    return done;
}

struct linear {
    char *buf;
    bool write;
};

static size_t copy_linear(void *ctx, char *at, size_t n)
{
    struct linear *l = ctx;

    if (l->write)
        memcpy(at, l->buf, n);
    else
        memcpy(l->buf, at, n);
    l->buf += n;
    return n;
}

ssize_t mm_access_remote(struct mm *mm, vaddr_t addr, void *buf, size_t len, bool write)
{
    struct linear l = { buf, write };
    struct page *pages[BATCH];
    size_t done = 0, part;

    if (addr >= user_top())
        return len ? -EFAULT : 0;
    len = min(len, user_top() - addr);
    while (done < len) {
        long nr = hold_part(mm, addr + done, len - done, write, pages, &part);

        if (nr <= 0)
            break;
        done += for_each_piece(pages, addr + done, part, copy_linear, &l);
        release_part(pages, nr, write);
    }
    return done || !len ? (ssize_t)done : -EFAULT;
}

/* One call: between the remote segments and the local ones. */
struct transfer {
    struct mm *mm;
    bool write;
    struct iov_iter local;
    const struct iovec *remote;
    unsigned long nr_remote;
};

static size_t copy_local(void *ctx, char *at, size_t n)
{
    struct transfer *t = ctx;

    return t->write ? copy_from_iter(at, n, &t->local) : copy_to_iter(at, n, &t->local);
}

/* Some pages at remote @va: bytes done, short or -EFAULT at a fault on either side. The local side
 * is copied while the pages are held and nothing is locked. *want: what would not be short. */
static ssize_t transfer_piece(struct transfer *t, vaddr_t va, size_t n, size_t *want)
{
    struct page *pages[BATCH];
    size_t done;
    long nr;

    if (va >= user_top())
        return -EFAULT;
    nr = hold_part(t->mm, va, n, t->write, pages, want);
    if (nr <= 0)
        return -EFAULT;
    done = for_each_piece(pages, va, *want, copy_local, t);
    release_part(pages, nr, t->write);
    return done ? (ssize_t)done : -EFAULT;
}

static ssize_t transfer(struct transfer *t)
{
    ssize_t total = 0;

    for (unsigned long i = 0; i < t->nr_remote; i++) {
        vaddr_t va = (vaddr_t)t->remote[i].iov_base;
        size_t left = t->remote[i].iov_len;

        while (left && t->local.count) {
            size_t want;
            ssize_t done = transfer_piece(t, va, min(left, t->local.count), &want);

            if (done < 0)
                return total ? total : done;
            ASSERT(want <= left && (size_t)done <= want);
            total += done;
            if ((size_t)done < want)
                return total;
            va += want;
            left -= want;
        }
    }
    return total;
}

/* Copies an iovec array from the user; sum of lengths, or -errno. */
static ssize_t read_vector(struct iovec *out, const struct iovec __user *in, unsigned long n)
{
    size_t sum = 0;

    if (copy_from_user(out, in, n * sizeof(*out)))
        return -EFAULT;
    for (unsigned long i = 0; i < n; i++) {
        if ((ssize_t)out[i].iov_len < 0 || sum + out[i].iov_len < sum ||
            (ssize_t)(sum + out[i].iov_len) < 0)
            return -EINVAL;
        sum += out[i].iov_len;
    }
    return (ssize_t)sum;
}

/* Finds the process and checks that current may; ERR_PTR(-ESRCH, -EPERM). */
static struct mm *remote_mm(pid_t pid)
{
    struct task *t = task_find_get(pid);
    struct mm *mm;

    if (!t)
        return ERR_PTR(-ESRCH);
    mm = process_may_access(t->proc) ? task_mm_get(t) : ERR_PTR(-EPERM);
    task_put(t);
    return mm ? mm : ERR_PTR(-ESRCH);
}

/* The vectors are in place. */
static ssize_t transfer_with(pid_t pid, struct transfer *t)
{
    ssize_t ret;

    if (t->local.count == 0)
        return 0;
    t->mm = remote_mm(pid);
    if (IS_ERR(t->mm))
        return PTR_ERR(t->mm);
    ret = transfer(t);
    mm_put(t->mm);
    return ret;
}

struct user_vectors {
    const struct iovec __user *local, *remote;
    unsigned long nr_local, nr_remote;
};

static ssize_t process_vm(pid_t pid, const struct user_vectors *u, unsigned long flags, bool write)
{
    struct transfer t = { .write = write, .nr_remote = u->nr_remote };
    struct iovec *vec;
    ssize_t ret;

    if (flags != 0 || u->nr_local > UIO_MAXIOV || u->nr_remote > UIO_MAXIOV)
        return -EINVAL;
    vec = kmalloc((u->nr_local + u->nr_remote + 1) * sizeof(*vec));
    if (!vec)
        return -ENOMEM;
    ret = read_vector(vec, u->local, u->nr_local);
    if (ret >= 0) {
        t.local =
            (struct iov_iter){.iov = vec, .nr = (unsigned int)u->nr_local, .count = (size_t)ret};
        t.remote = vec + u->nr_local;
        ret = read_vector(vec + u->nr_local, u->remote, u->nr_remote);
    }
    if (ret >= 0)
        ret = transfer_with(pid, &t);
    kfree(vec);
    return ret;
}

SYSCALL6(process_vm_readv, pid_t, pid, const struct iovec __user *, local, unsigned long, nr_local,
         const struct iovec __user *, remote, unsigned long, nr_remote, unsigned long, flags)
{
    struct user_vectors u = { local, remote, nr_local, nr_remote };

    return process_vm(pid, &u, flags, false);
}

SYSCALL6(process_vm_writev, pid_t, pid, const struct iovec __user *, local, unsigned long, nr_local,
         const struct iovec __user *, remote, unsigned long, nr_remote, unsigned long, flags)
{
    struct user_vectors u = { local, remote, nr_local, nr_remote };

    return process_vm(pid, &u, flags, true);
}
