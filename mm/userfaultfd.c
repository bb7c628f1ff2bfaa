/* SPDX-License-Identifier: MIT */
/*
 * userfaultfd.c: userfaultfd(2): holes of private anonymous memory that a user fills. A fault on a
 * hole of a registered area becomes a message that is read from the descriptor, and waits until the
 * page is there (UFFDIO_COPY, UFFDIO_ZEROPAGE) or somebody says UFFDIO_WAKE.
 *
 * Offered: mode MISSING on private anonymous memory. Not offered, each EINVAL: write protection,
 * minor faults, memory of objects, and all optional features.
 *
 * Here are the descriptor and its calls; what faults do is userfault.c's.
 *
 * Locks: mmap_lock for writing to register. Invariants: I1 of userfault.c, which registration and
 * the descriptor's release keep. Checked by tests/user/userfaultfd_test.c. Source: userfaultfd(2),
 * ioctl_userfaultfd(2). Read next: userfault.c.
 */
#include <asm/errno.h>
#include <asm/poll.h>
#include <kernel/fail.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <kernel/wait.h>
#include <linux/ioctl.h>
#include <linux/userfaultfd.h>
#include <mm/slab.h>
#include "pt_internal.h"
#include "userfault_internal.h"
#include "vma_internal.h"

#define RANGE_IOCTLS (1ULL << _UFFDIO_WAKE | 1ULL << _UFFDIO_COPY | 1ULL << _UFFDIO_ZEROPAGE)
#define API_IOCTLS   (1ULL << _UFFDIO_REGISTER | 1ULL << _UFFDIO_UNREGISTER | 1ULL << _UFFDIO_API)

/* ---- the descriptor ---- */

static ssize_t uffd_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    struct userfaultfd *u = f->private;
    size_t done = 0;
    struct uffd_msg m;

    (void)pos;
    if (!READ_ONCE(u->ready) || to->count < sizeof(m))
        return -EINVAL;
    while (to->count >= sizeof(m)) {
        if (userfault_next_message(u, &m)) {
            if (copy_to_iter(&m, sizeof(m), to) != sizeof(m))
                return done ? (ssize_t)done : -EFAULT;
            done += sizeof(m);
            continue;
        }
        if (done)
            break;
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event_interruptible(&u->readers, userfault_has_message(u)))
            return -ERESTARTSYS;
    }
    return (ssize_t)done;
}

/* As on Linux a blocking descriptor cannot be polled: the message may be gone before the read. */
static unsigned int uffd_poll(struct file *f, struct poll_table *pt)
{
    struct userfaultfd *u = f->private;

    poll_wait(f, &u->readers, pt);
    if (!READ_ONCE(u->ready) || !(f->flags & O_NONBLOCK))
        return POLLERR;
    return userfault_has_message(u) ? POLLIN : 0;
}

/* Its areas are ordinary again, and who waits finds that out. */
static void uffd_release(struct file *f)
{
    struct userfaultfd *u = f->private;
    struct mm *mm = u->mm;

    if (atomic_inc_not_zero(&mm->users)) {
        mmap_write_lock(mm);
        for_each_vma (v, mm) {
            if (!(v->flags & VM_USERFAULT) || v->private != u)
                continue;
            ASSERT(vma_is_anon(v)); /* else private is somebody else's word */
            vma_write_lock(v);
            v->flags &= ~VM_USERFAULT;
            v->private = NULL;
        }
        mmap_write_unlock(mm);
        mm_put(mm);
    }
    userfault_wake(u, 0, ~0UL);
    userfault_put(u);
}

/* ---- ioctls ---- */

static long uffd_api(struct userfaultfd *u, void __user *arg)
{
    struct uffdio_api api;
    bool good;

    if (copy_from_user(&api, arg, sizeof(api)))
        return -EFAULT;
    good = api.api == UFFD_API && api.features == 0 && !u->ready;
    memset(&api, 0, sizeof(api));
    if (good) {
        api.api = UFFD_API;
        api.ioctls = API_IOCTLS;
    }
    if (copy_to_user(arg, &api, sizeof(api)))
        return -EFAULT;
    if (!good)
        return -EINVAL;
    WRITE_ONCE(u->ready, true);
    return 0;
}

static int check_range(const struct uffdio_range *r)
{
    if (!IS_ALIGNED(r->start | r->len, PAGE_SIZE) || r->len == 0 || r->start >= user_top() ||
        r->len > user_top() - r->start || r->start < sysctl_mmap_min_addr)
        return -EINVAL;
    return 0;
}

