/* SPDX-License-Identifier: MIT */
/*
 * blkdev.c: disks as files: /dev/vda.
 *
 * Without O_DIRECT, reads and writes go through the device's page cache; what was written reaches
 * the disk by fsync, sync, BLKFLSBUF, or when a descriptor that may write is closed. With O_DIRECT
 * the device's DMA goes to and from the caller's own pages, which are pinned meanwhile; position,
 * addresses and lengths must be multiples of the block size (EINVAL). Both see one disk: O_DIRECT
 * writes cached changes of its range back first, and drops what the cache has of it afterwards.
 *
 * The cache of a device is bounded (an eighth of memory); when it is over, all of it is written
 * back and dropped. No read-ahead, no partitions, no mmap (ENODEV).
 *
 * Locks: block_device.lock (INODE): write for cached writes and write-back, read for O_DIRECT, so
 * that no page of the range gets dirty while a direct transfer runs; cached reads take none. A page
 * is filled under its page lock, for which dropping it waits. Invariants: I1 a page with PG_DIRTY
 * is PG_UPTODATE; I2 bytes behind the device's end are never transferred.
 * Checked by tests/user/blk_test.c, tests/disk/. Source: open(2) on O_DIRECT. Read next:
 * drivers/virtio/virtio_blk.c.
 */
#include "internal.h"
#include <kernel/blkdev.h>
#include <asm/quire_page.h>
#include <linux/fs.h>
#include <mm/gup.h>
#include <mm/mm.h>

#define MAX_BLKDEVS 16
#define BATCH       64 /* pages of one transfer */

static struct block_device *blkdevs[MAX_BLKDEVS];
static unsigned int nr_blkdevs;

static struct block_device *file_bdev(const struct file *f)
{
    return container_of(f->mapping, struct block_device, mapping);
}

/* ---- between cache and disk ---- */

/* Bytes of page @index that lie on the device. */
static u32 page_bytes(const struct block_device *b, u64 index)
{
    return (u32)min((u64)PAGE_SIZE, b->nr_bytes - (index << PAGE_SHIFT));
}

static int fill(struct mapping *m, struct page *p)
{
    struct block_device *b = container_of(m, struct block_device, mapping);
    struct blk_seg seg = {page_to_phys(p), page_bytes(b, p->index)};

    if (seg.len < PAGE_SIZE)
        clear_page(page_to_virt(p));
    return b->ops->transfer(b, p->index << PAGE_SHIFT, &seg, 1, false);
}

static const struct mapping_ops blkdev_mapping_ops = {.fill = fill};

/* Neighbouring pages. They are clean afterwards also on an error, which whoever calls fsync hears
 * of: there is nothing better to do with a page that a disk refuses. */
static int write_run(struct block_device *b, struct page **pages, unsigned int n)
{
    struct blk_seg segs[BATCH];
    int err;

    for (unsigned int i = 0; i < n; i++) {
        page_clear(pages[i], PG_DIRTY);
        segs[i] = (struct blk_seg){page_to_phys(pages[i]), page_bytes(b, pages[i]->index)};
    }
    err = b->ops->transfer(b, pages[0]->index << PAGE_SHIFT, segs, n, true);
    if (err)
        (void)__atomic_fetch_add(&b->nr_errors, 1, __ATOMIC_RELAXED);
    return err;
}

/* The dirty ones of pages [i, n) that follow each other, from @i on. */
static unsigned int run_length(const struct block_device *b, struct page **pages, unsigned int i,
                               unsigned int n)
{
    unsigned int len = 0;

    while (i + len < n && len < b->max_segs && page_test(pages[i + len], PG_DIRTY) &&
           pages[i + len]->index == pages[i]->index + len)
        len++;
    return len;
}

/* Pages [first, last) of the cache to the disk. Lock held for writing. 0 or the first error. */
static int write_back(struct block_device *b, u64 first, u64 last)
{
    struct page *pages[BATCH];
    unsigned int n;
    int ret = 0;

    while ((n = mapping_find_batch(&b->mapping, &first, last, pages, BATCH)) != 0) {
        for (unsigned int i = 0; i < n;) {
            unsigned int len = run_length(b, pages, i, n);
            int err = len ? write_run(b, pages + i, len) : 0;

            if (err && ret == 0)
                ret = err;
            i += max(len, 1u);
        }
        for (unsigned int i = 0; i < n; i++)
            page_put(pages[i]);
    }
    return ret;
}

static bool has_dirty(struct block_device *b, u64 first, u64 last)
{
    struct page *pages[BATCH];
    unsigned int n;
    bool dirty = false;

    if (mapping_nr_pages(&b->mapping) == 0)
        return false;
    while (!dirty && (n = mapping_find_batch(&b->mapping, &first, last, pages, BATCH)) != 0)
        for (unsigned int i = 0; i < n; i++) {
            dirty |= page_test(pages[i], PG_DIRTY);
            page_put(pages[i]);
        }
    return dirty;
}

