/* SPDX-License-Identifier: MIT */
/*
 * file.c: contents of files of hugetlbfs: the pages of a huge object.
 *
 * The size is a multiple of the page size but for what fallocate made of it. Mapping a file for
 * writing makes it as large as the mapping, which is how files usually get their size; write(2) is
 * not offered, as on Linux (EINVAL). A hole reads as zeroes and gets no page.
 *
 * Truncation and hole punching: the size first, then promises, translations and pages
 * (huge_object_drop); a fault looks at the size under the page's or the table's lock.
 *
 * Locks: INODE for size changes, seals and fallocate. mmap, which may not take it, only ever raises
 * the size, in one atomic step. Source: Linux Documentation/admin-guide/mm/hugetlbpage.rst,
 * fallocate(2), memfd_create(2). Checked by tests/user/hugetlb_test.c. Read next:
 * mm/hugetlb_object.c.
 */
#include "hugetlbfs.h"
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <mm/mm.h>
#include <mm/pt_ops.h>

#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define READ_CHUNK  KIB(64)

static struct huge_object *object_of(const struct inode *i)
{
    return huge_object_of(i->mapping);
}

static u64 page_bytes(const struct inode *i)
{
    return huge_size(object_of(i)->pool);
}

static void hugetlbfs_evict(struct inode *i)
{
    struct huge_object *o = object_of(i);

    atomic_long_dec(&i->sb->used_inodes);
    huge_object_destroy(o);
    kfree(o);
}

int hugetlbfs_init_file(struct inode *i)
{
    const struct hugetlbfs_sb *h = i->sb->private;
    struct huge_object *o = kzalloc(sizeof(*o));

    if (!o)
        return -ENOMEM;
    huge_object_init(o, h->pool, h->sub, i);
    i->mapping = &o->m;
    i->iop = &hugetlbfs_file_iops;
    i->fop = &hugetlbfs_file_fops;
    i->evict = hugetlbfs_evict;
    return 0;
}

/* The size becomes at least @size. */
static void raise_size(struct inode *i, u64 size)
{
    u64 old = READ_ONCE(i->size);

    while (old < size && !__atomic_compare_exchange_n(&i->size, &old, size, false, __ATOMIC_RELAXED,
                                                      __ATOMIC_RELAXED))
        ;
}

/* ---- reading ---- */

/* Up to READ_CHUNK bytes of one huge page. Returns bytes copied. */
static size_t read_part(struct huge_object *o, loff_t pos, size_t n, struct iov_iter *to)
{
    u64 size = huge_size(o->pool), off = (u64)pos & (size - 1);
    struct page *p = mapping_find_get(&o->m, ((u64)pos - off) >> PAGE_SHIFT);
    size_t done;

    n = min(n, min((size_t)(size - off), (size_t)READ_CHUNK));
    if (!p)
        return zero_iter(n, to);
    if (!page_test(p, PG_UPTODATE)) { /* it is being cleared: its lock says when that is done */
        page_lock(p);
        page_unlock(p);
    }
    smp_rmb(); /* the flag before the contents */
    done = copy_to_iter((char *)page_to_virt(p) + off, n, to);
    page_put(p);
    return done;
}

static ssize_t hugetlbfs_read(struct file *f, struct iov_iter *to, loff_t *ppos)
{
    struct inode *i = f->inode;
    size_t done = 0;

    while (to->count) {
        u64 size = READ_ONCE(i->size);
        size_t want, got;

        if ((u64)*ppos >= size)
            break;
        want = min(to->count, (size_t)(size - (u64)*ppos));
        got = read_part(object_of(i), *ppos, want, to);
        if (got == 0)
            return done ? (ssize_t)done : -EFAULT;
        done += got;
        *ppos += (loff_t)got;
        if (fatal_signal_pending())
            break;
    }
    if (done && !(f->flags & O_NOATIME))
        inode_accessed(i);
    return (ssize_t)done;
}

/* ---- size ---- */

static int hugetlbfs_setsize(struct inode *i, u64 size)
{
    struct huge_object *o = object_of(i);
    u64 old = i->size;

    if (!IS_ALIGNED(size, page_bytes(i)))
        return -EINVAL;
    if ((size < old && (i->seals & F_SEAL_SHRINK)) || (size > old && (i->seals & F_SEAL_GROW)))
        return -EPERM;
    WRITE_ONCE(i->size, size);
    smp_mb(); /* the size before the looks at entries */
    /* When it does not shrink, too: fallocate may have left pages beyond the size. */
    huge_object_drop(o, size / page_bytes(i), ~0ULL);
    inode_modified(i);
    return 0;
}

