/* SPDX-License-Identifier: MIT */
/*
 * dmatest_iommu.c: a device with an MMU of its own, in software: a window of an address space that
 * it reads and writes without pinning anything.
 *
 * Its page table has one entry per page of the window: frame, may write. It is a copy of parts of
 * the process' page tables, filled on a miss (fault on the process' behalf, then copy the leaf
 * under the lock of its table), and told of every change (mm/notifier.h). An access copies at most
 * a page between the frame, by its physical address, and a buffer of the kernel, with the lock
 * held: when the process' change is over, no access to what was before is under way.
 *
 * A leaf may be copied for writing when it is writable and marked dirty, so that the device need
 * not mark it.
 *
 * Locks: the address space's NOTIFIER lock for table and counts; the file's (LEAF) for the list of
 * windows; mmap_lock for reading and PT outside of NOTIFIER on a miss. Invariants: I1 what the
 * table has is what the process' tables have, and allows no more. Checked by iommu_check,
 * tests/user/iommu_test.c. Read next: mm/notifier.c.
 */
#include <asm/errno.h>
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <mm/gup.h>
#include <mm/notifier.h>
#include <mm/pt_ops.h>
#include <mm/pt_share.h>
#include <mm/pt_walk.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <uapi/dmatest.h>
#include "dmatest_iommu.h"

#define MAX_WINDOWS 8

/* An entry: 0, or frame << 2 | ENTRY_WRITE | ENTRY_VALID. */
#define ENTRY_VALID 1ULL
#define ENTRY_WRITE 2ULL

struct window {
    struct mm_notifier notifier;
    vaddr_t start, end;
    u64 *table; /* [NOTIFIER] */
    u64 hits, misses, invalidated; /* [NOTIFIER] */
    struct list_head link; /* all_lock */
};

struct dmatest_iommu {
    spinlock_t lock;
    struct window *windows[MAX_WINDOWS]; /* lock; each stays until the file is closed */
};

static spinlock_t all_lock = SPINLOCK_INIT(LOCK_MM_LIST);
static LIST_HEAD(all_windows); /* all_lock; for the checker */

static u64 *entry_of(struct window *w, vaddr_t va)
{
    ASSERT(va >= w->start && va < w->end);
    return &w->table[(va - w->start) >> PAGE_SHIFT];
}

/* ---- following the process ---- */

static void invalidate(struct mm_notifier *n, vaddr_t start, vaddr_t end)
{
    struct window *w = container_of(n, struct window, notifier);

    start = max(start & PAGE_MASK, w->start);
    end = min(end, w->end);
    for (vaddr_t va = start; va < end; va += PAGE_SIZE) {
        u64 *e = entry_of(w, va);

        w->invalidated += *e != 0;
        *e = 0;
    }
}

static const struct mm_notifier_ops notifier_ops = {.invalidate = invalidate};

/* What the leaf @e of @table, which is locked, allows the device; 0: nothing. The links above it
 * say the same as the area, or are those to a table that fork shared: the leaf may allow more. */
static u64 entry_from(const struct vma *v, const struct page *table, pte_t e, vaddr_t va)
{
    unsigned int level = table->level;
    pt_prot_t prot;
    u64 pfn;

    if (!pte_is_leaf(e, level))
        return 0;
    prot = pte_prot(e, level) & vma_prot(v);
    if (pt_is_forked(table))
        prot &= ~PT_W;
    if ((prot & (PT_R | PT_U)) != (PT_R | PT_U))
        return 0;
    pfn = (pte_paddr(e, level) + (va & (pt_size(level) - 1))) >> PAGE_SHIFT;
    return pfn << 2 | ENTRY_VALID |
           ((prot & PT_W) && (pte_state(e) & PT_DIRTY) ? ENTRY_WRITE : 0);
}

/* Copies the leaf for @va into the table. 0; -EAGAIN: it does not allow the access; -EOPNOTSUPP: it
 * is inside a shared space, whose changes are not told to clients of its users. */