/* Lock held for writing. An error of the write-back is fsync's to report. */
static void drop_cache(struct block_device *b)
{
    (void)write_back(b, 0, ~0ULL);
    (void)mapping_truncate(&b->mapping, 0, ~0ULL);
}

static bool cache_is_full(const struct block_device *b)
{
    return mapping_nr_pages(&b->mapping) > buddy_nr_total() / 8;
}

static int sync_device(struct block_device *b)
{
    int err, flush_err;

    rwsem_write_lock(&b->lock);
    err = write_back(b, 0, ~0ULL);
    rwsem_write_unlock(&b->lock);
    flush_err = b->ops->flush(b);
    return err ? err : flush_err;
}

void blkdev_sync_all(void)
{
    unsigned int n = smp_load_acquire(&nr_blkdevs);

    while (n-- > 0)
        (void)sync_device(blkdevs[n]);
}

/* ---- through the cache ---- */

static ssize_t cached_read(struct block_device *b, struct iov_iter *to, u64 pos)
{
    size_t done = 0;

    if (unlikely(cache_is_full(b))) {
        rwsem_write_lock(&b->lock);
        drop_cache(b);
        rwsem_write_unlock(&b->lock);
    }
    while (to->count) {
        size_t off = (size_t)pos & ~PAGE_MASK, n = min(PAGE_SIZE - off, to->count), got;
        struct page *p;
        int err = mapping_get_page(&b->mapping, pos >> PAGE_SHIFT, 0, &p);

        if (err)
            return done ? (ssize_t)done : err;
        got = copy_to_iter((char *)page_to_virt(p) + off, n, to);
        page_put(p);
        done += got;
        pos += got;
        if (got < n)
            return done ? (ssize_t)done : -EFAULT;
        if (to->count && fatal_signal_pending())
            break;
    }
    return (ssize_t)done;
}

/* A whole page that is not cached: nothing has to be read first. True when it was done; else
 * nothing was consumed, and the page may be there, unfilled. */
static bool write_new_page(struct block_device *b, u64 index, struct iov_iter *from)
{
    struct iov_iter before = *from;
    struct page *p;
    bool whole = false;

    if (mapping_get_page(&b->mapping, index, MAPPING_LOCK | MAPPING_NOFILL, &p))
        return false;
    if (!page_test(p, PG_UPTODATE)) {
        current->pagefault_disabled++; /* the page is locked */
        whole = copy_from_iter(page_to_virt(p), PAGE_SIZE, from) == PAGE_SIZE;
        current->pagefault_disabled--;
        if (whole) {
            smp_wmb(); /* contents before the flag */
            page_set(p, PG_UPTODATE | PG_DIRTY);
        } else {
            *from = before;
        }
    }
    page_unlock(p);
    page_put(p);
    return whole;
}

static ssize_t write_page(struct block_device *b, u64 pos, size_t n, struct iov_iter *from)
{
    struct page *p;
    size_t got;
    int err;

    if (n == PAGE_SIZE && write_new_page(b, pos >> PAGE_SHIFT, from))
        return PAGE_SIZE;
    err = mapping_get_page(&b->mapping, pos >> PAGE_SHIFT, 0, &p);
    if (err)
        return err;
    got = copy_from_iter((char *)page_to_virt(p) + (pos & ~PAGE_MASK), n, from);
    if (got)
        page_set(p, PG_DIRTY);
    page_put(p);
    return got ? (ssize_t)got : -EFAULT;
}

static ssize_t cached_write(struct block_device *b, struct iov_iter *from, u64 pos)
{
    ssize_t done = 0;

    rwsem_write_lock(&b->lock);
    while (from->count) {
        size_t n = min(PAGE_SIZE - ((size_t)pos & ~PAGE_MASK), from->count);
        ssize_t got;

        if (unlikely(cache_is_full(b)))
            drop_cache(b);
        got = write_page(b, pos, n, from);
        if (got < 0) {
            done = done ? done : got;
            break;
        }
        done += got;
        pos += (u64)got;
        if (from->count && fatal_signal_pending())
            break;
    }
    rwsem_write_unlock(&b->lock);
    return done;
}

/* ---- O_DIRECT ---- */

/* One transfer's memory. */
struct direct {
    struct page *pages[BATCH];
    struct blk_seg segs[BATCH];
    unsigned int nr_pages, nr_segs;
    size_t len;
};

static void add_memory(struct direct *d, paddr_t pa, u32 len)
{
    struct blk_seg *last = d->nr_segs ? &d->segs[d->nr_segs - 1] : NULL;

    d->len += len;
    if (last && last->pa + last->len == pa)
        last->len += len;
    else
        d->segs[d->nr_segs++] = (struct blk_seg){pa, len};
}

