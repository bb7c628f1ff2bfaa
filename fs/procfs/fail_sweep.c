/* SPDX-License-Identifier: MIT */
/*
 * fail_sweep.c: the files with which a user program sweeps fault injection over others and looks
 * at the kernel afterwards. Debug kernels only.
 *
 *   /proc/fail-sweep        written: a number, "new", "off", "forget" (kernel/fail.h:
 *                           fail_sweep_set); read: whether the fault is still to come, how many
 *                           places asked, and the callers of the last fault
 *   /proc/PID/make-it-fail  1: the sweep's fault may fall in this thread and its descendants
 *                           (Linux's file of this name, Documentation/fault-injection)
 *   /proc/kcheck            read: runs every walker, then counts what leaks
 *   /proc/kcheck-counts     read: only counts, which costs a hundredth
 *
 * Who reads and writes them must not be subject to the sweep itself, or sweeps end early.
 *
 * Locks: none here. Checked by the sweep of the user tests. Read next: kernel/fail_sweep.c.
 */
#include "procfs.h"
#include <kernel/fail.h>
#include <kernel/ktest.h>

#ifdef CONFIG_DEBUG

static int show_sweep(struct seq *s, void *arg)
{
    char text[400];

    fail_show_last(text, sizeof(text));
    seq_printf(s, "armed %d\nplaces %llu\nlast %s\n", fail_sweep_is_armed(),
               (unsigned long long)fail_sweep_nr_places(), text);
    return 0;
}

static ssize_t store_sweep(const char *buf, size_t n, void *arg)
{
    const char *end;
    u64 count;

    if (!has_capability())
        return -EPERM;
    if (strncmp(buf, "new", 3) == 0) {
        fail_sweep_set(FAIL_SWEEP_NEW);
    } else if (strncmp(buf, "off", 3) == 0) {
        fail_sweep_set(0);
    } else if (strncmp(buf, "forget", 6) == 0) {
        fail_sweep_set(0);
        fail_sweep_forget();
    } else {
        count = parse_u64(buf, &end);
        if (end == buf || count == 0 || count > INT32_MAX)
            return -EINVAL;
        fail_sweep_set((long)count);
    }
    return (ssize_t)n;
}

static int show_counts(struct seq *s, void *arg)
{
    struct kcheck_counts c;

    if (!has_capability())
        return -EPERM;
    c = kcheck_count();
    seq_printf(s, "free_pages %llu\nobjects %llu\nwarnings %llu\n",
               (unsigned long long)c.free_pages, (unsigned long long)c.objects,
               (unsigned long long)printk_nr_warnings());
    return 0;
}

static int show_kcheck(struct seq *s, void *arg)
{
    if (!has_capability())
        return -EPERM;
    seq_printf(s, "violations %d\n", kcheck_run_settled("/proc/kcheck"));
    return show_counts(s, arg);
}

int pid_show_make_it_fail(struct seq *s, struct task *t)
{
    seq_printf(s, "%d\n", READ_ONCE(t->make_it_fail));
    return 0;
}

ssize_t pid_store_make_it_fail(const char *buf, size_t n, struct task *t)
{
    if (buf[0] != '0' && buf[0] != '1')
        return -EINVAL;
    WRITE_ONCE(t->make_it_fail, buf[0] == '1');
    return (ssize_t)n;
}

void proc_fail_init(void)
{
    proc_create("fail-sweep", 0600, show_sweep, store_sweep, NULL);
    proc_create("kcheck", 0400, show_kcheck, NULL, NULL);
    proc_create("kcheck-counts", 0400, show_counts, NULL, NULL);
}

#else

void proc_fail_init(void)
{
}

#endif