static int copy_leaf(struct window *w, vaddr_t va, bool write)
{
    struct mm *mm = w->notifier.mm;
    struct page *table;
    unsigned int level;
    struct vma *v;
    u64 new = 0;
    bool told = true;
    pte_t *slot;

    mmap_read_lock(mm);
    v = vma_lookup(mm, va);
    slot = v ? pt_look_locked(mm, va, &table, &level) : NULL;
    if (slot != NULL) {
        told = !pt_is_foreign(table, mm) || pt_is_shared(table);
        mm_notifier_lock(&w->notifier);
        new = told ? entry_from(v, table, pte_load(slot), va) : 0;
        *entry_of(w, va) = new;
        w->misses++;
        mm_notifier_unlock(&w->notifier);
        pt_unlock(table);
    }
    mmap_read_unlock(mm);
    if (!told)
        return -EOPNOTSUPP;
    return (new & ENTRY_VALID) && (!write || (new & ENTRY_WRITE)) ? 0 : -EAGAIN;
}

/* A fault on the process' behalf, then its result. 0, or why the process may not. */
static int fill(struct window *w, vaddr_t va, bool write)
{
    struct mm *mm = w->notifier.mm;
    struct page *p;
    int err = 0;
    long got;

    if (!atomic_inc_not_zero(&mm->users))
        return -ESRCH;
    do {
        got = get_user_pages(mm, va, 1, write ? GUP_WRITE : 0, &p);
        if (got == 1)
            put_user_page(p);
        err = got == 1 ? copy_leaf(w, va, write) : (int)got;
    } while (err == -EAGAIN && !fatal_signal_pending());
    mm_put(mm);
    return err == -EAGAIN ? 0 : err;
}

/* ---- accesses ---- */

/* True: done. False: the table does not allow it, or not yet. */
static bool try_access(struct window *w, vaddr_t va, char *buf, size_t len, bool write)
{
    bool done;
    char *at;
    u64 e;

    mm_notifier_lock(&w->notifier);
    e = *entry_of(w, va);
    done = (e & ENTRY_VALID) && (!write || (e & ENTRY_WRITE));
    if (done) {
        at = (char *)phys_to_virt((paddr_t)(e >> 2) << PAGE_SHIFT) + (va & ~PAGE_MASK);
        memcpy(write ? at : buf, write ? buf : at, len);
        w->hits++;
    }
    mm_notifier_unlock(&w->notifier);
    return done;
}

static struct window *window_of(struct dmatest_iommu *io, u32 number)
{
    struct window *w = NULL;
    unsigned long flags = spin_lock_irqsave(&io->lock);

    if (number < MAX_WINDOWS)
        w = io->windows[number];
    spin_unlock_irqrestore(&io->lock, flags);
    return w;
}

static int access(struct window *w, const struct dmatest_io *a, char *buf)
{
    bool write = a->flags & DMATEST_WRITE;
    int err = 0;

    if (write && copy_from_user(buf, (const void __user *)(unsigned long)a->buffer, a->len))
        return -EFAULT;
    while (err == 0 && !try_access(w, a->addr, buf, a->len, write))
        err = fatal_signal_pending() ? -EINTR : fill(w, a->addr, write);
    if (err == 0 && !write && copy_to_user((void __user *)(unsigned long)a->buffer, buf, a->len))
        err = -EFAULT;
    return err;
}

static long do_io(struct dmatest_iommu *io, const void __user *uarg)
{
    struct dmatest_io a;
    struct window *w;
    char *buf;
    long err;

    if (copy_from_user(&a, uarg, sizeof(a)))
        return -EFAULT;
    w = window_of(io, a.window);
    if (w == NULL || (a.flags & ~DMATEST_WRITE) || a.len == 0 ||
        a.len > PAGE_SIZE - (a.addr & ~PAGE_MASK) || a.addr < w->start || a.addr >= w->end)
        return -EINVAL;
    buf = kmalloc(PAGE_SIZE);
    if (buf == NULL)
        return -ENOMEM;
    err = access(w, &a, buf);
    kfree(buf);
    return err;
}

/* ---- windows ---- */

static struct window *window_new(const struct dmatest_window *arg)
{
    struct window *w = kzalloc(sizeof(*w));

    if (w == NULL)
        return NULL;
    w->start = arg->addr;
    w->end = arg->addr + arg->len;
    w->table = vmalloc(arg->len / PAGE_SIZE * sizeof(u64));
    if (w->table == NULL) {
        kfree(w);
        return NULL;
    }
    mm_notifier_register(&w->notifier, &notifier_ops, current->mm);
    spin_lock(&all_lock);
    list_add(&w->link, &all_windows);
    spin_unlock(&all_lock);
    return w;
}

