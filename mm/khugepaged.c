/* SPDX-License-Identifier: MIT */
/*
 * khugepaged.c: the thread that looks for spans of small pages which could be huge, and its knobs
 * below /sys/kernel/mm/transparent_hugepage/khugepaged.
 *
 * Each time it wakes it looks at pages_to_scan base pages' worth of page tables, going on where it
 * stopped: it counts the spans that it has seen in this pass and skips as many. Address spaces come
 * and go meanwhile, so a span may be missed or seen twice in a pass; the next one makes up for it.
 * It holds no address space while it sleeps.
 *
 * Locks: mmap_lock for reading to find the next span, nothing while it is collapsed. Invariants: I1
 * only the thread (or a test in its stead) changes the position. Checked by
 * tests/kernel/mm/collapse_ktest.c. Source: Linux, Documentation/admin-guide/mm/transhuge.rst.
 * Read next: pt_check.c.
 */
#include <kernel/string.h>
#include <kernel/task.h>
#include <kernel/vfs.h>
#include <kernel/wait.h>
#include "pt_internal.h"
#include "thp_internal.h"
#include "thp_knobs.h"

#define SCAN_SLEEP_MS  10000
#define ALLOC_SLEEP_MS 60000
#define SCAN_SPANS     8 /* pages_to_scan, in huge pages */

static struct {
    unsigned long scan_sleep_ms, alloc_sleep_ms, pages_to_scan;
    unsigned long max_none, max_shared, max_swap; /* ptes */
    bool defrag;
    u64 collapsed, full_scans;
} knobs = {.scan_sleep_ms = SCAN_SLEEP_MS, .alloc_sleep_ms = ALLOC_SLEEP_MS, .defrag = true};

static struct wait_queue wait = WAIT_QUEUE_INIT(wait);
static bool kicked;

struct scan {
    u64 seen, skip; /* spans of this pass; those of earlier wakes */
    long budget;    /* base pages that may still be looked at */
    bool no_memory;
};
static u64 position;

/* First span from *at on that has a table and whose area wants huge pages. *at moves to it. */
static bool next_span(struct mm *mm, vaddr_t *at)
{
    vaddr_t size = pt_size(HUGE_LEVEL);
    bool found = false;

    mmap_read_lock(mm);
    for (struct vma *v = vma_find(mm, *at); v != NULL && !found; v = v->next) {
        vaddr_t first = ALIGN_UP(max(v->start, *at), size), end = ALIGN_DOWN(v->end, size);
        struct pt_cursor c;
        struct pt_run r;

        if (first >= end || !thp_eligible(v))
            continue;
        pt_cursor_begin(&c, mm, first, end, true);
        c.reads = true;
        while (!found && pt_cursor_next_table(&c, &r)) {
            found = r.level == 0;
            *at = ALIGN_DOWN(r.va, size);
        }
        pt_cursor_end(&c);
        ASSERT(!found || (*at >= first && *at < end));
    }
    mmap_read_unlock(mm);
    return found;
}

static void scan_mm(struct mm *mm, struct scan *s)
{
    const struct collapse_limits limits = {.none = (unsigned int)knobs.max_none,
                                           .shared = (unsigned int)knobs.max_shared,
                                           .gfp = GFP_USER | GFP_NOOOM |
                                                  (knobs.defrag ? 0 : GFP_NORECLAIM)};
    vaddr_t at = 0;

    while (s->budget > 0 && !s->no_memory && next_span(mm, &at)) {
        if (++s->seen > s->skip) {
            enum collapse result = thp_collapse(mm, at, &limits);

            s->budget -= (long)huge_nr();
            knobs.collapsed += result == COLLAPSE_OK;
            s->no_memory = result == COLLAPSE_NO_MEMORY;
        }
        at += pt_size(HUGE_LEVEL);
    }
}

bool khugepaged_scan(unsigned long pages)
{
    struct scan s = {.skip = position, .budget = (long)pages};

    ASSERT(s.budget > 0);
    for (struct mm *mm = mm_next(NULL); mm != NULL; mm = mm_next(mm)) {
        scan_mm(mm, &s);
        gib_scan(mm);
        if (s.budget > 0 && !s.no_memory)
            continue;
        mm_put(mm);
        ASSERT(s.seen > s.skip); /* each call gets on */
        position = s.seen;
        return !s.no_memory;
    }
    position = 0;
    knobs.full_scans++;
    return true;
}

