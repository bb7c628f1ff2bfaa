/* SPDX-License-Identifier: MIT */
/*
 * memblock.c: physical memory before there is an allocator: what is RAM, and what of it is taken.
 *
 * Does not free single allocations and does not know NUMA nodes. Allocation is top-down, so that
 * low memory, where the kernel and old devices live, stays in one piece for the buddy allocator.
 *
 * Locks: none; the boot CPU alone runs. After buddy_init only memblock_free_reserved may be called,
 * still by one CPU.
 * Invariants: I1 both lists are sorted by base, ranges are not empty, do not overlap and do not
 * touch (touching ones are merged); I2 nothing outside memory is handed out. Checked by
 * memblock_check and tests/host/mm/memblock_test.c.
 * Read next: buddy.c.
 */
#include <kernel/printk.h>
#include <kernel/string.h>
#include <mm/memblock.h>
#include <mm/page.h>
#include "internal.h"

#define MAX_RANGES 128

struct range {
    paddr_t base, end; /* [base, end) bytes */
};

struct range_list {
    const char *name;
    unsigned int nr;
    struct range r[MAX_RANGES];
};

static struct range_list memory = { .name = "memory" };
static struct range_list reserved = { .name = "reserved" };
static paddr_t limit = ~(paddr_t)0;
static bool closed; /* the buddy allocator owns what is free */

static void range_insert_at(struct range_list *l, unsigned int i, paddr_t base, paddr_t end)
{
    if (l->nr == MAX_RANGES)
        panic("memblock: more than %d %s ranges; the next is 0x%llx-0x%llx", MAX_RANGES, l->name,
              (unsigned long long)base, (unsigned long long)end);
    ASSERT(i <= l->nr && base < end);
    memmove(&l->r[i + 1], &l->r[i], (l->nr - i) * sizeof(l->r[0]));
    l->r[i] = (struct range){ base, end };
    l->nr++;
}

static void range_delete(struct range_list *l, unsigned int first, unsigned int n)
{
    ASSERT(first + n <= l->nr);
    memmove(&l->r[first], &l->r[first + n], (l->nr - first - n) * sizeof(l->r[0]));
    l->nr -= n;
}

/* Adds [base, end) and swallows every range that it overlaps or touches. */
static void range_add(struct range_list *l, paddr_t base, paddr_t end)
{
    unsigned int i = 0, j;

    ASSERT(base < end);
    while (i < l->nr && l->r[i].end < base)
        i++;
    for (j = i; j < l->nr && l->r[j].base <= end; j++) {
        base = min(base, l->r[j].base);
        end = max(end, l->r[j].end);
    }
    if (j == i) {
        range_insert_at(l, i, base, end);
        return;
    }
    l->r[i] = (struct range){ base, end };
    range_delete(l, i + 1, j - i - 1);
}

static void range_remove(struct range_list *l, paddr_t base, paddr_t end)
{
    unsigned int i = 0;

    ASSERT(base < end);
    while (i < l->nr) {
        struct range *r = &l->r[i];

        if (r->end <= base || r->base >= end) {
            i++;
        } else if (r->base < base && r->end > end) {
            range_insert_at(l, i + 1, end, r->end);
            r->end = base;
            return;
        } else if (r->base < base) {
            r->end = base;
            i++;
        } else if (r->end > end) {
            r->base = end;
            i++;
        } else {
            range_delete(l, i, 1);
        }
    }
}

/* The end of [base, base + len), cut at the end of the address space: firmware tables may say
 * anything. */
static paddr_t range_end(paddr_t base, u64 len)
{
    return base + len < base ? ~(paddr_t)0 : base + len;
}

void memblock_add(paddr_t base, u64 len)
{
    if (len != 0)
        range_add(&memory, base, range_end(base, len));
}

void memblock_reserve(paddr_t base, u64 len)
{
    if (len != 0)
        range_add(&reserved, base, range_end(base, len));
}

void memblock_set_limit(paddr_t end)
{
    ASSERT(!closed && end != 0);
    limit = end;
}

void memblock_free_reserved(paddr_t base, u64 len)
{
    paddr_t end = range_end(base, len);

    if (len == 0)
        return;
    range_remove(&reserved, base, end);
    if (closed)
        buddy_add_range(ALIGN_UP(base, PAGE_SIZE) >> PAGE_SHIFT, end >> PAGE_SHIFT);
}

