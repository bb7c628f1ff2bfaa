/* SPDX-License-Identifier: MIT */
/*
 * pt_check.c: walks whole trees of page tables and says what is wrong: the invariants of
 * pt_table.c, pt_walk.c and pt_default.c as code. It repairs nothing. Runs after every in-kernel
 * test.
 *
 * Locks: mmap_lock for writing and every VMA's lock, so no entry changes but by truncation, which
 * tests do not leave running.
 * Read next: pt_dump.c.
 */
#include <kernel/ktest.h>
#include <mm/huge.h>
#include <mm/hugetlb.h>
#include "pt_internal.h"
#include "thp_internal.h"
#include "vma_internal.h"

struct check {
    struct mm *mm;
    struct vma *v;     /* first with end > the address that was looked at last */
    struct page *table;   /* the one whose entries are looked at */
    unsigned long tables; /* base pages */
    long links;           /* to shared tables */
    long rss[NR_MM_COUNTERS];
    int bad;
};

static void report(struct check *c, vaddr_t va, const char *what)
{
    c->bad++;
    pr_err("pt_check: mm %p, 0x%lx: %s\n", (void *)c->mm, va, what);
}

static void require(struct check *c, bool ok, vaddr_t va, const char *what)
{
    if (!ok)
        report(c, va, what);
}

static u64 index_at(const struct vma *v, vaddr_t va)
{
    return v->pgoff + ((va - v->start) >> PAGE_SHIFT);
}

static void check_anon(struct check *c, const struct page *p, pte_t e, unsigned int level,
                       vaddr_t va)
{
    const struct vma *v = c->v;
    bool exclusive = page_test(p, PG_EXCLUSIVE);
    u32 refs = level == 0 ? page_refs(p) : huge_refs(huge_load(p));

    if (level != 0) {
        struct huge_place at = { .mm = c->mm, .va = va, .parent = c->table };

        c->tables += 1UL << pt_table_order(level - 1); /* the one that waits for a split */
        require(c, huge_is(p) && huge_head(p) == p && huge_is_mapped_at(p, &at), va,
                "huge leaf of a page that is not huge, or does not know of it");
    }
    c->rss[MM_ANON] += (long)pt_leaf_pages(level);
    require(c, !(v->flags & VM_SHARED), va, "anonymous page in a shared mapping");
    require(c, v->has_anon, va, "anonymous page, but the VMA says it never had one");
    require(c, exclusive || !(pte_prot(e, level) & PT_W), va,
            "writable leaf of a page that others may have");
    require(c, !exclusive || page_mapcount(p) == 1, va,
            "exclusive page that is mapped more than once");
    require(c, refs >= (u32)page_mapcount(p) && page_mapcount(p) > 0, va,
            "references fewer than mappings");
    require(c, p->index == index_at(v, va), va, "anonymous page with a wrong index");
}

static void check_file(struct check *c, const struct page *p, pte_t e, unsigned int level,
                       vaddr_t va)
{
    const struct vma *v = c->v;

    c->rss[vma_file_counter(v)] += (long)pt_leaf_pages(level);
    require(c, v->mapping != NULL && p->mapping == v->mapping, va, "page of another object");
    require(c, p->index == index_at(v, va), va, "page at the wrong place of its object");
    require(c, !page_test(p, PG_LAZYFREE), va, "object's page given up by MADV_FREE");
    require(c, page_mapcount(p) > 0 && page_refs(p) > (u32)page_mapcount(p), va,
            "references fewer than mappings");
    require(c, !(pte_prot(e, level) & PT_W) || (v->flags & VM_SHARED), va,
            "object's page writable through a private mapping");
    require(c, !(pte_prot(e, level) & PT_W) || (pte_state(e) & PT_DIRTY), va,
            "writable leaf that is clean");
}