static int khugepaged(void *unused)
{
    bool memory = true;

    for (;;) {
        u64 ms = memory ? READ_ONCE(knobs.scan_sleep_ms) : READ_ONCE(knobs.alloc_sleep_ms);

        (void)wait_event_timeout(&wait, READ_ONCE(kicked),
                                 clock_monotonic_ns() + max(ms, (u64)1) * NSEC_PER_MSEC);
        WRITE_ONCE(kicked, false);
        memory = true;
        if (READ_ONCE(thp_knobs.enabled) != THP_NEVER || gib_enabled())
            memory = khugepaged_scan(READ_ONCE(knobs.pages_to_scan));
    }
    return 0;
}

void khugepaged_start(void)
{
    struct task *t;

    if (huge_words == NULL)
        return;
    t = kernel_thread(khugepaged, NULL, "khugepaged");
    if (IS_ERR(t))
        pr_warn("cannot start khugepaged (error %ld)\n", PTR_ERR(t));
}

struct number {
    unsigned long *value, low, high;
};

static int show_number(struct seq *s, void *arg)
{
    seq_printf(s, "%lu\n", READ_ONCE(*((struct number *)arg)->value));
    return 0;
}

static ssize_t store_number(const char *buf, size_t n, void *arg)
{
    const struct number *k = arg;
    size_t len = n != 0 && buf[n - 1] == '\n' ? n - 1 : n;
    unsigned long v = 0;

    if (len == 0 || len > 10)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (buf[i] < '0' || buf[i] > '9')
            return -EINVAL;
        v = v * 10 + (unsigned long)(buf[i] - '0');
    }
    if (v < k->low || v > k->high)
        return -EINVAL;
    WRITE_ONCE(*k->value, v);
    WRITE_ONCE(kicked, true); /* a new pace holds from now on */
    wake_up(&wait);
    return (ssize_t)n;
}

static int show_count(struct seq *s, void *arg)
{
    seq_printf(s, "%llu\n", (unsigned long long)READ_ONCE(*(u64 *)arg));
    return 0;
}

static int show_defrag(struct seq *s, void *arg)
{
    seq_printf(s, "%d\n", knobs.defrag);
    return 0;
}

static ssize_t store_defrag(const char *buf, size_t n, void *arg)
{
    size_t len = n != 0 && buf[n - 1] == '\n' ? n - 1 : n;

    if (len != 1 || (buf[0] != '0' && buf[0] != '1'))
        return -EINVAL;
    WRITE_ONCE(knobs.defrag, buf[0] == '1');
    return (ssize_t)n;
}

#define DIR "kernel/mm/transparent_hugepage/khugepaged/"

void khugepaged_init(void)
{
    static struct number scan_sleep = {&knobs.scan_sleep_ms, 0, 0xffffffff},
                         alloc_sleep = {&knobs.alloc_sleep_ms, 0, 0xffffffff},
                         pages = {&knobs.pages_to_scan, 1, 0xffffffff},
                         none = {&knobs.max_none, 0, 0}, shared = {&knobs.max_shared, 0, 0},
                         swap = {&knobs.max_swap, 0, 0};

    none.high = shared.high = swap.high = huge_nr() - 1;
    knobs.pages_to_scan = SCAN_SPANS * huge_nr();
    knobs.max_none = huge_nr() - 1;
    knobs.max_shared = huge_nr() / 2;
    knobs.max_swap = huge_nr() / 8;
    sysfs_create(DIR "scan_sleep_millisecs", 0644, show_number, store_number, &scan_sleep);
    sysfs_create(DIR "alloc_sleep_millisecs", 0644, show_number, store_number, &alloc_sleep);
    sysfs_create(DIR "pages_to_scan", 0644, show_number, store_number, &pages);
    sysfs_create(DIR "max_ptes_none", 0644, show_number, store_number, &none);
    sysfs_create(DIR "max_ptes_shared", 0644, show_number, store_number, &shared);
    sysfs_create(DIR "max_ptes_swap", 0644, show_number, store_number, &swap);
    sysfs_create(DIR "pages_collapsed", 0444, show_count, NULL, &knobs.collapsed);
    sysfs_create(DIR "full_scans", 0444, show_count, NULL, &knobs.full_scans);
    sysfs_create(DIR "defrag", 0644, show_defrag, store_defrag, NULL);
}