/* Calls fn on each maximal free range, highest first; stops when fn returns true. */
static bool for_each_gap_down(bool (*fn)(paddr_t base, paddr_t end, void *arg), void *arg)
{
    for (unsigned int m = memory.nr; m-- > 0;) {
        paddr_t top = memory.r[m].end, bottom = memory.r[m].base;

        for (unsigned int i = reserved.nr; i-- > 0 && top > bottom;) {
            const struct range *r = &reserved.r[i];

            if (r->base >= top)
                continue;
            if (r->end <= bottom)
                break;
            if (r->end < top && fn(r->end, top, arg))
                return true;
            top = max(r->base, bottom);
        }
        if (top > bottom && fn(bottom, top, arg))
            return true;
    }
    return false;
}

struct alloc_request {
    u64 len, align;
    paddr_t found;
};

static bool gap_fits(paddr_t base, paddr_t end, void *arg)
{
    struct alloc_request *req = arg;
    paddr_t at;

    end = min(end, limit);
    if (end <= base || end - base < req->len)
        return false;
    at = ALIGN_DOWN(end - req->len, req->align);
    if (at < base || at == 0) /* address 0 would look like "none" to callers */
        return false;
    req->found = at;
    return true;
}

paddr_t memblock_alloc(u64 len, u64 align)
{
    struct alloc_request req = { .len = len, .align = max(align, (u64)8) };

    BUG_ON(closed || len == 0 || (align & (align - 1)) != 0);
    if (!for_each_gap_down(gap_fits, &req))
        panic("memblock: no %llu bytes aligned to %llu: %llu KiB of RAM in %u ranges, %u reserved, "
              "limit 0x%llx",
              (unsigned long long)len, (unsigned long long)align,
              (unsigned long long)(memblock_total() >> 10), memory.nr, reserved.nr,
              (unsigned long long)limit);
    ASSERT(IS_ALIGNED(req.found, req.align) && req.found + len <= limit);
    memblock_reserve(req.found, len);
    memset(phys_to_virt(req.found), 0, len);
    return req.found;
}

paddr_t memblock_try_reserve(u64 len, u64 align)
{
    struct alloc_request req = { .len = len, .align = align };

    BUG_ON(closed || len == 0 || (align & (align - 1)) != 0);
    if (!for_each_gap_down(gap_fits, &req))
        return 0;
    memblock_reserve(req.found, len);
    return req.found;
}

u64 memblock_total(void)
{
    u64 sum = 0;

    for (unsigned int i = 0; i < memory.nr; i++)
        sum += memory.r[i].end - memory.r[i].base;
    return sum;
}

paddr_t memblock_start(void)
{
    return memory.nr == 0 ? 0 : memory.r[0].base;
}

paddr_t memblock_end(void)
{
    return memory.nr == 0 ? 0 : memory.r[memory.nr - 1].end;
}

bool memblock_memory_range(unsigned int i, paddr_t *base, paddr_t *end)
{
    if (i >= memory.nr)
        return false;
    *base = memory.r[i].base;
    *end = memory.r[i].end;
    return true;
}

static bool gap_to_frames(paddr_t base, paddr_t end, void *arg)
{
    void (*fn)(pfn_t, pfn_t) = *(void (**)(pfn_t, pfn_t))arg;
    pfn_t first = ALIGN_UP(base, PAGE_SIZE) >> PAGE_SHIFT, last = end >> PAGE_SHIFT;

    if (first < last)
        fn(first, last);
    return false;
}

void memblock_for_each_free(void (*fn)(pfn_t, pfn_t))
{
    ASSERT(!closed);
    closed = true;
    (void)for_each_gap_down(gap_to_frames, &fn);
}

static int range_list_check(const struct range_list *l)
{
    int bad = 0;

    for (unsigned int i = 0; i < l->nr; i++) {
        if (l->r[i].base < l->r[i].end && (i == 0 || l->r[i - 1].end < l->r[i].base))
            continue;
        pr_err("memblock: %s range %u, 0x%llx-0x%llx, is empty or out of order\n", l->name, i,
               (unsigned long long)l->r[i].base, (unsigned long long)l->r[i].end);
        bad++;
    }
    return bad;
}

int memblock_check(void)
{
    return range_list_check(&memory) + range_list_check(&reserved);
}
