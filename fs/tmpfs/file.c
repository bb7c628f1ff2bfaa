/* SPDX-License-Identifier: MIT */
/*
 * file.c: contents of regular files of tmpfs, and of memfds: sparse pages in the inode's mapping.
 *
 * A read looks pages up without a lock and copies straight from the direct map; a hole reads as
 * zero and gets no page. A write holds the inode lock, makes pages that are missing, and raises the
 * size behind the data. Shared mappings see the same pages. Nothing is ever written out.
 *
 * Truncation: the size is lowered first, then copies of private mappings and the pages go
 * (mapping_unmap_range, mapping_truncate); a fault checks the size under the page's lock, so it
 * comes either before and is undone, or sees the new size and gives SIGBUS (page_cache.h has the
 * argument). What lies behind the end in the last page is zeroed on truncation and again when the
 * file grows, since a mapping can write there.
 *
 * Locks: INODE for size, seals and anything that adds or removes pages; a copy from the user runs
 * under it, but never under a page lock with faults enabled. Invariants: I1 used_blocks of the
 * super block is the sum of the pages of its files; I2 no page lies wholly behind the size, but
 * those that fallocate kept. Checked by tests/kernel/fs/tmpfs_ktest.c. Source: fallocate(2),
 * memfd_create(2), fcntl(2) on seals. Read next: mm/page_cache.c.
 */
#include "tmpfs.h"
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <mm/mm.h>
#include <mm/pt_ops.h>

#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* ---- limits ---- */

static int charge(struct mapping *m, u64 nr)
{
    struct super_block *sb = m->host->sb;

    if (vm_commit(NULL, nr))
        return -ENOSPC;
    if (sb->max_blocks &&
        (u64)atomic_long_add_return(&sb->used_blocks, (long)nr) > sb->max_blocks) {
        atomic_long_add(&sb->used_blocks, -(long)nr);
        vm_uncommit(nr);
        return -ENOSPC;
    }
    return 0;
}

static void uncharge(struct mapping *m, u64 nr)
{
    struct super_block *sb = m->host->sb;

    vm_uncommit(nr);
    if (sb->max_blocks)
        atomic_long_add(&sb->used_blocks, -(long)nr);
}

const struct mapping_ops tmpfs_mapping_ops = {.charge = charge, .uncharge = uncharge};

/* ---- reading ---- */

/* Bytes of one page at most: from the page, or zeros from a hole. Returns bytes copied; *fault when
 * it fell short. */
static __always_inline size_t read_page(struct mapping *m, loff_t pos, size_t n,
                                        struct iov_iter *to)
{
    size_t off = (size_t)pos & ~PAGE_MASK, done;
    struct page *p = mapping_find_get(m, (u64)pos >> PAGE_SHIFT);

    if (!p)
        return zero_iter(n, to);
    if (unlikely(!page_test(p, PG_UPTODATE))) {
        /* Being filled by a writer: its lock says when. */
        page_lock(p);
        if (!page_test(p, PG_UPTODATE))
            memset(page_to_virt(p), 0, PAGE_SIZE), page_set(p, PG_UPTODATE);
        page_unlock(p);
    }
    smp_rmb(); /* the flag before the contents */
    done = copy_to_iter((char *)page_to_virt(p) + off, n, to);
    page_put(p);
    return done;
}

static ssize_t tmpfs_read(struct file *f, struct iov_iter *to, loff_t *ppos)
{
    struct inode *i = f->inode;
    loff_t pos = *ppos;
    size_t done = 0;

    while (to->count) {
        u64 size = READ_ONCE(i->size);
        size_t n = PAGE_SIZE - ((size_t)pos & ~PAGE_MASK), got;

        if ((u64)pos >= size)
            break;
        n = min(n, min(to->count, (size_t)(size - (u64)pos)));
        got = read_page(i->mapping, pos, n, to);
        done += got;
        pos += (loff_t)got;
        if (unlikely(got < n)) {
            if (!done)
                return -EFAULT;
            break;
        }
    }
    *ppos = pos;
    if (done && !(f->flags & O_NOATIME))
        inode_accessed(i);
    return (ssize_t)done;
}

/* ---- writing ---- */

/* A whole page that is not there yet: filled in place of being cleared first. Copies with faults
 * disabled, since the page is locked; what does not come that way is zero. Bytes copied or -errno.
 */
static ssize_t write_new_page(struct mapping *m, u64 index, struct iov_iter *from)
{
    struct page *p;
    size_t got = 0;
    int ret = mapping_get_page(m, index, MAPPING_LOCK | MAPPING_NOFILL, &p);

    if (ret)
        return ret;
    if (!page_test(p, PG_UPTODATE)) {
        char *to = page_to_virt(p);

        current->pagefault_disabled++;
        got = copy_from_iter(to, PAGE_SIZE, from);
        current->pagefault_disabled--;
        memset(to + got, 0, PAGE_SIZE - got);
        smp_wmb(); /* contents before the flag, which readers test without the lock */
        page_set(p, PG_UPTODATE | PG_DIRTY);
    }
    page_unlock(p);
    page_put(p);
    return (ssize_t)got;
}

