/* SPDX-License-Identifier: MIT */
/*
 * dmatest.c: /dev/dmatest: pins memory of the caller and uses it later by physical address.
 *
 * It stands for hardware with DMA in tests of pins: what it is told to do happens through the
 * kernel's own map of memory, past all page tables of processes, from any process that has the file
 * or from a thread of its own (the engine). include/uapi/dmatest.h describes the calls.
 *
 * Locks: dmatest.lock (LOCK_LEAF) for the table of regions; a region lives until its last reference
 * (table, call in progress, engine) goes, and unpins then. Invariants: I1 pages of a region are
 * pinned once for it; I2 mm->pinned_vm counts them until they are unpinned.
 * Checked by tests/user/dmatest_test.c. Read next: dmatest_iommu.c, mm/gup.c.
 */
#include <asm/errno.h>
#include <kernel/devices.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <kernel/wait.h>
#include <linux/resource.h>
#include <mm/gup.h>
#include <mm/slab.h>
#include <uapi/dmatest.h>
#include "dmatest_iommu.h"

#define DMATEST_DEV MKDEV(10, 120)

struct region {
    atomic_t refs;
    struct mm *mm;   /* where the pages are accounted; the structure only */
    size_t off, len; /* bytes: where it begins in the first page */
    bool writable;
    unsigned long nr; /* pages */
    struct page **pages;
    /* The engine. */
    bool running, stop; /* dmatest.lock; stop is read without */
    u32 word;
    u64 last; /* the engine's, until it has ended */
    struct wait_queue ended;
};

struct dmatest {
    spinlock_t lock;
    struct region *regions[DMATEST_MAX_REGIONS];
    struct dmatest_iommu *iommu; /* set once */
};

static bool wanted
#ifdef CONFIG_DEBUG
    = true
#endif
    ;

static void set_wanted(const char *value)
{
    wanted = true;
}
KPARAM("dmatest", set_wanted, "make /dev/dmatest, which pins memory and writes it like a device");

/* ---- life of a region ---- */

static int account(struct mm *mm, unsigned long nr)
{
    unsigned long limit = task_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
    int err = mmap_write_lock_killable(mm);

    if (err)
        return err;
    if (!has_capability() && (nr > limit || mm->pinned_vm > limit - nr))
        err = -ENOMEM;
    else
        mm->pinned_vm += nr;
    mmap_write_unlock(mm);
    return err;
}

static void unaccount(struct mm *mm, unsigned long nr)
{
    mmap_write_lock(mm);
    mm->pinned_vm -= nr;
    mmap_write_unlock(mm);
}

static void region_put(struct region *r)
{
    if (!atomic_dec_and_test(&r->refs))
        return;
    unpin_user_pages(r->pages, r->nr, r->writable);
    unaccount(r->mm, r->nr);
    mm_drop(r->mm);
    kfree(r->pages);
    kfree(r);
}

/* All pages of the region, or none. */
static int pin_all(struct region *r, vaddr_t addr)
{
    unsigned int flags = GUP_LONGTERM | (r->writable ? GUP_WRITE : 0);
    unsigned long done = 0;

    while (done < r->nr) {
        long got =
            pin_user_pages_fast(addr + done * PAGE_SIZE, r->nr - done, flags, r->pages + done);

        if (got <= 0) {
            unpin_user_pages(r->pages, done, false);
            return got < 0 ? (int)got : -EFAULT;
        }
        done += (unsigned long)got;
    }
    return 0;
}

static struct region *region_new(const struct dmatest_pin *arg)
{
    struct region *r = kzalloc(sizeof(*r));
    int err = -ENOMEM;

    if (r == NULL)
        return ERR_PTR(-ENOMEM);
    atomic_set(&r->refs, 1);
    wait_queue_init(&r->ended);
    r->writable = arg->flags & DMATEST_WRITE;
    r->off = arg->addr & ~PAGE_MASK;
    r->len = arg->len;
    r->nr = PAGE_ALIGN(r->off + r->len) >> PAGE_SHIFT;
    r->mm = current->mm;
    r->pages = kmalloc(r->nr * sizeof(*r->pages));
    if (r->pages != NULL)
        err = account(r->mm, r->nr);
    if (err == 0) {
        err = pin_all(r, arg->addr);
        if (err)
            unaccount(r->mm, r->nr);
    }
    if (err) {
        kfree(r->pages);
        kfree(r);
        return ERR_PTR(err);
    }
    mm_grab(r->mm);
    return r;
}

