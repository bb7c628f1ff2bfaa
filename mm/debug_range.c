/* SPDX-License-Identifier: MIT */
/*
 * debug_range.c: what is written to split_huge_pages and migrate_pages of /sys/kernel/debug: which
 * memory of which process. Of a range the whole pages count, as on Linux. Source: Linux,
 * Documentation/admin-guide/mm/transhuge.rst, mm/huge_memory.c. Locks: none.
 */
#include <asm/errno.h>
#include <kernel/string.h>
#include "debug_range.h"
#include "vma_internal.h"

/* A number in base @base at *@at, which moves behind it; at most 16 digits. */
static bool take_number(const char **at, unsigned int base, u64 *out)
{
    const char *p = *at;
    u64 v = 0;

    for (;; p++) {
        unsigned int d = *p >= '0' && *p <= '9'   ? (unsigned int)(*p - '0')
                         : *p >= 'a' && *p <= 'f' ? (unsigned int)(*p - 'a' + 10)
                         : *p >= 'A' && *p <= 'F' ? (unsigned int)(*p - 'A' + 10)
                                                  : 99;

        if (d >= base || p - *at >= 16)
            break;
        v = v * base + d;
    }
    if (p == *at)
        return false;
    *at = p;
    *out = v;
    return true;
}

static bool take_text(const char **at, const char *text)
{
    size_t len = strlen(text);

    if (strncmp(*at, text, len) != 0)
        return false;
    *at += len;
    return true;
}

int debug_range_parse(const char *buf, struct debug_range *r)
{
    struct process *p;
    u64 pid;

    *r = (struct debug_range){.all = false};
    if (!take_number(&buf, 10, &pid) || pid > 0x7fffffff)
        return -EINVAL;
    r->all = *buf != ',';
    if (r->all)
        return pid == 1 ? 0 : -EINVAL;
    if (!take_text(&buf, ",0x") || !take_number(&buf, 16, &r->start) || !take_text(&buf, ",0x") ||
        !take_number(&buf, 16, &r->end))
        return -EINVAL;
    if (take_text(&buf, ",") && !take_number(&buf, 10, &r->order))
        return -EINVAL;
    if (*buf == '\n')
        buf++;
    if (*buf != '\0')
        return -EINVAL;
    p = process_find_get((pid_t)pid);
    if (!p)
        return -ESRCH;
    r->mm = process_mm_get(p);
    process_put(p);
    if (!r->mm)
        return -EINVAL;
    r->end = min(r->end, (u64)user_top()) & PAGE_MASK;
    r->start = min(r->start & PAGE_MASK, r->end);
    return 0;
}

void debug_range_put(struct debug_range *r)
{
    if (r->mm)
        mm_put(r->mm);
}