/* A huge page of a pool; the row's promises are checked by hugetlb_object.c. */
static void check_hugetlb(struct check *c, const struct page *p, pte_t e, unsigned int level,
                          vaddr_t va)
{
    const struct vma *v = c->v;
    bool exclusive = page_test(p, PG_EXCLUSIVE), writable = (pte_prot(e, level) & PT_W) != 0;

    c->rss[MM_HUGETLB] += (long)pt_leaf_pages(level);
    require(c, !(p->word & PAGE_TAIL) && PAGE_SIZE << p->order == pt_size(level), va,
            "leaf that maps a part of a huge page");
    require(c, page_refs(p) >= (u32)page_mapcount(p) && page_mapcount(p) > 0, va,
            "references fewer than mappings");
    require(c, !exclusive || page_mapcount(p) == 1, va,
            "exclusive page that is mapped more than once");
    require(c, p->index == index_at(v, va), va, "huge page at the wrong place of its object");
    if (huge_is_private(p)) {
        require(c, !(v->flags & VM_MAYSHARE), va, "private huge page in a shared mapping");
        require(c, exclusive || !writable, va, "writable leaf of a page that others may have");
    } else {
        require(c, p->mapping == v->mapping, va, "page of another object");
        require(c, !writable || (v->flags & VM_SHARED), va,
                "object's page writable through a private mapping");
    }
}

static void check_default(struct check *c, pte_t e, unsigned int level, vaddr_t va)
{
    pfn_t pfn = pte_paddr(e, level) >> PAGE_SHIFT;
    const struct page *p;

    if (!pfn_valid(pfn)) {
        report(c, va, "leaf without a struct page");
        return;
    }
    p = pfn_to_page(pfn);
    switch (p->kind) {
    case PAGE_ANON:
        check_anon(c, p, e, level, va);
        break;
    case PAGE_FILE:
        check_file(c, p, e, level, va);
        break;
    case PAGE_HUGETLB:
        check_hugetlb(c, p, e, level, va);
        break;
    case PAGE_ZERO:
        require(c, !(pte_prot(e, level) & PT_W), va, "zero page writable");
        require(c,
                level == 0 ? p == zero_page : huge_is(p) || PAGE_SIZE << p->order == pt_size(level),
                va, "another zero page");
        break;
    default:
        report(c, va, "frame of a kind that nobody maps");
    }
}

static void check_pfnmap(struct check *c, pte_t e, unsigned int level, vaddr_t va)
{
    const struct pfnmap *m = c->v->private;
    u64 off = (c->v->pgoff << PAGE_SHIFT) + (va - c->v->start);

    require(c, off < m->len && m->len - off >= pt_size(level), va,
            "leaf reaches out of its region");
    require(c, pte_paddr(e, level) == m->base + off, va, "leaf maps the wrong frame");
}

static void check_leaf(struct check *c, pte_t e, unsigned int level, vaddr_t va)
{
    pt_prot_t prot = pte_prot(e, level) & PT_RWXU;

    require(c, pt_level_can_leaf(level), va, "leaf at a level that has none");
    while (c->v != NULL && c->v->end <= va)
        c->v = c->v->next;
    if (c->v == NULL || va < c->v->start || c->v->end - va < pt_size(level)) {
        report(c, va, "leaf outside every VMA");
        return;
    }
    require(c, (prot & ~vma_prot(c->v)) == 0, va, "leaf allows more than its VMA");
    require(c, prot == 0 || (prot & PT_U), va, "leaf of the user half without user permission");
    require(c, vma_ops(c->v)->page_sizes & BIT(level), va,
            "leaf of a size that the row does not have");
    if (!vma_has_pages(c->v))
        check_pfnmap(c, e, level, va);
    else
        check_default(c, e, level, va);
}