/* With a reference; NULL when there is none of that number. */
static struct region *region_get(struct dmatest *d, u32 number)
{
    struct region *r = NULL;
    unsigned long flags;

    if (number >= DMATEST_MAX_REGIONS)
        return NULL;
    flags = spin_lock_irqsave(&d->lock);
    r = d->regions[number];
    if (r != NULL)
        atomic_inc(&r->refs);
    spin_unlock_irqrestore(&d->lock, flags);
    return r;
}

/* Takes the region out of the table, with the table's reference; its engine ends by itself. */
static struct region *region_take(struct dmatest *d, u32 number)
{
    unsigned long flags = spin_lock_irqsave(&d->lock);
    struct region *r = d->regions[number];

    d->regions[number] = NULL;
    if (r != NULL)
        WRITE_ONCE(r->stop, true);
    spin_unlock_irqrestore(&d->lock, flags);
    return r;
}

/* ---- the calls ---- */

static long do_pin(struct dmatest *d, struct dmatest_pin __user *uarg)
{
    struct dmatest_pin arg;
    struct region *r;
    unsigned long flags;
    u32 n = 0;

    if (copy_from_user(&arg, uarg, sizeof(arg)))
        return -EFAULT;
    if (arg.len == 0 || arg.len > DMATEST_MAX_BYTES || (arg.flags & ~DMATEST_WRITE) ||
        arg.addr + arg.len < arg.addr)
        return -EINVAL;
    r = region_new(&arg);
    if (IS_ERR(r))
        return PTR_ERR(r);
    flags = spin_lock_irqsave(&d->lock);
    while (n < DMATEST_MAX_REGIONS && d->regions[n] != NULL)
        n++;
    if (n < DMATEST_MAX_REGIONS)
        d->regions[n] = r;
    spin_unlock_irqrestore(&d->lock, flags);
    if (n == DMATEST_MAX_REGIONS) {
        region_put(r);
        return -ENOSPC;
    }
    if (put_user_u32(n, &uarg->region) == 0)
        return 0;
    r = region_take(d, n);
    if (r != NULL)
        region_put(r);
    return -EFAULT;
}

static long do_unpin(struct dmatest *d, unsigned long number)
{
    struct region *r = number < DMATEST_MAX_REGIONS ? region_take(d, (u32)number) : NULL;

    if (r == NULL)
        return -EINVAL;
    region_put(r);
    return 0;
}

/* By physical address: what the page tables say now does not matter. */
static char *region_at(const struct region *r, u64 offset)
{
    u64 at = r->off + offset;

    return (char *)phys_to_virt(page_to_phys(r->pages[at >> PAGE_SHIFT])) + (at & ~PAGE_MASK);
}

static long access_region(const struct region *r, const struct dmatest_access *a)
{
    bool write = a->flags & DMATEST_WRITE;

    if (a->offset > r->len || a->len > r->len - a->offset)
        return -EINVAL;
    if (write && !r->writable)
        return -EACCES;
    for (u64 done = 0; done < a->len;) {
        char *at = region_at(r, a->offset + done);
        char __user *buf = (char __user *)(unsigned long)a->buffer + done;
        u64 n = min(a->len - done, PAGE_SIZE - ((unsigned long)at & ~PAGE_MASK));

        if (write ? copy_from_user(at, buf, n) : copy_to_user(buf, at, n))
            return -EFAULT;
        done += n;
    }
    return 0;
}

static long do_access(struct dmatest *d, const void __user *uarg)
{
    struct dmatest_access a;
    struct region *r;
    long ret;

    if (copy_from_user(&a, uarg, sizeof(a)))
        return -EFAULT;
    r = a.flags & ~DMATEST_WRITE ? NULL : region_get(d, a.region);
    if (r == NULL)
        return -EINVAL;
    ret = access_region(r, &a);
    region_put(r);
    return ret;
}

static long do_info(struct dmatest *d, struct dmatest_info __user *uarg)
{
    struct dmatest_info info;
    struct region *r;
    struct page *p;

    if (copy_from_user(&info, uarg, sizeof(info)))
        return -EFAULT;
    r = region_get(d, info.region);
    if (r == NULL)
        return -EINVAL;
    if (info.offset >= r->len) {
        region_put(r);
        return -EINVAL;
    }
    p = r->pages[(r->off + info.offset) >> PAGE_SHIFT];
    info.pfn = page_to_pfn(p);
    info.refs = page_refs(p);
    info.pins = page_pins(p);
    info.mapcount = page_mapcount(p);
    info.exclusive = p->kind == PAGE_ANON && page_test(p, PG_EXCLUSIVE);
    info.reserved = 0;
    region_put(r);
    return copy_to_user(uarg, &info, sizeof(info)) ? -EFAULT : 0;
}

