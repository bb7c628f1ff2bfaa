/* SPDX-License-Identifier: MIT */
/*
 * experiment.c: /dev/experiment: private memory of row PT_EXPERIMENT of the pagetable-operations
 * table. A read tells what the row has to tell. Shared mappings are refused (EINVAL): the row
 * starts from anonymous memory. Locks: none. Read next: mm/pt_ops.c, labs/experiment/README.md.
 */
#include <asm/errno.h>
#include <kernel/devices.h>
#include <kernel/vfs.h>
#include <linux/stat.h>
#include <mm/pt_ops.h>

#define EXPERIMENT_MAJOR 240 /* of those for local use; minor 1 is page-huge */

static int experiment_mmap(struct file *f, struct vma *v)
{
    (void)f;
    if (v->flags & VM_MAYSHARE)
        return -EINVAL;
    v->pt_ops = PT_EXPERIMENT;
    v->mapping = NULL;
    return 0;
}

static ssize_t experiment_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    struct seq s = {0};
    ssize_t n = 0;

    (void)f;
    pt_experiment_show(&s);
    if (s.failed)
        n = -ENOMEM;
    else if ((size_t)*pos < s.len) {
        n = (ssize_t)copy_to_iter(s.buf + *pos, min(to->count, s.len - (size_t)*pos), to);
        *pos += n;
        n = n ? n : -EFAULT;
    }
    seq_free(&s);
    return n;
}

void experiment_init(void)
{
    static const struct file_ops fops = {.read = experiment_read, .mmap = experiment_mmap};

    chrdev_register("experiment", MKDEV(EXPERIMENT_MAJOR, 2), 0666, &fops);
}