/* A link to a table of an object, which is checked once for all its users (pt_share_check.c). */
static void check_shared(struct check *c, pte_t e, unsigned int level, vaddr_t va)
{
    const char *wrong;

    c->links++;
    while (c->v != NULL && c->v->end <= va)
        c->v = c->v->next;
    wrong = c->v == NULL
                ? "link to a shared table outside every VMA"
                : pt_share_check_link(c->v, va, e, pt_table_page(pt_link_table(e, level)), c->rss);
    if (wrong != NULL)
        report(c, va, wrong);
}

static void check_table(struct check *c, const pte_t *base, unsigned int level, vaddr_t va);

/* A leaf that stands for the link to a table of huge leaves. */
static void check_gib(struct check *c, const pte_t *slot, vaddr_t va)
{
    pte_t *below = gib_below(slot, pte_load(slot));
    const char *wrong = gib_check(c->mm, pte_load(slot), pt_table_page(below));

    if (wrong != NULL)
        report(c, va, wrong);
    check_table(c, below, HUGE_LEVEL, va);
}

static void check_table(struct check *c, const pte_t *base, unsigned int level, vaddr_t va)
{
    struct page *table = pt_table_page(base);
    vaddr_t first = va;
    unsigned int used = 0;

    c->tables += 1UL << pt_table_order(level);
    require(c,
            table->kind == PAGE_TABLE && table->level == level && table->pt_mm == c->mm &&
                table->word == 0,
            va, "not a table of this level and address space");
    for (unsigned int i = 0; i < pt_entries(level) && va < user_top(); i++, va += pt_size(level)) {
        pte_t e = pte_load(base + i);

        if (pte_is_none(e))
            continue;
        used++;
        if (pte_is_table(e, level) && pt_is_gib(pt_table_page(pt_link_table(e, level))))
            report(c, va, "marked table below a link");
        if (pte_is_table(e, level) && pt_is_foreign(pt_table_page(pt_link_table(e, level)), c->mm))
            check_shared(c, e, level, va);
        else if (pte_is_table(e, level))
            check_table(c, pt_link_table(e, level), level - 1, va);
        else if (pt_gib_below(base + i, e, level) != NULL)
            check_gib(c, base + i, va);
        else if (pte_is_leaf(e, level))
            c->table = table, check_leaf(c, e, level, va);
    }
    require(c, used == table->pt_used, first, "table's count of used entries is wrong");
}

int pt_check(struct mm *mm)
{
    static const char *const what[NR_MM_COUNTERS] = { "anonymous", "file", "shared memory",
                                                      "huge" };
    struct check c = { .mm = mm, .v = mm->first_vma };

    check_table(&c, mm->root, pt_top_level(), 0);
    for (unsigned int i = 0; i < NR_MM_COUNTERS; i++) {
        if (atomic_long_read(&mm->rss[i]) == c.rss[i])
            continue;
        c.bad++;
        pr_err("pt_check: mm %p: %ld %s pages counted, %ld mapped\n", (void *)mm,
               atomic_long_read(&mm->rss[i]), what[i], c.rss[i]);
    }
    if ((unsigned long)atomic_long_read(&mm->pt_pages) != c.tables) {
        c.bad++;
        pr_err("pt_check: mm %p: %ld pages of tables counted, %lu found\n", (void *)mm,
               atomic_long_read(&mm->pt_pages), c.tables);
    }
    if (atomic_long_read(&mm->nr_shared) != c.links) {
        c.bad++;
        pr_err("pt_check: mm %p: %ld links to shared tables counted, %ld found\n", (void *)mm,
               atomic_long_read(&mm->nr_shared), c.links);
    }
    return c.bad;
}

static int pt_check_all(void)
{
    int bad = 0;

    for (struct mm *mm = mm_next(NULL); mm != NULL; mm = mm_next(mm)) {
        mmap_write_lock(mm);
        for_each_vma(v, mm)
            vma_write_lock(v);
        bad += pt_check(mm);
        mmap_write_unlock(mm);
    }
    return bad;
}
KCHECK("pt_check", pt_check_all);
