/* SPDX-License-Identifier: MIT */
/*
 * thp_sysfs.c: the knobs of transparent huge pages below /sys/kernel/mm/transparent_hugepage, the
 * kernel parameter, and /sys/kernel/debug/split_huge_pages, which splits on request.
 *
 * Locks: none; each knob is a word. mmap_lock for reading while pages of an address space are
 * split. Bad text is EINVAL and changes nothing.
 * Source: Linux, Documentation/admin-guide/mm/transhuge.rst, mm/huge_memory.c's debugfs format.
 * Checked by tests/user/thp_test.c. Read next: thp.c.
 */
#include <asm/errno.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/vfs.h>
#include "debug_range.h"
#include "thp_internal.h"
#include "thp_knobs.h"
#include "vma_internal.h"

struct choice {
    unsigned int *value;
    unsigned int nr;
    const char *names[5];
};

static struct choice enabled = {&thp_knobs.enabled, 3, {"always", "madvise", "never"}};
static struct choice defrag = {
    &thp_knobs.defrag, 5, {"always", "defer", "defer+madvise", "madvise", "never"}};
static struct choice gib = {&thp_knobs.gib, 4, {"always", "inherit", "madvise", "never"}};

/* Length of @buf without the newline at its end. */
static size_t word_len(const char *buf, size_t n)
{
    return n != 0 && buf[n - 1] == '\n' ? n - 1 : n;
}

static int show_choice(struct seq *s, void *arg)
{
    const struct choice *c = arg;

    ASSERT(*c->value < c->nr && c->nr <= ARRAY_SIZE(c->names));
    for (unsigned int i = 0; i < c->nr; i++)
        seq_printf(s, *c->value == i ? "[%s]%s" : "%s%s", c->names[i], i + 1 < c->nr ? " " : "\n");
    return 0;
}

static bool choose(struct choice *c, const char *buf, size_t len)
{
    for (unsigned int i = 0; i < c->nr; i++) {
        if (strlen(c->names[i]) != len || memcmp(c->names[i], buf, len) != 0)
            continue;
        WRITE_ONCE(*c->value, i);
        return true;
    }
    return false;
}

static ssize_t store_choice(const char *buf, size_t n, void *arg)
{
    return choose(arg, buf, word_len(buf, n)) ? (ssize_t)n : -EINVAL;
}

static int show_bool(struct seq *s, void *arg)
{
    seq_printf(s, "%d\n", *(bool *)arg);
    return 0;
}

static ssize_t store_bool(const char *buf, size_t n, void *arg)
{
    if (word_len(buf, n) != 1 || (buf[0] != '0' && buf[0] != '1'))
        return -EINVAL;
    WRITE_ONCE(*(bool *)arg, buf[0] == '1');
    return (ssize_t)n;
}

static int show_size(struct seq *s, void *arg)
{
    seq_printf(s, "%lu\n", huge_nr() << PAGE_SHIFT);
    return 0;
}

/* ---- split_huge_pages: "1", or "pid,0xstart,0xend[,order]" ---- */

static void split_all(void)
{
    pfn_t first = ALIGN_UP(mem_map_first, huge_nr());

    for (pfn_t pfn = first; pfn + huge_nr() <= mem_map_end; pfn += huge_nr()) {
        struct page *head = pfn_to_page(pfn);

        if (huge_is(head) && head->kind == PAGE_ANON && huge_maps(huge_load(head)) != 0)
            split_huge_page(head);
    }
}

/* @order: of what is left; of a huge page: only what is larger is split. */
static void split_process(struct mm *mm, vaddr_t start, vaddr_t end, u64 order)
{
    ASSERT(start <= end && IS_ALIGNED(start | end, PAGE_SIZE));
    mmap_read_lock(mm);
    for (struct vma *v = vma_find(mm, start); v != NULL && v->start < end; v = v->next)
        if (vma_is_anon(v) && order == huge_order())
            (void)gib_demote_range(mm, max(start, v->start), min(end, v->end));
        else if (vma_is_anon(v))
            thp_split_range(mm, max(start, v->start), min(end, v->end));
    mmap_read_unlock(mm);
}

static ssize_t store_split(const char *buf, size_t n, void *arg)
{
    struct debug_range r;
    int err = debug_range_parse(buf, &r);

    if (err)
        return err;
    if (r.order > huge_order() || (r.order == huge_order() && !gib_possible()))
        err = -EINVAL;
    else if (r.all)
        split_all();
    else
        split_process(r.mm, r.start, r.end, r.order);
    debug_range_put(&r);
    return err ? err : (ssize_t)n;
}

static void param_enabled(const char *text)
{
    if (!choose(&enabled, text, strlen(text)))
        pr_warn("transparent_hugepage: always, madvise or never, not '%s'\n", text);
}
KPARAM("transparent_hugepage", param_enabled, "huge pages: always, madvise, never");

void thp_init(void)
{
    if (huge_words == NULL)
        return;
#define DIR "kernel/mm/transparent_hugepage/"
    sysfs_create(DIR "enabled", 0644, show_choice, store_choice, &enabled);
    sysfs_create(DIR "defrag", 0644, show_choice, store_choice, &defrag);
    sysfs_create(DIR "use_zero_page", 0644, show_bool, store_bool, &thp_knobs.use_zero_page);
    sysfs_create(DIR "hpage_pmd_size", 0444, show_size, NULL, NULL);
    if (gib_possible())
        sysfs_create(DIR "hugepages-1048576kB/enabled", 0644, show_choice, store_choice, &gib);
    khugepaged_init();
    sysfs_create("kernel/debug/split_huge_pages", 0200, NULL, store_split, NULL);
}
