/* SPDX-License-Identifier: MIT */
/*
 * mem.c: the memory devices: null, zero, full, random, urandom, kmsg, and mem.
 *
 * /dev/zero maps as anonymous memory: a private mapping is one, a shared one gets an object of its
 * own. /dev/mem shows physical memory, read only, to root; its mapping is the PT_PFNMAP row's
 * example and test. Locks: none. Source: null(4), random(4), mem(4), the kernel's /dev/kmsg format.
 * Read next: fs/chrdev.c.
 */
#include <asm/errno.h>
#include <kernel/devices.h>
#include <kernel/printk.h>
#include <kernel/random.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <mm/page.h>
#include <mm/pt_ops.h>
#include <mm/slab.h>
#include <asm/poll.h>
#include <linux/fs.h>

#define MEM_MAJOR 1

static loff_t no_seek(struct file *f, loff_t off, int whence)
{
    f->pos = 0;
    return 0;
}

static unsigned int always_ready(struct file *f, struct poll_table *pt)
{
    return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
}

/* Takes and forgets. */
static ssize_t null_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    size_t n = from->count;

    iov_iter_advance(from, n);
    return (ssize_t)n;
}

static ssize_t null_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    return 0;
}

static const struct file_ops null_fops = {
    .read = null_read, .write = null_write, .llseek = no_seek, .poll = always_ready};

/* ---- zero, full ---- */

static ssize_t zero_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    size_t done = 0;

    while (to->count) {
        size_t n = min(to->count, (size_t)KIB(64)), got = zero_iter(n, to);

        done += got;
        if (got < n)
            return done ? (ssize_t)done : -EFAULT;
        if (to->count && fatal_signal_pending())
            break;
    }
    return (ssize_t)done;
}

static int zero_mmap(struct file *f, struct vma *v)
{
    struct file *object;

    v->pt_ops = PT_DEFAULT;
    v->mapping = NULL;
    if (!(v->flags & VM_SHARED))
        return 0;
    object =
        shmem_file_create("dev/zero", v->end - v->start, (unsigned int)(v->flags & VM_NORESERVE));
    if (IS_ERR(object))
        return (int)PTR_ERR(object);
    file_put(v->file);
    v->file = object;
    v->mapping = object->mapping;
    v->pgoff = 0;
    return 0;
}

static const struct file_ops zero_fops = {
    .read = zero_read,
    .write = null_write,
    .llseek = no_seek,
    .poll = always_ready,
    .mmap = zero_mmap,
};

static ssize_t full_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    return -ENOSPC;
}

static const struct file_ops full_fops = {
    .read = zero_read,
    .write = full_write,
    .llseek = no_seek,
    .poll = always_ready,
};

/* ---- random ---- */

static ssize_t random_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    u8 buf[256];
    size_t done = 0;

    while (to->count) {
        size_t n = min(to->count, sizeof(buf)), got;

        random_bytes(buf, n);
        got = copy_to_iter(buf, n, to);
        done += got;
        if (got < n)
            return done ? (ssize_t)done : -EFAULT;
        if (signal_pending())
            break;
    }
    return (ssize_t)done;
}

static ssize_t random_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    u8 buf[256];
    size_t done = 0;

    while (from->count) {
        size_t n = min(from->count, sizeof(buf)), got = copy_from_iter(buf, n, from);

        random_add(buf, got);
        done += got;
        if (got < n)
            return done ? (ssize_t)done : -EFAULT;
    }
    return (ssize_t)done;
}

static const struct file_ops random_fops = {
    .read = random_read,
    .write = random_write,
    .llseek = no_seek,
    .poll = always_ready,
};

/* ---- kmsg: one line of the log per read; a write adds one ---- */

#define KMSG_LINE 512

static int kmsg_open(struct inode *i, struct file *f)
{
    f->private = kzalloc(sizeof(u64)); /* position in the log */
    return f->private ? 0 : -ENOMEM;
}

static void kmsg_release(struct file *f)
{
    kfree(f->private);
}

