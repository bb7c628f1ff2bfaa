/* SPDX-License-Identifier: MIT */
/*
 * fail_nth.c: /proc/PID/fail-nth, the way for a test to arm fault injection and to ask whether the
 * fault has come. Debug kernels only. Source: Linux, Documentation/fault-injection.
 *
 * Reading and writing it are not themselves subject to the faults: the reader's own count stands
 * still meanwhile, or the answer would change with the question. That is why it is not one of the
 * text files of pid.c.
 *
 * Locks: none; the counter belongs to the task, see kernel/fail.c. Read next: kernel/fail.c.
 */
#include "procfs.h"
#include <kernel/fail.h>
#include <kernel/string.h>

#ifdef CONFIG_DEBUG
static long suspend(void)
{
    long count = current->fail_nth;

    current->fail_nth = 0;
    return count;
}

static ssize_t fail_nth_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    long own = suspend();
    struct task *t = proc_task_get(f->inode);
    ssize_t ret = -ESRCH;
    char text[24];
    size_t len;

    if (t) {
        len = (size_t)scnprintf(text, sizeof(text), "%ld\n",
                                t == current ? own : READ_ONCE(t->fail_nth));
        ret = 0;
        if (*pos < (loff_t)len)
            ret = (ssize_t)copy_to_iter(text + *pos, len - (size_t)*pos, to);
        *pos += ret;
        task_put(t);
    }
    current->fail_nth = own;
    return ret;
}

static ssize_t fail_nth_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    long own = suspend();
    struct task *t = proc_task_get(f->inode);
    char text[24] = "";
    size_t len = copy_from_iter(text, min(from->count, sizeof(text) - 1), from);
    const char *end;
    u64 n = parse_u64(text, &end);

    current->fail_nth = own;
    if (!t)
        return -ESRCH;
    if (len != 0 && end != text && n <= INT32_MAX)
        fail_set_nth(t, (long)n);
    task_put(t);
    if (len == 0)
        return -EFAULT;
    return end != text && n <= INT32_MAX ? (ssize_t)len : -EINVAL;
}

const struct file_ops proc_fail_nth_fops = {.read = fail_nth_read, .write = fail_nth_write};
#endif