/* Pins the user's pages at @base; as much of @n bytes as fits into one transfer and is there. 0 or
 * -errno. */
static int pin_memory(struct direct *d, const struct block_device *b, char *base, size_t n,
                      bool write)
{
    size_t off = (unsigned long)base & ~PAGE_MASK, left;
    unsigned long nr = min((off + n + PAGE_SIZE - 1) >> PAGE_SHIFT, (size_t)b->max_segs);
    long got = pin_user_pages_fast((vaddr_t)base, nr, write ? 0 : GUP_WRITE, d->pages);

    if (got <= 0)
        return got < 0 ? (int)got : -EFAULT;
    d->nr_pages = (unsigned int)got;
    left = ALIGN_DOWN(min(n, (size_t)got * PAGE_SIZE - off), (size_t)b->block_bytes);
    if (left == 0) {
        unpin_user_pages(d->pages, d->nr_pages, false);
        return -EFAULT;
    }
    for (unsigned int i = 0; left > 0; i++, off = 0) {
        u32 part = (u32)min(left, PAGE_SIZE - off);

        add_memory(d, page_to_phys(d->pages[i]) + off, part);
        left -= part;
    }
    return 0;
}

/* One transfer from the front of @it. Bytes or -errno. */
static ssize_t direct_piece(struct block_device *b, struct direct *d, struct iov_iter *it, u64 pos,
                            bool write)
{
    char *base;
    size_t n = iov_iter_piece(it, &base);
    int err = 0;

    d->nr_pages = d->nr_segs = 0;
    d->len = 0;
    if (it->kernel) /* the kernel's own buffer, contiguous */
        add_memory(d, virt_to_phys(base), (u32)n);
    else
        err = pin_memory(d, b, base, n, write);
    if (err)
        return err;
    err = b->ops->transfer(b, pos, d->segs, d->nr_segs, write);
    unpin_user_pages(d->pages, d->nr_pages, !write);
    if (err)
        return err;
    iov_iter_advance(it, d->len);
    return (ssize_t)d->len;
}

static ssize_t direct_all(struct block_device *b, struct iov_iter *it, u64 pos, bool write)
{
    struct direct *d = kmalloc(sizeof(*d));
    ssize_t done = 0, got = 0;

    if (d == NULL)
        return -ENOMEM;
    while (it->count) {
        got = direct_piece(b, d, it, pos + (u64)done, write);
        if (got < 0)
            break;
        done += got;
        if (it->count && fatal_signal_pending())
            break;
    }
    kfree(d);
    return done ? done : got;
}

/* Takes the lock for reading with nothing of pages [first, last) dirty, so that nothing gets dirty
 * before it is given back. 0, or -EIO without the lock. */
static int lock_clean(struct block_device *b, u64 first, u64 last)
{
    int err;

    rwsem_read_lock(&b->lock);
    if (likely(!has_dirty(b, first, last)))
        return 0;
    rwsem_read_unlock(&b->lock);
    rwsem_write_lock(&b->lock);
    err = write_back(b, first, last);
    if (err)
        rwsem_write_unlock(&b->lock);
    else
        rwsem_downgrade(&b->lock);
    return err;
}

static ssize_t direct_io(struct block_device *b, struct iov_iter *it, u64 pos, bool write)
{
    u64 first = pos >> PAGE_SHIFT, last = PAGE_ALIGN(pos + it->count) >> PAGE_SHIFT;
    ssize_t ret;
    int err;

    if ((pos | iov_iter_alignment(it)) & (b->block_bytes - 1))
        return -EINVAL;
    err = lock_clean(b, first, last);
    if (err)
        return err;
    ret = direct_all(b, it, pos, write);
    if (write && mapping_nr_pages(&b->mapping) != 0)
        (void)mapping_truncate(&b->mapping, first, last);
    rwsem_read_unlock(&b->lock);
    return ret;
}

/* ---- the file ---- */

static ssize_t blkdev_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    struct block_device *b = file_bdev(f);
    ssize_t ret;

    if ((u64)*pos >= b->nr_bytes || to->count == 0)
        return 0;
    to->count = (size_t)min((u64)to->count, b->nr_bytes - (u64)*pos);
    ret = f->flags & O_DIRECT ? direct_io(b, to, (u64)*pos, false) : cached_read(b, to, (u64)*pos);
    if (ret > 0)
        *pos += ret;
    return ret;
}

/* What has gone wrong since this file was last told. */
static int report_errors(struct file *f)
{
    unsigned long now = __atomic_load_n(&file_bdev(f)->nr_errors, __ATOMIC_RELAXED);

    if ((unsigned long)f->private == now)
        return 0;
    f->private = (void *)now;
    return -EIO;
}

static int blkdev_fsync(struct file *f)
{
    int err = sync_device(file_bdev(f)), earlier = report_errors(f);

    return err ? err : earlier;
}

