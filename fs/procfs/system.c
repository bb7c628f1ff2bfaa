/* SPDX-License-Identifier: MIT */
/*
 * system.c: the machine and the kernel as text: cpuinfo, uptime, loadavg, stat, version, cmdline,
 * filesystems, interrupts, devices, kallsyms, kmsg, faulttrace, and a few files that programs look
 * for and that are empty here. No locks of its own. Source: proc(5). Read next: sys.c.
 */
#include "procfs.h"
#include <arch/info.h>
#include <arch/task.h>
#include <kernel/blkdev.h>
#include <kernel/irq.h>
#include <kernel/kallsyms.h>
#include <kernel/param.h>
#include <kernel/sections.h>
#include <kernel/utsname.h>
#include <mm/faulttrace.h>

#define CPUINFO_MAX KIB(4)

static int show_cpuinfo(struct seq *s, void *arg)
{
    char *buf = kmalloc(CPUINFO_MAX);

    if (!buf)
        return -ENOMEM;
    for_each_online_cpu (n) {
        int len = arch_cpuinfo(n, buf, CPUINFO_MAX);

        seq_write(s, buf, (size_t)len);
    }
    kfree(buf);
    return 0;
}

static int show_uptime(struct seq *s, void *arg)
{
    u64 up = clock_monotonic_ns() / 10000000, idle = 0; /* hundredths of a second */

    for_each_online_cpu (n)
        idle += sched_idle_ns(n);
    idle /= 10000000;
    seq_printf(s, "%llu.%02llu %llu.%02llu\n", (unsigned long long)up / 100,
               (unsigned long long)up % 100, (unsigned long long)idle / 100,
               (unsigned long long)idle % 100);
    return 0;
}

static int show_loadavg(struct seq *s, void *arg)
{
    unsigned long avg[3];

    sched_loadavg(avg);
    for (int n = 0; n < 3; n++)
        seq_printf(s, "%lu.%02lu ", avg[n] >> 11, ((avg[n] & 2047) * 100) >> 11);
    seq_printf(s, "%u/%d %d\n", sched_nr_running(), READ_ONCE(nr_tasks), pid_last());
    return 0;
}

/* User, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice: what is known is idle
 * and the rest. */
static void cpu_line(struct seq *s, const char *name, u64 busy, u64 idle)
{
    seq_printf(s, "%s %llu 0 0 %llu 0 0 0 0 0 0\n", name, (unsigned long long)proc_ticks(busy),
               (unsigned long long)proc_ticks(idle));
}

static int show_stat(struct seq *s, void *arg)
{
    u64 now = clock_monotonic_ns(), idle_all = 0, irqs = 0;
    u64 boot = clock_realtime_ns() - now;

    for_each_online_cpu (n) {
        idle_all += min(sched_idle_ns(n), now);
        irqs += READ_ONCE(cpus[n].irq_count);
    }
    cpu_line(s, "cpu ", now * nr_cpus_online - idle_all, idle_all);
    for_each_online_cpu (n) {
        u64 idle = min(sched_idle_ns(n), now);
        char name[12];

        (void)scnprintf(name, sizeof(name), "cpu%u", n);
        cpu_line(s, name, now - idle, idle);
    }
    seq_printf(s, "intr %llu\nctxt %llu\nbtime %llu\n", (unsigned long long)irqs,
               (unsigned long long)sched_nr_switches(), (unsigned long long)(boot / NSEC_PER_SEC));
    seq_printf(s, "processes %llu\nprocs_running %u\nprocs_blocked 0\n",
               (unsigned long long)process_nr_forks(), sched_nr_running());
    return 0;
}

static int show_version(struct seq *s, void *arg)
{
    struct new_utsname u;

    utsname_get(&u);
    seq_printf(s, "%s version %s (gcc %s) %s\n", u.sysname, u.release, __VERSION__, u.version);
    return 0;
}

static int show_cmdline(struct seq *s, void *arg)
{
    seq_printf(s, "%s\n", param_cmdline());
    return 0;
}

static int show_filesystems(struct seq *s, void *arg)
{
    filesystems_show(s);
    return 0;
}

