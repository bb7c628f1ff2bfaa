/* SPDX-License-Identifier: MIT */
/* huge.c: what the rows of huge pages and others reach that the host does not have: a clock,
 * sleep, text files, a user who fills holes, parsing of parameters. No host test
 * calls any of it. */
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/time.h>
#include <kernel/vfs.h>
#include <mm/hugetlb.h>
#include <mm/pt_ops.h>

u64 clock_monotonic_ns(void)
{
    return 0;
}

int nanosleep_until(u64 deadline_ns, bool interruptible, u64 *left_ns)
{
    (void)deadline_ns, (void)interruptible, (void)left_ns;
    panic("a host test would sleep");
}

void seq_printf(struct seq *s, const char *fmt, ...)
{
    (void)s, (void)fmt;
}

u64 parse_u64(const char *s, const char **end)
{
    *end = s;
    return 0;
}

u64 parse_size(const char *s, const char **end)
{
    *end = s;
    return 0;
}

struct file *hugetlb_file_create(const char *name, struct huge_pool *pool, u64 size, bool promise)
{
    (void)name, (void)pool, (void)size, (void)promise;
    panic("the host has no pools of huge pages");
}

enum fault_result userfault_begin(struct fault_ctx *f)
{
    (void)f;
    return FAULT_SIGBUS;
}

bool userfault_wait(struct fault_ctx *f)
{
    (void)f;
    return false;
}

void userfault_cancel(struct fault_ctx *f)
{
    (void)f;
}

void fail_tolerated(void)
{
}
