/* SPDX-License-Identifier: MIT */
/*
 * bootinfo.c: makes one clean memory map out of what a firmware says, and keeps the command line.
 *
 * It does not trust the order, the disjointness or the sizes of the ranges it gets. It does not
 * allocate and does not print: it runs before the console. No locks: boot CPU only.
 * I1: the finished map is sorted by base, its ranges do not overlap and none is empty.
 * I2: a byte that any range calls other than RAM is not in a RAM range of the finished map.
 * Checked by tests/host/lib/bootinfo_test.c.
 * Read next: x86_64/multiboot2.c, x86_64/pvh.c, kernel/main.c.
 */
#include <boot/bootinfo.h>
#include <kernel/string.h>

#define MAX_RAW (2 * BOOT_MAX_RANGES)

static struct boot_range raw[MAX_RAW];
static unsigned int nr_raw;
static unsigned int nr_lost;

void bootinfo_add_range(paddr_t base, u64 len, enum boot_range_kind kind)
{
    u64 end = base + len;

    if (end < base)
        end = ~0ULL & PAGE_MASK;
    /* A page that is only partly RAM is not RAM; a page that is partly reserved is reserved. */
    if (kind == BOOT_RAM) {
        base = ALIGN_UP(base, PAGE_SIZE);
        end = ALIGN_DOWN(end, PAGE_SIZE);
    } else {
        base = ALIGN_DOWN(base, PAGE_SIZE);
        end = ALIGN_UP(end, PAGE_SIZE);
    }
    if (end <= base)
        return;
    if (nr_raw == MAX_RAW) {
        nr_lost++;
        return;
    }
    raw[nr_raw++] = (struct boot_range){ base, end - base, kind };
}

static void sort_borders(u64 *border, unsigned int n)
{
    for (unsigned int i = 1; i < n; i++) {
        u64 v = border[i];
        unsigned int j = i;

        for (; j > 0 && border[j - 1] > v; j--)
            border[j] = border[j - 1];
        border[j] = v;
    }
}

/* The strongest kind that covers [start, end), which no border cuts; -1 when nothing covers it. */
static int kind_between(u64 start, u64 end)
{
    int kind = -1;

    for (unsigned int i = 0; i < nr_raw; i++)
        if (raw[i].base <= start && raw[i].base + raw[i].len >= end && (int)raw[i].kind > kind)
            kind = (int)raw[i].kind;
    return kind;
}

static void append(struct bootinfo *bi, u64 start, u64 end, enum boot_range_kind kind)
{
    struct boot_range *last = bi->nr_ranges > 0 ? &bi->map[bi->nr_ranges - 1] : NULL;

    if (last && last->kind == kind && last->base + last->len == start) {
        last->len += end - start;
        return;
    }
    if (bi->nr_ranges == BOOT_MAX_RANGES) {
        bi->nr_dropped++;
        return;
    }
    bi->map[bi->nr_ranges++] = (struct boot_range){ start, end - start, kind };
}

void bootinfo_finish(struct bootinfo *bi)
{
    static u64 border[2 * MAX_RAW];
    unsigned int n = 0;

    for (unsigned int i = 0; i < nr_raw; i++) {
        border[n++] = raw[i].base;
        border[n++] = raw[i].base + raw[i].len;
    }
    sort_borders(border, n);
    for (unsigned int i = 0; i + 1 < n; i++) {
        int kind = border[i] < border[i + 1] ? kind_between(border[i], border[i + 1]) : -1;

        if (kind >= 0)
            append(bi, border[i], border[i + 1], (enum boot_range_kind)kind);
    }
    bi->nr_dropped += nr_lost;
}

void bootinfo_set_cmdline(struct bootinfo *bi, const char *s, size_t max_len)
{
    size_t len = strnlen(s, min(max_len, (size_t)BOOT_CMDLINE_LEN));

    if (len == BOOT_CMDLINE_LEN) {
        bi->cmdline_truncated = true;
        len = BOOT_CMDLINE_LEN - 1;
    }
    memcpy(bi->cmdline, s, len);
    bi->cmdline[len] = '\0';
}

bool bootinfo_has_option(const struct bootinfo *bi, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = bi->cmdline; *p != '\0';) {
        while (*p == ' ')
            p++;
        if (strncmp(p, word, len) == 0 && (p[len] == '\0' || p[len] == ' '))
            return true;
        while (*p != '\0' && *p != ' ')
            p++;
    }
    return false;
}