/* ---- the engine ---- */

static int engine(void *arg)
{
    struct region *r = arg;
    u64 value = 0;

    do {
        value++;
        for (unsigned long i = 0; i < r->nr; i++)
            WRITE_ONCE(*(u64 *)(region_at(r, i * PAGE_SIZE) + r->word), value);
        schedule(); /* others may want the CPU */
    } while (!READ_ONCE(r->stop));
    r->last = value;
    smp_store_release(&r->running, false);
    wake_up_all(&r->ended);
    region_put(r);
    return 0;
}

static long start_engine(struct dmatest *d, struct region *r, u32 number, u32 word)
{
    struct task *t;
    unsigned long flags;
    int err = 0;

    if (r->off != 0 || r->len != r->nr * PAGE_SIZE || word > PAGE_SIZE - 8 || word % 8 != 0)
        return -EINVAL;
    if (!r->writable)
        return -EACCES;
    flags = spin_lock_irqsave(&d->lock);
    if (d->regions[number] != r) /* unpinned meanwhile: nobody could stop it */
        err = -EINVAL;
    else if (r->running)
        err = -EBUSY;
    else
        r->running = true, r->stop = false;
    spin_unlock_irqrestore(&d->lock, flags);
    if (err)
        return err;
    r->word = word;
    atomic_inc(&r->refs); /* the thread's */
    t = kernel_thread(engine, r, "dmatest");
    if (!IS_ERR(t))
        return 0;
    smp_store_release(&r->running, false);
    region_put(r);
    return PTR_ERR(t);
}

static long stop_engine(struct region *r, __u64 *last)
{
    if (!smp_load_acquire(&r->running))
        return -EINVAL;
    WRITE_ONCE(r->stop, true);
    wait_event(&r->ended, !smp_load_acquire(&r->running));
    *last = r->last;
    return 0;
}

static long do_engine(struct dmatest *d, struct dmatest_engine __user *uarg, bool start)
{
    struct dmatest_engine e;
    struct region *r;
    long ret;

    if (copy_from_user(&e, uarg, sizeof(e)))
        return -EFAULT;
    r = region_get(d, e.region);
    if (r == NULL)
        return -EINVAL;
    ret = start ? start_engine(d, r, e.region, e.word) : stop_engine(r, &e.last);
    region_put(r);
    if (ret == 0 && !start && copy_to_user(uarg, &e, sizeof(e)))
        ret = -EFAULT;
    return ret;
}

/* ---- the file ---- */

static long dmatest_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    struct dmatest *d = f->private;
    void __user *uarg = (void __user *)arg;

    switch (cmd) {
    case DMATEST_PIN: return do_pin(d, uarg);
    case DMATEST_UNPIN: return do_unpin(d, arg);
    case DMATEST_ACCESS: return do_access(d, uarg);
    case DMATEST_INFO: return do_info(d, uarg);
    case DMATEST_START: return do_engine(d, uarg, true);
    case DMATEST_STOP: return do_engine(d, uarg, false);
    default: return dmatest_iommu_ioctl(d->iommu, cmd, uarg);
    }
}

static int dmatest_open(struct inode *i, struct file *f)
{
    struct dmatest *d = kzalloc(sizeof(*d));

    if (d == NULL)
        return -ENOMEM;
    d->lock = (spinlock_t)SPINLOCK_INIT(LOCK_LEAF);
    d->iommu = dmatest_iommu_new();
    if (d->iommu == NULL) {
        kfree(d);
        return -ENOMEM;
    }
    f->private = d;
    return 0;
}

static void dmatest_release(struct file *f)
{
    struct dmatest *d = f->private;

    for (u32 n = 0; n < DMATEST_MAX_REGIONS; n++) {
        struct region *r = region_take(d, n);

        if (r != NULL)
            region_put(r);
    }
    dmatest_iommu_free(d->iommu);
    kfree(d);
}

static const struct file_ops dmatest_fops = {
    .open = dmatest_open, .release = dmatest_release, .ioctl = dmatest_ioctl};

void dmatest_init(void)
{
    if (wanted)
        chrdev_register("dmatest", DMATEST_DEV, 0600, &dmatest_fops);
}
