/* SPDX-License-Identifier: MIT */
/*
 * sysctl.c: the knobs of /proc/sys/vm: their text, their ranges.
 *
 * Only knobs that do something are here, and those that programs and tests read to learn how this
 * kernel behaves. procfs makes the files. Locks: none; each value is one word. Source: proc(5),
 * /proc/sys/vm. Checked by tests/kernel/mm/mmap_ktest.c. Read next: overcommit.c.
 */
#include <asm/errno.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <mm/buddy.h>
#include <mm/compact.h>
#include <mm/mm.h>
#include <mm/slab.h>

#define SWAPPINESS 60 /* there is nothing to swap to */

/* The one number that @text is, white space around it aside. 0 or -EINVAL. */
static int parse(const char *text, unsigned long min_value, unsigned long max_value,
                 unsigned long *out)
{
    const char *end;
    u64 n;

    while (*text == ' ' || *text == '\t')
        text++;
    if (*text < '0' || *text > '9')
        return -EINVAL;
    n = parse_u64(text, &end);
    if (end - text > 19) /* would not fit */
        return -EINVAL;
    while (*end == ' ' || *end == '\t' || *end == '\n')
        end++;
    if (*end != '\0' || n < min_value || n > max_value)
        return -EINVAL;
    *out = n;
    return 0;
}

static int show_number(char *buf, size_t n, unsigned long value)
{
    return scnprintf(buf, n, "%lu\n", value);
}

#define KNOB_INT(name, variable, low, high)                                                       \
    static int show_##name(char *buf, size_t n)                                                   \
    {                                                                                             \
        return show_number(buf, n, (unsigned long)READ_ONCE(variable));                           \
    }                                                                                             \
    static int store_##name(const char *text)                                                     \
    {                                                                                             \
        unsigned long v;                                                                          \
        int err = parse(text, low, high, &v);                                                     \
                                                                                                  \
        if (!err)                                                                                 \
            WRITE_ONCE(variable, (__typeof__(variable))v);                                        \
        return err;                                                                               \
    }

KNOB_INT(overcommit_memory, sysctl_overcommit_memory, 0, 2)
KNOB_INT(max_map_count, sysctl_max_map_count, 0, 0x7fffffff)
KNOB_INT(mmap_min_addr, sysctl_mmap_min_addr, 0, ~0UL >> 1)
KNOB_INT(admin_reserve_kbytes, sysctl_admin_reserve_kbytes, 0, ~0UL >> 1)
KNOB_INT(user_reserve_kbytes, sysctl_user_reserve_kbytes, 0, ~0UL >> 1)

/* Ratio and absolute limit exclude each other: setting one clears the other. */
static int show_overcommit_ratio(char *buf, size_t n)
{
    return show_number(buf, n, (unsigned long)sysctl_overcommit_ratio);
}

static int store_overcommit_ratio(const char *text)
{
    unsigned long v;
    int err = parse(text, 0, 0x7fffffff, &v);

    if (err)
        return err;
    sysctl_overcommit_ratio = (int)v;
    sysctl_overcommit_kbytes = 0;
    return 0;
}

static int show_overcommit_kbytes(char *buf, size_t n)
{
    return show_number(buf, n, sysctl_overcommit_kbytes);
}

static int store_overcommit_kbytes(const char *text)
{
    unsigned long v;
    int err = parse(text, 0, ~0UL >> 1, &v);

    if (err)
        return err;
    sysctl_overcommit_kbytes = v;
    if (v)
        sysctl_overcommit_ratio = 0;
    return 0;
}

/* 1 page cache, 2 kernel objects, 3 both. Files live in memory only, so what can go is the kernel's
 * spare objects. */
static int store_drop_caches(const char *text)
{
    unsigned long v;
    int err = parse(text, 1, 7, &v);

    if (err)
        return err;
    slab_shrink();
    buddy_drain_pcp();
    return 0;
}

static int store_compact_memory(const char *text)
{
    unsigned long v;
    int err = parse(text, 1, 1, &v);

    if (!err)
        (void)compact_all();
    return err;
}

static int show_swappiness(char *buf, size_t n)
{
    return show_number(buf, n, SWAPPINESS);
}

static int show_zero(char *buf, size_t n)
{
    return show_number(buf, n, 0);
}

/* Locked pages of processes move like others; those of objects stay (docs/MIGRATION.md). */
static int show_one(char *buf, size_t n)
{
    return show_number(buf, n, 1);
}

#define ENTRY(name) { #name, show_##name, store_##name }

const struct vm_sysctl vm_sysctls[] = {
    ENTRY(overcommit_memory),
    ENTRY(overcommit_ratio),
    ENTRY(overcommit_kbytes),
    ENTRY(max_map_count),
    ENTRY(mmap_min_addr),
    ENTRY(admin_reserve_kbytes),
    ENTRY(user_reserve_kbytes),
    { "drop_caches", show_zero, store_drop_caches },
    { "compact_memory", show_zero, store_compact_memory },
    { "compact_unevictable_allowed", show_one, NULL },
    { "swappiness", show_swappiness, NULL },
    { "oom_kill_allocating_task", show_zero, NULL },
    { "oom_dump_tasks", show_zero, NULL },
    { "panic_on_oom", show_zero, NULL },
    { NULL, NULL, NULL },
};
