/* SPDX-License-Identifier: MIT */
/*
 * userfault.c: what a registered hole does: a fault on it waits until the page is there or somebody
 * says that it should look again, and a page is put there.
 *
 * A fault decides under its area's lock, then waits without locks. In between the hole may have
 * been filled: seq counts fills and wake-ups, and who finds it changed does not wait. Faults on
 * behalf of others (ptrace, populate) do not wait: they fail.
 *
 * Locks: mmap_lock for reading to fill; u->lock (LEAF) for the list of faults and seq. Invariants:
 * I1 an area with VM_USERFAULT has the descriptor in vma->private, which is alive; I2 a fault is on
 * the list from userfault_wait's beginning to its end, and is told of once. Checked by
 * tests/user/userfaultfd_test.c. Source: userfaultfd(2). Read next: userfaultfd.c, pt_default.c.
 */
#include <asm/errno.h>
#include <asm/poll.h>
#include <kernel/string.h>
#include <kernel/uaccess.h>
#include <mm/slab.h>
#include "pt_internal.h"
#include "userfault_internal.h"
#include "vma_internal.h"

/* One waiting fault; lives on the waiter's stack. */
struct waiting {
    struct list_head link;
    vaddr_t addr;
    bool write, told, woken; /* [lock] the last two */
};

void userfault_put(struct userfaultfd *u)
{
    if (!atomic_dec_and_test(&u->refs))
        return;
    ASSERT(list_empty(&u->faults)); /* each waiting fault has a reference */
    mm_drop(u->mm);
    kfree(u);
}

/* ---- faults ---- */

enum fault_result userfault_begin(struct fault_ctx *f)
{
    f->user = f->vma->private;
    ASSERT((f->vma->flags & VM_USERFAULT) && f->user != NULL); /* I1 */
    ASSERT(f->user->mm == f->vma->mm && atomic_read(&f->user->refs) > 0);
    atomic_inc(&f->user->refs);
    f->user_seq = READ_ONCE(f->user->seq);
    return FAULT_WAIT;
}

void userfault_cancel(struct fault_ctx *f)
{
    userfault_put(f->user);
}

static bool enqueue(struct userfaultfd *u, struct waiting *w, u64 seq)
{
    unsigned long flags = spin_lock_irqsave(&u->lock);
    bool same = u->seq == seq;

    ASSERT(u->seq >= seq && IS_ALIGNED(w->addr, PAGE_SIZE));
    if (same)
        list_add_tail(&w->link, &u->faults);
    spin_unlock_irqrestore(&u->lock, flags);
    return same;
}

static void dequeue(struct userfaultfd *u, struct waiting *w)
{
    unsigned long flags = spin_lock_irqsave(&u->lock);

    list_del(&w->link);
    spin_unlock_irqrestore(&u->lock, flags);
}

bool userfault_wait(struct fault_ctx *f)
{
    struct userfaultfd *u = f->user;
    struct waiting w = {.addr = f->addr, .write = (f->flags & FAULT_WRITE) != 0};
    bool user = (f->flags & FAULT_USER) != 0;
    int err = 0;

    ASSERT(!lockcheck_is_held(&u->mm->mmap_lock)); /* who fills the hole takes it */
    if (!user && u->user_mode_only)
        err = -EFAULT;
    else if (enqueue(u, &w, f->user_seq)) {
        wake_up_key(&u->readers, 0, POLLIN);
        /* A system call that touches the page is not interrupted half way, but by death. */
        err = user ? wait_event_interruptible(&u->sleepers, READ_ONCE(w.woken))
                   : wait_event_killable(&u->sleepers, READ_ONCE(w.woken));
        dequeue(u, &w);
    }
    userfault_put(u);
    return err == 0;
}