static __always_inline ssize_t write_page(struct mapping *m, loff_t pos, size_t n,
                                          struct iov_iter *from)
{
    u64 index = (u64)pos >> PAGE_SHIFT;
    struct page *p = mapping_find_get(m, index);
    ssize_t got;

    if (unlikely(!p || !page_test(p, PG_UPTODATE))) {
        int ret;

        if (p)
            page_put(p);
        if (n == PAGE_SIZE) {
            got = write_new_page(m, index, from);
            if (got != 0)
                return got;
        }
        ret = mapping_get_page(m, index, 0, &p);
        if (ret)
            return ret;
    }
    got = (ssize_t)copy_from_iter((char *)page_to_virt(p) + ((size_t)pos & ~PAGE_MASK), n, from);
    if (!page_test(p, PG_DIRTY))
        page_set(p, PG_DIRTY);
    page_put(p);
    return got ? got : -EFAULT;
}

/* What the seals leave of a write of @n bytes at @pos. INODE held. */
static int check_seals(const struct inode *i, u64 end)
{
    if (i->seals & SEALS_WRITE)
        return -EPERM;
    if ((i->seals & F_SEAL_GROW) && end > i->size)
        return -EPERM;
    return 0;
}

static int zero_tail(struct inode *i, u64 from);

static ssize_t write_locked(struct inode *i, struct iov_iter *from, loff_t pos)
{
    ssize_t done = 0;

    if (unlikely((u64)pos > i->size) && (i->size & ~PAGE_MASK)) {
        int ret = zero_tail(i, i->size);

        if (ret)
            return ret;
    }
    while (from->count) {
        size_t n = min(PAGE_SIZE - ((size_t)pos & ~PAGE_MASK), from->count);
        ssize_t got = write_page(i->mapping, pos, n, from);

        if (unlikely(got < 0))
            return done ? done : got;
        done += got;
        pos += got;
        if ((u64)pos > i->size)
            WRITE_ONCE(i->size, (u64)pos);
        if (unlikely((size_t)got < n && signal_pending() && fatal_signal_pending()))
            break;
    }
    return done;
}

static ssize_t tmpfs_write(struct file *f, struct iov_iter *from, loff_t *ppos)
{
    struct inode *i = f->inode;
    ssize_t ret;

    if (unlikely(from->count == 0))
        return 0;
    rwsem_write_lock(&i->lock);
    if (unlikely(f->flags & O_APPEND))
        *ppos = (loff_t)i->size;
    ret = write_limit(f, *ppos, from->count);
    if (likely(ret > 0)) {
        from->count = (size_t)ret;
        ret = unlikely(i->seals) ? check_seals(i, (u64)*ppos + from->count) : 0;
        if (ret == 0)
            ret = write_locked(i, from, *ppos);
        if (ret > 0) {
            *ppos += ret;
            if (unlikely(i->mode & (S_ISUID | S_ISGID)))
                inode_drop_suid(i);
            inode_modified(i);
        }
    }
    rwsem_write_unlock(&i->lock);
    return ret;
}

/* ---- size ---- */

/* Zeroes [from, to) of the one page that holds them, if there is such a page. */
static int zero_in_page(struct inode *i, u64 from, u64 to)
{
    struct page *p;

    if (from >= to)
        return 0;
    p = mapping_find_get(i->mapping, from >> PAGE_SHIFT);
    if (!p)
        return 0;
    page_lock(p);
    if (p->mapping == i->mapping && page_test(p, PG_UPTODATE)) {
        memset((char *)page_to_virt(p) + (from & ~PAGE_MASK), 0, (size_t)(to - from));
        page_set(p, PG_DIRTY);
    }
    page_unlock(p);
    page_put(p);
    return 0;
}

static int zero_tail(struct inode *i, u64 from)
{
    return from & ~PAGE_MASK ? zero_in_page(i, from, PAGE_ALIGN(from)) : 0;
}

/* Pages [first, last) and their translations; private copies only where the file has ended. */
static void drop_pages(struct mapping *m, u64 first, u64 last, bool even_cow)
{
    if (!list_empty(&m->vmas))
        mapping_unmap_range(m, first, last, even_cow);
    (void)mapping_truncate(m, first, last);
}

int tmpfs_setsize(struct inode *i, u64 size)
{
    u64 old = i->size;

    if ((size < old && (i->seals & F_SEAL_SHRINK)) || (size > old && (i->seals & F_SEAL_GROW)))
        return -EPERM;
    WRITE_ONCE(i->size, size);
    if (size < old) {
        drop_pages(i->mapping, DIV_ROUND_UP(size, PAGE_SIZE), ~0ULL, true);
        (void)zero_tail(i, size);
    } else if (size > old) {
        (void)zero_tail(i, old);
    }
    inode_modified(i);
    return 0;
}

