/* SPDX-License-Identifier: MIT */
/*
 * rmap_huge.c: from a huge page to the leaf entries that map it.
 *
 * Each leaf owns the page table that a split will put in its place. While that table waits, its
 * struct page is the node of the list that begins in the head's: address space (pt_mm), address
 * (pt_va), table of the leaf (spare). So the list is exact through fork, mremap, and every cut or
 * merge of areas, none of which knows of it, and it costs no memory.
 *
 * Locks: BUSY of the frame for every change, inside the lock of the leaf's table (PT).
 * Invariants: I1 the list has M entries; I2 at most one per address space. Checked by rmap_check.
 * Read next: split.c.
 */
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include <mm/thp.h>
#include "huge_internal.h"

struct page *huge_table_alloc(struct mm *mm)
{
    struct page *table;

    return pt_table_alloc_waiting(mm, HUGE_LEVEL - 1, &table, 1) != 0 ? table : NULL;
}

unsigned int huge_table_alloc_bulk(struct mm *mm, struct page **tables, unsigned int n)
{
    return pt_table_alloc_waiting(mm, HUGE_LEVEL - 1, tables, n);
}

void huge_table_free(struct page *table)
{
    ASSERT(table->kind == PAGE_TABLE && table->level == HUGE_LEVEL - 1);
    table->pt_used = table->pt_shared = 0; /* pt_va was there */
    pt_table_free(table);
}

static struct page *parent_of(const struct page *table)
{
    return (struct page *)(unsigned long)table->spare;
}

static void set_place(struct page *table, const struct huge_place *at)
{
    ASSERT(table->pt_mm == at->mm); /* who pays for it */
    ASSERT(IS_ALIGNED(at->va, pt_size(HUGE_LEVEL)) && at->va < user_top());
    ASSERT(at->parent->level == HUGE_LEVEL && at->parent->pt_mm == at->mm);
    table->pt_va = at->va;
    table->spare = (u64)(unsigned long)at->parent;
}

static struct page *find(const struct page *head, const struct mm *mm)
{
    struct page *t;

    list_for_each_entry (t, &head->link, link)
        if (t->pt_mm == mm)
            return t;
    return NULL;
}

static void list_leaf(struct page *head, struct page *table, const struct huge_place *at)
{
    set_place(table, at);
    list_add(&table->link, &head->link);
    WRITE_ONCE(head->mapcount, head->mapcount + 1);
}

void huge_map_new(struct page *head, struct page *table, const struct huge_place *at)
{
    ASSERT(huge_maps(huge_load(head)) == 0 && page_mapcount(head) == 0 && list_empty(&head->link));
    list_leaf(head, table, at);
    (void)__atomic_fetch_add(huge_word(head), HUGE_MAP, __ATOMIC_RELAXED);
}

void huge_map_unlock(struct page *head, struct page *table, const struct huge_place *at)
{
    ASSERT((huge_load(head) & HUGE_BUSY) && huge_maps(huge_load(head)) < HUGE_MAX);
    list_leaf(head, table, at);
    (void)__atomic_fetch_add(huge_word(head), HUGE_MAP + HUGE_REF - HUGE_BUSY, __ATOMIC_RELEASE);
}

struct page *huge_unmap_unlock(struct page *head, const struct mm *mm)
{
    struct page *t = find(head, mm);

    BUG_ON(t == NULL);
    ASSERT((huge_load(head) & HUGE_BUSY) && (s64)huge_maps(huge_load(head)) == head->mapcount);
    list_del(&t->link);
    WRITE_ONCE(head->mapcount, head->mapcount - 1);
    if (head->mapcount == 0)
        thp_count_mapped(-1);
    t->pt_used = t->pt_shared = 0; /* pt_va was there */
    (void)__atomic_fetch_sub(huge_word(head), HUGE_MAP + HUGE_BUSY, __ATOMIC_RELEASE);
    return t;
}

void huge_moved(struct page *head, const struct huge_place *to)
{
    struct page *t = find(head, to->mm);

    BUG_ON(t == NULL);
    ASSERT(huge_load(head) & HUGE_BUSY);
    set_place(t, to);
}

struct page *huge_next(struct page *head, struct page *table, struct huge_place *at)
{
    struct list_head *l = table != NULL ? table->link.next : head->link.next;
    struct page *t = list_entry(l, struct page, link);

    ASSERT(huge_load(head) & HUGE_BUSY);
    if (l == &head->link)
        return NULL;
    *at = (struct huge_place){.mm = t->pt_mm, .va = t->pt_va, .parent = parent_of(t)};
    return t;
}

struct page *huge_pop(struct page *head, struct huge_place *at)
{
    struct page *t = huge_next(head, NULL, at);

    if (t != NULL)
        list_del(&t->link);
    return t;
}

bool huge_is_mapped_at(const struct page *head, const struct huge_place *at)
{
    const struct page *t = find(head, at->mm);

    return t != NULL && t->pt_va == at->va && parent_of(t) == at->parent;
}

/* One frame's list against the page tables. */
static int check_frame(const struct page *head)
{
    u64 w = huge_load(head), maps = 0;
    const struct page *t;
    int bad = 0;

    list_for_each_entry (t, &head->link, link) {
        const struct page *parent = parent_of(t);
        const pte_t *slot = page_to_virt(parent);
        pte_t e = pte_load(slot + pt_index(t->pt_va, HUGE_LEVEL));

        maps++;
        if (parent->kind == PAGE_TABLE && parent->level == HUGE_LEVEL &&
            parent->pt_mm == t->pt_mm && pte_is_leaf(e, HUGE_LEVEL) &&
            pte_paddr(e, HUGE_LEVEL) == page_to_phys(head))
            continue;
        bad++;
        pr_err("rmap_check: frame 0x%lx is not mapped at 0x%lx of mm %p\n", page_to_pfn(head),
               (unsigned long)t->pt_va, (void *)t->pt_mm);
    }
    if (maps != huge_maps(w) || (s64)maps != page_mapcount(head) ||
        huge_refs(w) < maps + huge_pins(w) || huge_refs(w) == 0 || (w & HUGE_BUSY)) {
        bad++;
        pr_err("rmap_check: frame 0x%lx: word 0x%llx, %llu leaf entries in its list\n",
               page_to_pfn(head), (unsigned long long)w, (unsigned long long)maps);
    }
    for (unsigned long i = 0; i < huge_nr(); i++)
        if (!(READ_ONCE(head[i].word) & PAGE_TAIL) || head[i].kind != head->kind) {
            bad++;
            pr_err("rmap_check: frame 0x%lx, page %lu: word 0x%llx, kind %u\n", page_to_pfn(head),
                   i, (unsigned long long)head[i].word, head[i].kind);
        }
    return bad;
}

/* Every huge frame; nothing may be at work on huge pages. */
static int rmap_check(void)
{
    pfn_t first = ALIGN_UP(mem_map_first, huge_nr()), nr = huge_nr();
    int bad = 0;

    if (huge_words == NULL)
        return 0;
    for (pfn_t pfn = first; pfn + nr <= mem_map_end; pfn += nr)
        if (huge_is(pfn_to_page(pfn)))
            bad += check_frame(pfn_to_page(pfn));
    return bad;
}
KCHECK("rmap_check", rmap_check);
