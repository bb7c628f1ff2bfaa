/* SPDX-License-Identifier: MIT */
/*
 * pid_numa.c: numa_maps: where the pages of each area are, and how large they are. There is one
 * node, and one policy; what is of interest are the counts, in pages of the area's own size.
 *
 * The walk is the same for base pages and huge ones (pt_walk.h). Locks: mmap_lock for reading, PT
 * inside the walk. Source: numa(7); Linux Documentation/filesystems/proc.rst. Checked by
 * tests/user/hugetlb_test.c. Read next: pid_maps.c.
 */
#include "procfs.h"
#include <mm/hugetlb.h>
#include <mm/pt_ops.h>
#include <mm/pt_share.h>

struct counts {
    u64 pages, anon, dirty; /* base pages */
    u64 mapmax;
};

static void count_leaf(struct counts *c, pte_t e, const struct pt_run *r)
{
    pfn_t pfn = (pfn_t)(pte_paddr(e, r->level) >> PAGE_SHIFT);
    u64 n = pt_size(r->level) >> PAGE_SHIFT;
    const struct page *p = pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;

    if (!p || p->kind == PAGE_ZERO)
        return;
    c->pages += n;
    if (p->kind == PAGE_ANON || (p->kind == PAGE_HUGETLB && huge_is_private(p)))
        c->anon += n;
    if ((pte_state(e) & PT_DIRTY) || page_test(p, PG_DIRTY))
        c->dirty += n;
    c->mapmax = max(c->mapmax, pt_nr_mappings(p, r));
}

static struct counts count_area(struct vma *v)
{
    struct counts n = {0};
    struct pt_cursor c;
    struct pt_run r;

    if (v->flags & VM_PFNMAP)
        return n;
    pt_cursor_begin(&c, v->mm, v->start, v->end, true);
    c.reads = true;
    while (pt_cursor_next(&c, &r))
        for (unsigned int i = 0; i < r.nr && r.kind == PT_KIND_LEAF; i++)
            count_leaf(&n, pte_load(r.slot + i), &r);
    pt_cursor_end(&c);
    return n;
}

static void show_name(struct seq *s, struct vma *v, char *buf)
{
    const char *name = vma_name(v, buf, PATH_MAX_LEN);

    if (v->file)
        seq_printf(s, " file=%s", name);
    else if (*name == '[')
        seq_printf(s, " %.*s", (int)strlen(name) - 2, name + 1);
}

static void show_count(struct seq *s, const char *name, u64 base_pages, const struct vma *v)
{
    u64 n = base_pages / (vma_leaf_size(v) >> PAGE_SHIFT);

    if (n)
        seq_printf(s, " %s=%llu", name, (unsigned long long)n);
}

static void show_area(struct seq *s, struct vma *v, char *buf)
{
    struct counts n = count_area(v);

    seq_printf(s, "%08lx default", v->start);
    show_name(s, v, buf);
    if (v->flags & VM_POOL)
        seq_puts(s, " huge");
    if (n.pages) {
        show_count(s, "anon", n.anon, v);
        show_count(s, "dirty", n.dirty, v);
        if (n.pages != n.anon)
            show_count(s, "mapped", n.pages, v);
        if (n.mapmax > 1)
            seq_printf(s, " mapmax=%llu", (unsigned long long)n.mapmax);
        show_count(s, "N0", n.pages, v);
        seq_printf(s, " kernelpagesize_kB=%lu", vma_leaf_size(v) >> 10);
    }
    seq_puts(s, "\n");
}

int pid_show_numa_maps(struct seq *s, struct task *t)
{
    struct mm *mm = task_mm_get(t);
    char *buf = kmalloc(PATH_MAX_LEN);

    if (mm && buf) {
        mmap_read_lock(mm);
        for_each_vma (v, mm)
            show_area(s, v, buf);
        mmap_read_unlock(mm);
    }
    kfree(buf);
    if (mm)
        mm_put(mm);
    return buf ? 0 : -ENOMEM;
}