static int punch_hole(struct inode *i, u64 from, u64 to)
{
    u64 first = DIV_ROUND_UP(from, PAGE_SIZE), last = to >> PAGE_SHIFT;

    if (i->seals & SEALS_WRITE)
        return -EPERM;
    if (first > last)
        return zero_in_page(i, from, to);
    (void)zero_in_page(i, from, first << PAGE_SHIFT);
    (void)zero_in_page(i, last << PAGE_SHIFT, to);
    if (first < last)
        drop_pages(i->mapping, first, last, false);
    return 0;
}

/* Makes every page of [from, to) exist. On error what was made stays, as pages of zeros, but not
 * behind the size. */
static int allocate_range(struct inode *i, u64 from, u64 to, bool keep_size)
{
    u64 index = from >> PAGE_SHIFT, end = DIV_ROUND_UP(to, PAGE_SIZE);
    int ret = 0;

    for (; index < end && ret == 0; index++) {
        struct page *p;

        ret = mapping_get_page(i->mapping, index, 0, &p);
        if (ret == 0)
            page_put(p);
        if (ret == 0 && fatal_signal_pending())
            ret = -EINTR;
    }
    if (ret == 0 && !keep_size && to > i->size) {
        (void)zero_tail(i, i->size);
        WRITE_ONCE(i->size, to);
    } else if (ret) {
        u64 used = DIV_ROUND_UP(i->size, PAGE_SIZE);

        if (end > used)
            (void)mapping_truncate(i->mapping, max(used, from >> PAGE_SHIFT), end);
    }
    return ret;
}

static long tmpfs_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
    struct inode *i = f->inode;
    u64 from = (u64)off, to = from + (u64)len;
    int ret = 0;

    if (!(mode & FALLOC_FL_KEEP_SIZE) && write_limit(f, off, (size_t)len) != len)
        return -EFBIG;
    rwsem_write_lock(&i->lock);
    if (!(mode & FALLOC_FL_KEEP_SIZE) && to > i->size && (i->seals & F_SEAL_GROW))
        ret = -EPERM;
    if (ret == 0 && (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
        ret = punch_hole(i, from, to);
    if (ret == 0 && !(mode & FALLOC_FL_PUNCH_HOLE))
        ret = allocate_range(i, from, to, mode & FALLOC_FL_KEEP_SIZE);
    if (ret == 0)
        inode_modified(i);
    rwsem_write_unlock(&i->lock);
    return ret;
}

/* ---- lseek: where data and holes are ---- */

static u64 next_data(struct mapping *m, u64 pos, u64 size)
{
    u64 index = pos >> PAGE_SHIFT, at;
    struct page *p;

    if (mapping_find_batch(m, &index, DIV_ROUND_UP(size, PAGE_SIZE), &p, 1) == 0)
        return size;
    at = (index - 1) << PAGE_SHIFT;
    page_put(p);
    return max(at, pos);
}

static u64 next_hole(struct mapping *m, u64 pos, u64 size)
{
    for (u64 index = pos >> PAGE_SHIFT; index < DIV_ROUND_UP(size, PAGE_SIZE); index++) {
        struct page *p = mapping_find_get(m, index);

        if (!p)
            return max(index << PAGE_SHIFT, pos);
        page_put(p);
    }
    return size;
}

static loff_t tmpfs_llseek(struct file *f, loff_t off, int whence)
{
    struct inode *i = f->inode;
    u64 size = READ_ONCE(i->size);

    switch (whence) {
    case SEEK_SET: break;
    case SEEK_CUR: off += f->pos; break;
    case SEEK_END: off += (loff_t)size; break;
    case SEEK_DATA:
    case SEEK_HOLE:
        if (off < 0 || (u64)off >= size)
            return -ENXIO;
        off = (loff_t)(whence == SEEK_DATA ? next_data(i->mapping, (u64)off, size)
                                           : next_hole(i->mapping, (u64)off, size));
        if (whence == SEEK_DATA && (u64)off >= size)
            return -ENXIO;
        off = min(off, (loff_t)size);
        break;
    default: return -EINVAL;
    }
    if (off < 0)
        return -EINVAL;
    f->pos = off;
    return off;
}

/* ---- mapping ---- */

static int tmpfs_mmap(struct file *f, struct vma *v)
{
    if (unlikely(f->inode->seals & SEALS_WRITE) && (v->flags & VM_SHARED)) {
        /* New mappings of a sealed file may not write; F_SEAL_WRITE is also guarded by
         * mapping->nr_writable. */
        if (v->flags & VM_WRITE)
            return -EPERM;
        v->flags &= ~VM_MAYWRITE;
    }
    v->mapping = f->inode->mapping;
    v->pt_ops = PT_DEFAULT;
    if (!(f->flags & O_NOATIME))
        inode_accessed(f->inode);
    return 0;
}

static int tmpfs_fsync(struct file *f)
{
    return 0;
}

const struct file_ops tmpfs_file_fops = {
    .read = tmpfs_read,
    .write = tmpfs_write,
    .llseek = tmpfs_llseek,
    .mmap = tmpfs_mmap,
    .fallocate = tmpfs_fallocate,
    .fsync = tmpfs_fsync,
};