/* May [start, end) be registered with @u? mmap_lock held. */
static int may_register(struct userfaultfd *u, vaddr_t start, vaddr_t end)
{
    struct vma *v = vma_find(u->mm, start);

    ASSERT(start < end && end <= user_top() && IS_ALIGNED(start | end, PAGE_SIZE));
    if (!v || v->start >= end)
        return -EINVAL;
    for (; v && v->start < end; v = v->next) {
        if (!vma_is_anon(v) || v->flags & VM_GROWSDOWN)
            return -EINVAL;
        if (!(v->flags & VM_MAYWRITE))
            return -EPERM;
        if (v->flags & VM_USERFAULT && v->private != u)
            return -EBUSY;
    }
    return 0;
}

/* Areas of [start, end) become registered, or, with @on false, ordinary. mmap_lock for writing. */
static int change_areas(struct userfaultfd *u, vaddr_t start, vaddr_t end, bool on)
{
    struct vma *v = vma_find(u->mm, start);

    ASSERT(rwsem_is_write_locked(&u->mm->mmap_lock));
    while (v && v->start < end) {
        bool is = v->flags & VM_USERFAULT && v->private == u;

        if (is != on && vma_is_anon(v)) {
            if (!on) { /* before a merge looks at it */
                vma_write_lock(v);
                if (v->start < start || v->end > end) {
                    v = vma_modify_flags(v, max(v->start, start), min(v->end, end),
                                         v->flags & ~VM_USERFAULT);
                } else {
                    v->flags &= ~VM_USERFAULT;
                }
            } else {
                if (pt_fork_leave(v, max(v->start, start), min(v->end, end)))
                    return -ENOMEM;
                v = vma_modify_flags(v, max(v->start, start), min(v->end, end),
                                     v->flags | VM_USERFAULT);
            }
            if (IS_ERR(v))
                return -ENOMEM;
            vma_write_lock(v);
            ASSERT(((v->flags & VM_USERFAULT) != 0) == on && vma_is_anon(v));
            v->private = on ? u : NULL;
        }
        v = v->next;
    }
    return 0;
}

static long uffd_register(struct userfaultfd *u, void __user *arg)
{
    struct uffdio_register r;
    vaddr_t end;
    int err;

    if (copy_from_user(&r, arg, sizeof(r) - sizeof(r.ioctls)))
        return -EFAULT;
    err = r.mode != UFFDIO_REGISTER_MODE_MISSING ? -EINVAL : check_range(&r.range);
    if (err)
        return err;
    end = r.range.start + r.range.len;
    mmap_write_lock(u->mm);
    err = may_register(u, r.range.start, end);
    if (!err)
        err = change_areas(u, r.range.start, end, true);
    mmap_write_unlock(u->mm);
    if (err)
        return err;
    r.ioctls = RANGE_IOCTLS;
    return copy_to_user((char __user *)arg + offsetof(struct uffdio_register, ioctls), &r.ioctls,
                        sizeof(r.ioctls))
               ? -EFAULT
               : 0;
}

static long uffd_unregister(struct userfaultfd *u, const void __user *arg)
{
    struct uffdio_range r;
    int err;

    if (copy_from_user(&r, arg, sizeof(r)))
        return -EFAULT;
    err = check_range(&r);
    if (err)
        return err;
    mmap_write_lock(u->mm);
    err = vma_find_intersection(u->mm, r.start, r.start + r.len) ? 0 : -EINVAL;
    if (!err)
        err = change_areas(u, r.start, r.start + r.len, false);
    mmap_write_unlock(u->mm);
    if (!err)
        userfault_wake(u, r.start, r.start + r.len);
    return err;
}

static long uffd_wake(struct userfaultfd *u, const void __user *arg)
{
    struct uffdio_range r;
    int err;

    if (copy_from_user(&r, arg, sizeof(r)))
        return -EFAULT;
    err = check_range(&r);
    if (!err)
        userfault_wake(u, r.start, r.start + r.len);
    return err;
}