void userfault_wake(struct userfaultfd *u, vaddr_t start, vaddr_t end)
{
    unsigned long flags = spin_lock_irqsave(&u->lock);
    struct waiting *w;

    ASSERT(start < end);
    u->seq++;
    list_for_each_entry (w, &u->faults, link)
        if (w->addr >= start && w->addr < end)
            w->woken = true;
    spin_unlock_irqrestore(&u->lock, flags);
    wake_up_all(&u->sleepers);
}

/* ---- messages ---- */

bool userfault_next_message(struct userfaultfd *u, struct uffd_msg *m)
{
    unsigned long flags = spin_lock_irqsave(&u->lock);
    struct waiting *w;
    bool found = false;

    memset(m, 0, sizeof(*m));
    list_for_each_entry (w, &u->faults, link) {
        if (w->told || w->woken)
            continue;
        w->told = found = true;
        m->event = UFFD_EVENT_PAGEFAULT;
        m->arg.pagefault.address = w->addr;
        m->arg.pagefault.flags = w->write ? UFFD_PAGEFAULT_FLAG_WRITE : 0;
        break;
    }
    spin_unlock_irqrestore(&u->lock, flags);
    return found;
}

bool userfault_has_message(struct userfaultfd *u)
{
    unsigned long flags = spin_lock_irqsave(&u->lock);
    struct waiting *w;
    bool found = false;

    list_for_each_entry (w, &u->faults, link)
        found = found || (!w->told && !w->woken);
    spin_unlock_irqrestore(&u->lock, flags);
    return found;
}

/* ---- holes ---- */

/* The registered area that has the page at @dst; ERR_PTR(-ENOENT). mmap_lock held. */
static struct vma *area_at(struct userfaultfd *u, vaddr_t dst)
{
    struct vma *v = vma_lookup(u->mm, dst);

    ASSERT(!v || !(v->flags & VM_USERFAULT) || (v->private != NULL && vma_is_anon(v))); /* I1 */
    return v && v->flags & VM_USERFAULT && v->private == u ? v : ERR_PTR(-ENOENT);
}

/* Before the source is looked at, which may itself be a hole that nobody fills. */
static int check_destination(struct userfaultfd *u, vaddr_t dst)
{
    struct vma *v;

    mmap_read_lock(u->mm);
    v = area_at(u, dst);
    mmap_read_unlock(u->mm);
    return IS_ERR(v) ? (int)PTR_ERR(v) : 0;
}

static int copy_one(struct userfaultfd *u, vaddr_t dst, const void __user *src)
{
    int err = check_destination(u, dst);
    struct page *p;
    struct vma *v;

    if (err)
        return err;
    p = page_alloc(PAGE_ANON, GFP_USER);
    if (!p)
        return -ENOMEM;
    err = copy_from_user(page_to_virt(p), src, PAGE_SIZE) ? -EFAULT : 0;
    if (!err) {
        mmap_read_lock(u->mm);
        v = area_at(u, dst);
        err = IS_ERR(v) ? (int)PTR_ERR(v) : pt_fill_hole(v, dst, p);
        mmap_read_unlock(u->mm);
    }
    if (err)
        page_put(p);
    return err;
}

static int zero_one(struct userfaultfd *u, vaddr_t dst)
{
    struct vma *v;
    int err;

    mmap_read_lock(u->mm);
    v = area_at(u, dst);
    err = IS_ERR(v) ? (int)PTR_ERR(v) : pt_fill_hole_zero(v, dst);
    mmap_read_unlock(u->mm);
    return err;
}

s64 userfault_fill(struct userfaultfd *u, vaddr_t dst, const char __user *src, size_t len)
{
    size_t done = 0;
    int err = 0;

    ASSERT(len != 0 && IS_ALIGNED(dst | len, PAGE_SIZE) && dst + len <= user_top());
    while (done < len && !err && !fatal_signal_pending()) {
        err = src ? copy_one(u, dst + done, src + done) : zero_one(u, dst + done);
        done += err ? 0 : PAGE_SIZE;
    }
    return done ? (s64)done : err ? err : -EINTR;
}
