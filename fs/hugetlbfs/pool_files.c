/* SPDX-License-Identifier: MIT */
/*
 * pool_files.c: the pools as files: /sys/kernel/mm/hugepages/hugepages-SIZEkB/ and, for the default
 * size, /proc/sys/vm/nr_hugepages, nr_overcommit_hugepages. Locks: the pool's. Source: Linux
 * Documentation/admin-guide/mm/hugetlbpage.rst. Read next: mm/hugetlb.c.
 */
#include "hugetlbfs.h"
#include <kernel/printk.h>

static int parse(const char *buf, u64 *n)
{
    const char *end;

    while (*buf == ' ' || *buf == '\t')
        buf++;
    *n = parse_u64(buf, &end);
    while (*end == '\n' || *end == ' ')
        end++;
    return end == buf || *end != '\0' ? -EINVAL : 0;
}

static int show_nr(struct seq *s, void *pool)
{
    struct huge_counts c = huge_pool_counts(pool);

    seq_printf(s, "%llu\n", (unsigned long long)(c.nr - c.nr_surplus));
    return 0;
}

static ssize_t store_nr(const char *buf, size_t n, void *pool)
{
    u64 want;

    if (parse(buf, &want))
        return -EINVAL;
    huge_pool_resize(pool, want);
    return (ssize_t)n;
}

static int show_overcommit(struct seq *s, void *pool)
{
    seq_printf(s, "%llu\n", (unsigned long long)huge_pool_counts(pool).max_surplus);
    return 0;
}

/* Linux makes no surplus of pages that its page allocator does not have: of the largest size. */
static ssize_t store_overcommit(const char *buf, size_t n, void *arg)
{
    struct huge_pool *pool = arg;
    u64 max;

    if (pool->order >= BUDDY_MAX_ORDER || parse(buf, &max))
        return -EINVAL;
    spin_lock(&pool->lock);
    pool->max_surplus = max;
    spin_unlock(&pool->lock);
    return (ssize_t)n;
}

static int show_free(struct seq *s, void *pool)
{
    seq_printf(s, "%llu\n", (unsigned long long)huge_pool_counts(pool).nr_free);
    return 0;
}

static int show_reserved(struct seq *s, void *pool)
{
    seq_printf(s, "%llu\n", (unsigned long long)huge_pool_counts(pool).nr_reserved);
    return 0;
}

static int show_surplus(struct seq *s, void *pool)
{
    seq_printf(s, "%llu\n", (unsigned long long)huge_pool_counts(pool).nr_surplus);
    return 0;
}

static void add_pool(struct huge_pool *pool)
{
    static const struct {
        const char *name;
        pseudo_show_t show;
        pseudo_store_t store;
    } files[] = {
        {"nr_hugepages", show_nr, store_nr},
        {"nr_hugepages_mempolicy", show_nr, store_nr},
        {"nr_overcommit_hugepages", show_overcommit, store_overcommit},
        {"free_hugepages", show_free, NULL},
        {"resv_hugepages", show_reserved, NULL},
        {"surplus_hugepages", show_surplus, NULL},
    };
    char path[96];

    for (unsigned int i = 0; i < ARRAY_SIZE(files); i++) {
        (void)scnprintf(path, sizeof(path), "kernel/mm/hugepages/hugepages-%llukB/%s",
                        (unsigned long long)huge_size(pool) >> 10, files[i].name);
        sysfs_create(path, files[i].store ? 0644 : 0444, files[i].show, files[i].store, pool);
    }
}

void hugetlb_pool_files_init(void)
{
    struct huge_pool *pool = huge_pool_by_size(0);

    for (unsigned int level = 1; level < PT_MAX_LEVELS; level++)
        if (huge_pool_by_level(level))
            add_pool(huge_pool_by_level(level));
    proc_create("sys/vm/nr_hugepages", 0644, show_nr, store_nr, pool);
    proc_create("sys/vm/nr_hugepages_mempolicy", 0644, show_nr, store_nr, pool);
    proc_create("sys/vm/nr_overcommit_hugepages", 0644, show_overcommit, store_overcommit, pool);
}
