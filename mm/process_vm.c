/* SPDX-License-Identifier: MIT */
/*
 * process_vm.c: reading and writing the memory of another address space.
 *
 * A page is pinned through its area's row, which checks what the entry allows, and copied through
 * the kernel's own map of memory; when it is not there, one fault is made on behalf of the owner.
 * Used by process_vm_readv(2), /proc/PID/mem and by exec for the new program's arguments.
 * Debuggers' writes to read-only memory are not offered.
 *
 * Locks: the other mm's mmap_lock for reading while a page is found; none while it is copied: the
 * pin keeps the page.
 * Source: process_vm_readv(2). Checked by tests/kernel/mm/remote_ktest.c. Read next: fault.c,
 * pt_default.c (pin).
 */
#include <asm/errno.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
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
    return mm;
}

/* The page at @va, pinned: ERR_PTR(-EFAULT) when the area does not allow the access, -ENOMEM,
 * -EINTR. */
static struct page *pin_in_area(struct vma *v, vaddr_t va, bool write)
{
    if (!vma_has_pages(v) || !(v->flags & (write ? VM_WRITE : VM_READ)))
        return ERR_PTR(-EFAULT);
    for (;;) {
        struct page *p = vma_ops(v)->pin(v, va, write);

        if (p)
            return p;
        if (fatal_signal_pending())
            return ERR_PTR(-EINTR);
        switch (mm_handle_fault(v, va & PAGE_MASK, FAULT_REMOTE | (write ? FAULT_WRITE : 0))) {
        case FAULT_OK:
        case FAULT_RETRY:
            break;
        case FAULT_OOM:
            return ERR_PTR(-ENOMEM);
        case FAULT_INTR:
            return ERR_PTR(-EINTR);
        default:
            return ERR_PTR(-EFAULT);
        }
    }
}

static struct page *pin_page(struct mm *mm, vaddr_t va, bool write)
{
    for (int grown = 0;; grown = 1) {
        struct page *p = NULL;
        struct vma *v;
        bool below_stack;

        mmap_read_lock(mm);
        v = vma_find(mm, va);
        below_stack = v && v->start > va && v->flags & VM_GROWSDOWN;
        if (v && v->start <= va)
            p = pin_in_area(v, va, write);
        mmap_read_unlock(mm);
        if (p)
            return p;
        if (grown || !below_stack || vma_grow_stack(mm, va))
            return ERR_PTR(-EFAULT);
    }
}

ssize_t mm_access_remote(struct mm *mm, vaddr_t addr, void *buf, size_t len, bool write)
{
    size_t done = 0;

    if (addr >= user_top())
        return len ? -EFAULT : 0;
    len = min(len, user_top() - addr);
    while (done < len) {
        vaddr_t va = addr + done;
        size_t n = min(len - done, PAGE_SIZE - (va & ~PAGE_MASK));
        struct page *p = pin_page(mm, va, write);
        char *at;

        if (IS_ERR(p))
            break;
        ASSERT(page_pins(p) > 0 && (va & ~PAGE_MASK) + n <= PAGE_SIZE);
        at = (char *)page_to_virt(p) + (va & ~PAGE_MASK);
        if (write)
            memcpy(at, (char *)buf + done, n);
        else
            memcpy((char *)buf + done, at, n);
        page_unpin(p);
        done += n;
    }
    return done || !len ? (ssize_t)done : -EFAULT;
}

/* One call: between the remote segments and the local ones, through a page of the kernel's own. */
struct transfer {
    struct mm *mm;
    bool write;
    struct iov_iter local;
    const struct iovec *remote;
    unsigned long nr_remote;
    void *bounce; /* PAGE_SIZE */
};

/* At most a page at remote @va: bytes done, short or -EFAULT at a fault on either side. */
static ssize_t transfer_piece(struct transfer *t, vaddr_t va, size_t n)
{
    ssize_t done;

    if (t->write) {
        n = copy_from_iter(t->bounce, n, &t->local);
        return n ? mm_access_remote(t->mm, va, t->bounce, n, true) : -EFAULT;
    }
    done = mm_access_remote(t->mm, va, t->bounce, n, false);
    if (done <= 0)
        return -EFAULT;
    n = copy_to_iter(t->bounce, (size_t)done, &t->local);
    return n ? (ssize_t)n : -EFAULT;
}

static ssize_t transfer(struct transfer *t)
{
    ssize_t total = 0;

    for (unsigned long i = 0; i < t->nr_remote; i++) {
        vaddr_t va = (vaddr_t)t->remote[i].iov_base;
        size_t left = t->remote[i].iov_len;

        while (left && t->local.count) {
            size_t n = min(min(left, t->local.count), PAGE_SIZE - (va & ~PAGE_MASK));
            ssize_t done = transfer_piece(t, va, n);

            if (done < 0)
                return total ? total : done;
            total += done;
            if ((size_t)done < n)
                return total;
            va += n;
            left -= n;
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
    t->bounce = kmalloc(PAGE_SIZE);
    ret = t->bounce ? transfer(t) : -ENOMEM;
    kfree(t->bounce);
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