/* What both filling calls do behind their checks; @result is where the bytes are told. */
static long finish_fill(struct userfaultfd *u, const struct uffdio_range *r, s64 done, bool wake,
                        void __user *result)
{
    ASSERT(done < 0 || (IS_ALIGNED(done, PAGE_SIZE) && (u64)done <= r->len));
    if (copy_to_user(result, &done, sizeof(done)))
        return -EFAULT;
    if (done < 0)
        return done;
    if (wake)
        userfault_wake(u, r->start, r->start + (u64)done);
    if ((u64)done == r->len)
        return 0;
    fail_tolerated(); /* a part was filled: whatever stopped it, that is the answer */
    return -EAGAIN;
}

static long uffd_copy(struct userfaultfd *u, void __user *arg)
{
    struct uffdio_copy c;
    struct uffdio_range r;
    s64 done;

    if (copy_from_user(&c, arg, sizeof(c) - sizeof(c.copy)))
        return -EFAULT;
    r = (struct uffdio_range){c.dst, c.len};
    if (check_range(&r) || c.src + c.len <= c.src || c.mode & ~UFFDIO_COPY_MODE_DONTWAKE)
        return -EINVAL;
    done = userfault_fill(u, c.dst, (const char __user *)c.src, c.len);
    return finish_fill(u, &r, done, !(c.mode & UFFDIO_COPY_MODE_DONTWAKE),
                       (char __user *)arg + offsetof(struct uffdio_copy, copy));
}

static long uffd_zeropage(struct userfaultfd *u, void __user *arg)
{
    struct uffdio_zeropage z;
    s64 done;

    if (copy_from_user(&z, arg, sizeof(z) - sizeof(z.zeropage)))
        return -EFAULT;
    if (check_range(&z.range) || z.mode & ~UFFDIO_ZEROPAGE_MODE_DONTWAKE)
        return -EINVAL;
    done = userfault_fill(u, z.range.start, NULL, z.range.len);
    return finish_fill(u, &z.range, done, !(z.mode & UFFDIO_ZEROPAGE_MODE_DONTWAKE),
                       (char __user *)arg + offsetof(struct uffdio_zeropage, zeropage));
}

static long uffd_command(struct userfaultfd *u, unsigned int cmd, void __user *arg)
{
    switch (cmd) {
    case UFFDIO_REGISTER: return uffd_register(u, arg);
    case UFFDIO_UNREGISTER: return uffd_unregister(u, arg);
    case UFFDIO_WAKE: return uffd_wake(u, arg);
    case UFFDIO_COPY: return uffd_copy(u, arg);
    case UFFDIO_ZEROPAGE: return uffd_zeropage(u, arg);
    default: return -EINVAL;
    }
}

static long uffd_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    struct userfaultfd *u = f->private;
    long ret;

    if (cmd == UFFDIO_API)
        return uffd_api(u, (void __user *)arg);
    if (!READ_ONCE(u->ready))
        return -EINVAL;
    if (!atomic_inc_not_zero(&u->mm->users))
        return -ESRCH;
    ret = uffd_command(u, cmd, (void __user *)arg);
    mm_put(u->mm);
    return ret;
}

static const struct file_ops uffd_fops = {
    .read = uffd_read,
    .poll = uffd_poll,
    .ioctl = uffd_ioctl,
    .release = uffd_release,
};

static struct userfaultfd *uffd_alloc(bool user_mode_only)
{
    struct userfaultfd *u = kzalloc(sizeof(*u));

    if (!u)
        return NULL;
    spin_init(&u->lock, LOCK_LEAF);
    atomic_set(&u->refs, 1);
    list_init(&u->faults);
    wait_queue_init(&u->readers);
    wait_queue_init(&u->sleepers);
    u->user_mode_only = user_mode_only;
    u->mm = current->mm;
    mm_grab(u->mm);
    return u;
}

SYSCALL1(userfaultfd, int, flags)
{
    struct userfaultfd *u;
    struct file *f;
    int fd;

    if (flags & ~(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY))
        return -EINVAL;
    if (!has_capability() && !(flags & UFFD_USER_MODE_ONLY))
        return -EPERM;
    u = uffd_alloc(flags & UFFD_USER_MODE_ONLY);
    if (!u)
        return -ENOMEM;
    f = file_alloc_anon("anon_inode:[userfaultfd]", &uffd_fops,
                        O_RDWR | ((unsigned int)flags & O_NONBLOCK), u);
    if (IS_ERR(f)) {
        userfault_put(u);
        return PTR_ERR(f);
    }
    fd = fd_alloc_install(f, (unsigned int)flags & O_CLOEXEC);
    if (fd < 0)
        file_put(f);
    return fd;
}