static void window_free(struct window *w)
{
    spin_lock(&all_lock);
    list_del(&w->link);
    spin_unlock(&all_lock);
    mm_notifier_unregister(&w->notifier);
    vfree(w->table);
    kfree(w);
}

static long do_open(struct dmatest_iommu *io, struct dmatest_window __user *uarg)
{
    struct dmatest_window arg;
    struct window *w;
    unsigned long flags;
    u32 n = 0;

    if (copy_from_user(&arg, uarg, sizeof(arg)))
        return -EFAULT;
    if (!IS_ALIGNED(arg.addr | arg.len, PAGE_SIZE) || arg.len == 0 || arg.len > DMATEST_MAX_BYTES ||
        arg.addr + arg.len < arg.addr || arg.addr + arg.len > user_top() || arg.reserved != 0)
        return -EINVAL;
    w = window_new(&arg);
    if (w == NULL)
        return -ENOMEM;
    flags = spin_lock_irqsave(&io->lock);
    while (n < MAX_WINDOWS && io->windows[n] != NULL)
        n++;
    if (n < MAX_WINDOWS)
        io->windows[n] = w;
    spin_unlock_irqrestore(&io->lock, flags);
    if (n == MAX_WINDOWS) {
        window_free(w);
        return -ENOSPC;
    }
    return put_user_u32(n, &uarg->window) ? -EFAULT : 0;
}

static long do_info(struct dmatest_iommu *io, struct dmatest_window_info __user *uarg)
{
    struct dmatest_window_info info;
    struct window *w;

    if (copy_from_user(&info, uarg, sizeof(info)))
        return -EFAULT;
    w = window_of(io, info.window);
    if (w == NULL)
        return -EINVAL;
    mm_notifier_lock(&w->notifier);
    info.hits = w->hits;
    info.misses = w->misses;
    info.invalidated = w->invalidated;
    info.mapped = 0;
    for (vaddr_t va = w->start; va < w->end; va += PAGE_SIZE)
        info.mapped += *entry_of(w, va) != 0;
    mm_notifier_unlock(&w->notifier);
    return copy_to_user(uarg, &info, sizeof(info)) ? -EFAULT : 0;
}

struct dmatest_iommu *dmatest_iommu_new(void)
{
    struct dmatest_iommu *io = kzalloc(sizeof(*io));

    if (io != NULL)
        io->lock = (spinlock_t)SPINLOCK_INIT(LOCK_LEAF);
    return io;
}

void dmatest_iommu_free(struct dmatest_iommu *io)
{
    for (unsigned int n = 0; n < MAX_WINDOWS; n++)
        if (io->windows[n] != NULL)
            window_free(io->windows[n]);
    kfree(io);
}

long dmatest_iommu_ioctl(struct dmatest_iommu *io, unsigned int cmd, void *uarg)
{
    switch (cmd) {
    case DMATEST_OPEN: return do_open(io, uarg);
    case DMATEST_IO: return do_io(io, uarg);
    case DMATEST_WINDOW_INFO: return do_info(io, uarg);
    default: return -ENOTTY;
    }
}

/* I1 of one window. Nothing may change page tables meanwhile. */
static int check_window(struct window *w)
{
    struct mm *mm = w->notifier.mm;
    int bad = 0;

    for (vaddr_t va = w->start; va < w->end; va += PAGE_SIZE) {
        u64 e = *entry_of(w, va), now = 0;
        struct page *table;
        unsigned int level;
        struct vma *v;
        pte_t *slot;

        if (e == 0)
            continue;
        v = atomic_read(&mm->users) > 0 ? vma_lookup(mm, va) : NULL;
        slot = v ? pt_look_locked(mm, va, &table, &level) : NULL;
        if (slot != NULL) {
            now = entry_from(v, table, pte_load(slot), va);
            pt_unlock(table);
        }
        if (e >> 2 == now >> 2 && (e & ~now) == 0)
            continue;
        bad++;
        pr_err("iommu: at 0x%lx the device has 0x%llx, the process 0x%llx\n", (unsigned long)va,
               (unsigned long long)e, (unsigned long long)now);
    }
    return bad;
}

static int iommu_check(void)
{
    struct window *w;
    int bad = 0;

    spin_lock(&all_lock);
    list_for_each_entry (w, &all_windows, link)
        bad += check_window(w);
    spin_unlock(&all_lock);
    return bad;
}
KCHECK("iommu", iommu_check);
