/* SPDX-License-Identifier: MIT */
/*
 * page_huge.c: /dev/page-huge: like /dev/zero, of huge pages: private memory from a pool, without a
 * file system to find and without a name to choose.
 *
 * EINVAL, for each of: MAP_SHARED, an offset other than 0, a MAP_FIXED address or a length that is
 * not a multiple of the huge page (so a mapping has at least one). ENOMEM: the pool cannot promise
 * the pages. Reads show zeroes, which cost a page of the pool only when they are written
 * (hugetlb_zero_page=off: at once).
 *
 * Each open file is an object of its own, never with pages: it joins the areas of processes that
 * share memory by fork, so that the owner of a page can be told from others. Locks: none.
 * Source: Adam Litke, "pagetable_ops: Hugetlb character device example", linux-mm, March 2007.
 * Checked by tests/user/page_huge_test.c. Read next: mm/pt_hugetlb_char.c.
 */
#include <asm/errno.h>
#include <kernel/devices.h>
#include <kernel/string.h>
#include <kernel/vfs.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <mm/hugetlb.h>
#include <mm/pt_ops.h>
#include <mm/slab.h>

#define PAGE_MAJOR 240 /* of those for local use */

static int page_open(struct inode *i, struct file *f)
{
    struct huge_object *o = kzalloc(sizeof(*o));

    (void)i;
    if (!o)
        return -ENOMEM;
    huge_object_init(o, huge_pool_by_size(0), NULL, NULL);
    huge_zero_get();
    f->private = o;
    return 0;
}

static void page_release(struct file *f)
{
    huge_object_destroy(f->private);
    kfree(f->private);
    huge_zero_put();
}

static unsigned int page_map_level(struct file *f, size_t *len)
{
    const struct huge_object *o = f->private;

    (void)len;
    return o->pool->level;
}

static int page_mmap(struct file *f, struct vma *v)
{
    if (v->flags & VM_MAYSHARE || v->pgoff != 0)
        return -EINVAL;
    return hugetlb_setup_vma(v, f->private, PT_HUGETLB_CHAR);
}

static ssize_t page_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    size_t done = zero_iter(to->count, to);

    (void)f, (void)pos;
    return done || !to->count ? (ssize_t)done : -EFAULT;
}

void page_huge_init(void)
{
    static const struct file_ops fops = {.open = page_open,
                                         .release = page_release,
                                         .read = page_read,
                                         .mmap = page_mmap,
                                         .map_level = page_map_level};

    if (huge_pool_by_size(0))
        chrdev_register("page-huge", MKDEV(PAGE_MAJOR, 1), 0666, &fops);
}