static ssize_t blkdev_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    struct block_device *b = file_bdev(f);
    ssize_t ret;

    if (b->read_only)
        return -EPERM;
    if (from->count == 0)
        return 0;
    if ((u64)*pos >= b->nr_bytes)
        return -ENOSPC;
    from->count = (size_t)min((u64)from->count, b->nr_bytes - (u64)*pos);
    ret = f->flags & O_DIRECT ? direct_io(b, from, (u64)*pos, true)
                              : cached_write(b, from, (u64)*pos);
    if (ret <= 0)
        return ret;
    *pos += ret;
    if (f->flags & O_DSYNC) {
        int err = blkdev_fsync(f);

        return err ? err : ret;
    }
    return ret;
}

static loff_t blkdev_llseek(struct file *f, loff_t off, int whence)
{
    loff_t size = (loff_t)file_bdev(f)->nr_bytes;

    if (whence == SEEK_CUR)
        off += f->pos;
    else if (whence == SEEK_END)
        off += size;
    else if (whence != SEEK_SET)
        return -EINVAL;
    if (off < 0 || off > size)
        return -EINVAL;
    f->pos = off;
    return off;
}

static long put_u64(u64 v, void __user *to)
{
    return copy_to_user(to, &v, sizeof(v)) ? -EFAULT : 0;
}

static long flush_buffers(struct block_device *b)
{
    if (!has_capability())
        return -EACCES;
    rwsem_write_lock(&b->lock);
    drop_cache(b);
    rwsem_write_unlock(&b->lock);
    return 0;
}

static long blkdev_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    struct block_device *b = file_bdev(f);
    void __user *to = (void __user *)arg;

    switch (cmd) {
    case BLKGETSIZE64: return put_u64(b->nr_bytes, to);
    case BLKGETSIZE: return put_u64(b->nr_bytes >> 9, to); /* an unsigned long */
    case BLKSSZGET:
    case BLKPBSZGET: return put_user_u32(b->block_bytes, to);
    case BLKBSZGET: return put_user_u32((u32)PAGE_SIZE, to);
    case BLKROGET: return put_user_u32(b->read_only, to);
    case BLKFLSBUF: return flush_buffers(b);
    default: return -ENOTTY;
    }
}

static void blkdev_release(struct file *f)
{
    struct block_device *b = file_bdev(f);

    if (!(f->f_mode & FMODE_WRITE))
        return;
    rwsem_write_lock(&b->lock);
    (void)write_back(b, 0, ~0ULL);
    rwsem_write_unlock(&b->lock);
}

static const struct file_ops blkdev_fops = {
    .read = blkdev_read,
    .write = blkdev_write,
    .llseek = blkdev_llseek,
    .ioctl = blkdev_ioctl,
    .fsync = blkdev_fsync,
    .release = blkdev_release,
};

static int blkdev_open(struct inode *i, struct file *f)
{
    unsigned int n = smp_load_acquire(&nr_blkdevs);

    while (n-- > 0)
        if (blkdevs[n]->dev == i->rdev) {
            f->op = &blkdev_fops;
            f->mapping = &blkdevs[n]->mapping;
            (void)report_errors(f); /* earlier ones are not this file's */
            return 0;
        }
    return -ENXIO;
}

const struct file_ops blkdev_open_fops = {.open = blkdev_open};

void blkdev_register(struct block_device *b)
{
    if (nr_blkdevs == MAX_BLKDEVS)
        panic("blkdev_register: no room for %s", b->name);
    mapping_init(&b->mapping, &blkdev_mapping_ops, NULL, 0);
    rwsem_init(&b->lock, LOCK_INODE);
    blkdevs[nr_blkdevs] = b;
    smp_store_release(&nr_blkdevs, nr_blkdevs + 1);
    devfs_add(b->name, S_IFBLK | 0660, b->dev);
}

void blkdev_show(struct seq *s)
{
    seq_puts(s, "\nBlock devices:\n");
    for (unsigned int n = 0; n < nr_blkdevs; n++)
        if (n == 0 || MAJOR(blkdevs[n]->dev) != MAJOR(blkdevs[n - 1]->dev))
            seq_printf(s, "%3u virtblk\n", MAJOR(blkdevs[n]->dev));
}

int blkdev_show_partitions(struct seq *s, void *arg)
{
    if (nr_blkdevs)
        seq_puts(s, "major minor  #blocks  name\n\n");
    for (unsigned int n = 0; n < nr_blkdevs; n++)
        seq_printf(s, "%4u  %7u %10llu %s\n", MAJOR(blkdevs[n]->dev), MINOR(blkdevs[n]->dev),
                   (unsigned long long)blkdevs[n]->nr_bytes >> 10, blkdevs[n]->name);
    return 0;
}