/* Zeroes bytes [from, to) of the one page that holds them, if there is such a page. */
static void zero_part(struct inode *i, u64 from, u64 to)
{
    u64 size = page_bytes(i), start = ALIGN_DOWN(from, size);
    struct page *p = from < to ? mapping_find_get(i->mapping, start >> PAGE_SHIFT) : NULL;

    if (!p)
        return;
    page_lock(p);
    if (p->mapping == i->mapping)
        memset((char *)page_to_virt(p) + (from - start), 0, (size_t)(to - from));
    page_unlock(p);
    page_put(p);
}

static int punch_hole(struct inode *i, u64 from, u64 to)
{
    u64 size = page_bytes(i), first = ALIGN_UP(from, size), last = ALIGN_DOWN(to, size);

    if (i->seals & SEALS_WRITE)
        return -EPERM;
    if (first > last) {
        zero_part(i, from, to);
        return 0;
    }
    zero_part(i, from, first);
    zero_part(i, last, to);
    if (first < last)
        huge_object_drop(object_of(i), first / size, last / size);
    return 0;
}

/* What was made stays when the pool runs out. */
static int allocate(struct inode *i, u64 from, u64 to)
{
    u64 size = page_bytes(i), last = DIV_ROUND_UP(to, size);
    int err = 0;

    for (u64 n = from / size; n < last && !err; n++) {
        struct page *p;

        if (signal_pending())
            return -EINTR;
        err = huge_object_get_page(object_of(i), n, true, &p);
        if (!err) {
            page_unlock(p);
            page_put(p);
        }
    }
    return err;
}

static long hugetlbfs_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
    struct inode *i = f->inode;
    u64 from = (u64)off, to = from + (u64)len;
    bool keep = mode & FALLOC_FL_KEEP_SIZE;
    int ret = 0;

    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
        return -EOPNOTSUPP;
    if (!keep && write_limit(f, off, (size_t)len) != len)
        return -EFBIG;
    rwsem_write_lock(&i->lock);
    if (mode & FALLOC_FL_PUNCH_HOLE) {
        ret = punch_hole(i, from, to);
    } else {
        if (!keep && to > i->size && (i->seals & F_SEAL_GROW))
            ret = -EPERM;
        if (!ret)
            ret = allocate(i, from, to);
        if (!ret && !keep)
            raise_size(i, to);
    }
    if (!ret)
        inode_modified(i);
    rwsem_write_unlock(&i->lock);
    return ret;
}

static int hugetlbfs_getattr(struct inode *i, struct kstat *st)
{
    st->blksize = (u32)page_bytes(i);
    st->blocks = mapping_nr_pages(i->mapping) * (page_bytes(i) / 512);
    return 0;
}

/* ---- mapping ---- */

static unsigned int hugetlbfs_map_level(struct file *f, size_t *len)
{
    size_t size = page_bytes(f->inode);

    *len = ALIGN_UP(*len, size);
    return object_of(f->inode)->pool->level;
}

static int hugetlbfs_mmap(struct file *f, struct vma *v)
{
    struct inode *i = f->inode;
    struct huge_object *o = object_of(i);
    unsigned int order = o->pool->order;
    u64 end = (v->pgoff << PAGE_SHIFT) + (v->end - v->start);
    int err;

    if (unlikely(i->seals & SEALS_WRITE) && (v->flags & VM_SHARED)) {
        if (v->flags & VM_WRITE)
            return -EPERM;
        v->flags &= ~VM_MAYWRITE;
    }
    err = hugetlb_setup_vma(v, o, PT_HUGETLB_FS);
    if (!err && (v->flags & (VM_MAYSHARE | VM_NORESERVE)) == VM_MAYSHARE)
        err = huge_object_promise(o, v->pgoff >> order, (v->pgoff + vma_pages(v)) >> order);
    if (err)
        return err;
    if (v->flags & VM_WRITE)
        raise_size(i, end);
    if (!(f->flags & O_NOATIME))
        inode_accessed(i);
    return 0;
}

static int hugetlbfs_fsync(struct file *f)
{
    return 0;
}

const struct inode_ops hugetlbfs_file_iops = {.setsize = hugetlbfs_setsize,
                                              .getattr = hugetlbfs_getattr};

const struct file_ops hugetlbfs_file_fops = {
    .read = hugetlbfs_read,
    .mmap = hugetlbfs_mmap,
    .map_level = hugetlbfs_map_level,
    .fallocate = hugetlbfs_fallocate,
    .fsync = hugetlbfs_fsync,
};