static ssize_t kmsg_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    char line[KMSG_LINE];
    u64 *at = f->private, from = *at;
    size_t n = printk_read(at, line, sizeof(line)), len = 0;

    if (n == 0)
        return 0;
    while (len < n && line[len] != '\n')
        len++;
    len = min(len + 1, n);
    *at -= n - len;
    if (len > to->count) {
        *at = from;
        return -EINVAL;
    }
    return copy_to_iter(line, len, to) == len ? (ssize_t)len : -EFAULT;
}

static ssize_t kmsg_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    char line[KMSG_LINE], *text = line;
    size_t n = min(from->count, sizeof(line) - 1), all = from->count;
    enum log_level level = LOG_INFO;

    if (copy_from_iter(line, n, from) != n)
        return -EFAULT;
    while (n && line[n - 1] == '\n')
        n--;
    line[n] = '\0';
    if (line[0] == '<') { /* "<3>text" */
        const char *end;
        u64 v = parse_u64(line + 1, &end);

        if (end != line + 1 && *end == '>') {
            text = (char *)(unsigned long)end + 1;
            level = (enum log_level)(v & 7);
        }
    }
    printk(level, "%s\n", text);
    return (ssize_t)all;
}

static loff_t kmsg_seek(struct file *f, loff_t off, int whence)
{
    char skip[KMSG_LINE];

    if (off != 0)
        return -ESPIPE;
    if (whence == SEEK_SET) {
        *(u64 *)f->private = 0;
        return 0;
    }
    if (whence != SEEK_END)
        return -EINVAL;
    while (printk_read(f->private, skip, sizeof(skip)) > 0)
        ;
    return 0;
}

static const struct file_ops kmsg_fops = {
    .open = kmsg_open,
    .release = kmsg_release,
    .read = kmsg_read,
    .write = kmsg_write,
    .llseek = kmsg_seek,
    .poll = always_ready,
};

/* ---- mem: RAM, to look at ---- */

static struct pfnmap mem_region;

static int mem_open(struct inode *i, struct file *f)
{
    if (!has_capability())
        return -EPERM;
    return f->f_mode & FMODE_WRITE ? -EACCES : 0;
}

static ssize_t mem_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    size_t done = 0;

    while (to->count) {
        size_t n = min(to->count, PAGE_SIZE - ((size_t)*pos & ~PAGE_MASK)), got;

        if (!pfn_valid((pfn_t)((u64)*pos >> PAGE_SHIFT)))
            break;
        got = copy_to_iter(phys_to_virt((paddr_t)*pos), n, to);
        done += got;
        *pos += (loff_t)got;
        if (got < n)
            return done ? (ssize_t)done : -EFAULT;
    }
    return (ssize_t)done;
}

static int mem_mmap(struct file *f, struct vma *v)
{
    v->mapping = NULL;
    v->flags &= ~(VM_MAYWRITE | VM_WRITE);
    return pfnmap_setup(v, &mem_region);
}

static const struct file_ops mem_fops = {
    .open = mem_open, .read = mem_read, .llseek = address_llseek, .mmap = mem_mmap};

void mem_devices_init(void)
{
    mem_region = (struct pfnmap){.base = 0, .len = (u64)mem_map_end << PAGE_SHIFT};
    chrdev_register("mem", MKDEV(MEM_MAJOR, 1), 0640, &mem_fops);
    chrdev_register("null", MKDEV(MEM_MAJOR, 3), 0666, &null_fops);
    chrdev_register("zero", MKDEV(MEM_MAJOR, 5), 0666, &zero_fops);
    chrdev_register("full", MKDEV(MEM_MAJOR, 7), 0666, &full_fops);
    chrdev_register("random", MKDEV(MEM_MAJOR, 8), 0666, &random_fops);
    chrdev_register("urandom", MKDEV(MEM_MAJOR, 9), 0666, &random_fops);
    chrdev_register("kmsg", MKDEV(MEM_MAJOR, 11), 0644, &kmsg_fops);
}