static int show_devices(struct seq *s, void *arg)
{
    chrdev_show(s);
    blkdev_show(s);
    return 0;
}

static int show_interrupts(struct seq *s, void *arg)
{
    u64 count;

    seq_puts(s, "           TOTAL\n");
    for (unsigned int n = 0; n < NR_IRQS; n++) {
        const char *name = irq_name(n, &count);

        if (name)
            seq_printf(s, "%3u: %10llu   %s\n", n, (unsigned long long)count, name);
    }
    for_each_online_cpu (n)
        seq_printf(s, "CPU%u: %9llu   all interrupts of this CPU\n", n,
                   (unsigned long long)READ_ONCE(cpus[n].irq_count));
    return 0;
}

static int show_swaps(struct seq *s, void *arg)
{
    seq_puts(s, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    return 0;
}

static int show_nothing(struct seq *s, void *arg)
{
    return 0;
}

static int show_kallsyms(struct seq *s, void *arg)
{
    unsigned long at = (unsigned long)__text_start, offset, size;

    while (kernel_text_address(at)) {
        const char *name = kallsyms_lookup(at, &offset, &size);

        if (name)
            seq_printf(s, "%016lx T %s\n", at - offset, name);
        at += name ? size - offset : 16;
    }
    return 0;
}

/* ---- faulttrace ---- */

static ssize_t faulttrace_file_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    size_t cap = min(to->count, (size_t)KIB(16)), n;
    u64 at = (u64)*pos; /* an entry's number, not a byte */
    char *buf = kmalloc(cap ? cap : 1);
    ssize_t ret = -EFAULT;

    if (!buf)
        return -ENOMEM;
    n = faulttrace_read(&at, buf, cap);
    if (copy_to_iter(buf, n, to) == n) {
        *pos = (loff_t)at;
        ret = (ssize_t)n;
    }
    kfree(buf);
    return ret;
}

static ssize_t faulttrace_store(const char *buf, size_t n, void *arg)
{
    int ret = faulttrace_control(buf);

    return ret ? ret : (ssize_t)n;
}

static ssize_t faulttrace_file_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    loff_t unused = 0;

    return pseudo_store_text(from, &unused, faulttrace_store, NULL);
}

/* ---- kmsg: the log as text, from its beginning ---- */

static ssize_t kmsg_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    char line[256];
    size_t done = 0;
    u64 at = (u64)*pos;

    while (to->count) {
        size_t n = printk_read(&at, line, min(to->count, sizeof(line)));

        if (n == 0)
            break;
        if (copy_to_iter(line, n, to) != n)
            return done ? (ssize_t)done : -EFAULT;
        *pos = (loff_t)at;
        done += n;
    }
    return (ssize_t)done;
}

void proc_system_init(void)
{
    static const struct file_ops trace_fops = {.read = faulttrace_file_read,
                                               .write = faulttrace_file_write},
                                 kmsg_fops = {.read = kmsg_read};

    arch_proc_init();
    proc_create("cpuinfo", 0444, show_cpuinfo, NULL, NULL);
    proc_create("uptime", 0444, show_uptime, NULL, NULL);
    proc_create("loadavg", 0444, show_loadavg, NULL, NULL);
    proc_create("stat", 0444, show_stat, NULL, NULL);
    proc_create("version", 0444, show_version, NULL, NULL);
    proc_create("cmdline", 0444, show_cmdline, NULL, NULL);
    proc_create("filesystems", 0444, show_filesystems, NULL, NULL);
    proc_create("devices", 0444, show_devices, NULL, NULL);
    proc_create("interrupts", 0444, show_interrupts, NULL, NULL);
    proc_create("swaps", 0444, show_swaps, NULL, NULL);
    proc_create("modules", 0444, show_nothing, NULL, NULL);
    proc_create("partitions", 0444, blkdev_show_partitions, NULL, NULL);
    proc_create("kallsyms", 0444, show_kallsyms, NULL, NULL);
    proc_create_ops("faulttrace", 0644, &trace_fops, NULL);
    proc_create_ops("kmsg", 0400, &kmsg_fops, NULL);
}
