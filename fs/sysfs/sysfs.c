/* SPDX-License-Identifier: MIT */
/*
 * sysfs.c: /sys: what subsystems register with sysfs_create, and the processors and the one memory
 * node. Entries stay for ever; there are no objects behind them. Locks: none. Read next:
 * ../pseudo.c.
 */
#include "../internal.h"
#include <kernel/cpu.h>
#include <linux/magic.h>
#include <mm/buddy.h>

const struct fs_type sysfs_type = {.name = "sysfs", .nodev = true, .single = true};
static struct super_block *sysfs_sb;

static struct super_block *tree(void)
{
    if (!sysfs_sb)
        sysfs_sb = pseudo_super(&sysfs_type, SYSFS_MAGIC);
    return sysfs_sb;
}

void sysfs_create(const char *path, mode_t mode, pseudo_show_t show, pseudo_store_t store,
                  void *arg)
{
    pseudo_create(tree(), path, mode, show, store, arg);
}

void sysfs_create_ops(const char *path, mode_t mode, const struct file_ops *fop, void *private)
{
    pseudo_create_ops(tree(), path, mode, fop, private);
}

void sysfs_mkdir(const char *path)
{
    (void)pseudo_mkdir(tree(), path);
}

static int show_cpus(struct seq *s, void *arg)
{
    if (nr_cpus_online > 1)
        seq_printf(s, "0-%u\n", nr_cpus_online - 1);
    else
        seq_puts(s, "0\n");
    return 0;
}

static int show_one(struct seq *s, void *arg)
{
    seq_puts(s, arg);
    return 0;
}

static int show_node_meminfo(struct seq *s, void *arg)
{
    u64 total = buddy_nr_total() << (PAGE_SHIFT - 10), left = buddy_nr_free() << (PAGE_SHIFT - 10);

    seq_printf(s, "Node 0 MemTotal:       %8llu kB\n", (unsigned long long)total);
    seq_printf(s, "Node 0 MemFree:        %8llu kB\n", (unsigned long long)left);
    seq_printf(s, "Node 0 MemUsed:        %8llu kB\n", (unsigned long long)(total - left));
    return 0;
}

void sysfs_init(void)
{
    static char zero[] = "0\n", one_thread[] = "notsupported\n";

    sysfs_create("devices/system/cpu/online", 0444, show_cpus, NULL, NULL);
    sysfs_create("devices/system/cpu/possible", 0444, show_cpus, NULL, NULL);
    sysfs_create("devices/system/cpu/present", 0444, show_cpus, NULL, NULL);
    sysfs_create("devices/system/cpu/smt/control", 0444, show_one, NULL, one_thread);
    sysfs_create("devices/system/node/online", 0444, show_one, NULL, zero);
    sysfs_create("devices/system/node/possible", 0444, show_one, NULL, zero);
    sysfs_create("devices/system/node/node0/cpulist", 0444, show_cpus, NULL, NULL);
    sysfs_create("devices/system/node/node0/meminfo", 0444, show_node_meminfo, NULL, NULL);
    sysfs_mkdir("kernel/mm");
    sysfs_mkdir("fs");
    vfs_register(&sysfs_type);
}

void sysfs_add_cpus(void)
{
    char path[48];

    for_each_online_cpu(cpu) {
        (void)scnprintf(path, sizeof(path), "devices/system/cpu/cpu%u", cpu);
        sysfs_mkdir(path);
    }
}
