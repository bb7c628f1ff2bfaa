/* SPDX-License-Identifier: MIT */
/*
 * pt_share_check.c: what address spaces have through links, and the check of all links there are.
 *
 * Pages that are mapped through a table of an object belong to everybody who links it, whoever
 * faulted; so the counters of an address space (mm->rss) do not have them, and who asks gets the
 * sum over its links.
 *
 * Locks: mmap_lock; the check of links runs when nothing else does (ktest.h).
 * Read next: pt_check.c.
 */
#include <kernel/ktest.h>
#include "pt_share_internal.h"

/* ---- what is there ---- */

static void add_table(struct pt_share_usage *u, struct page *table)
{
    const struct pt_share *d = share_of(table);
    unsigned int level = table->level;
    pte_t *base = page_to_virt(table);
    enum mm_counter counter;

    u->tables += 1UL << pt_table_order(level);
    if (share_is_forked(d)) /* its pages are in mm->rss */
        return;
    counter = object_counter(d->object);
    if (level == 0) {
        u->rss[counter] += READ_ONCE(table->pt_used);
        return;
    }
    for (unsigned int i = 0; i < pt_entries(level); i++) {
        pte_t e = pte_load(base + i);

        if (pte_is_table(e, level))
            add_table(u, pt_table_page(pt_link_table(e, level)));
        else if (pte_is_leaf(e, level))
            u->rss[counter] += pt_leaf_pages(level);
    }
}

static void add_below(struct mm *mm, struct pt_share_usage *u, pte_t *base, unsigned int level,
                      vaddr_t va, vaddr_t end)
{
    for (vaddr_t next; va < end; va = next) {
        pte_t e = pte_load(base + pt_index(va, level));
        struct page *table;

        next = pt_next(va, end, level);
        if (!pte_is_table(e, level))
            continue;
        table = pt_table_page(pt_link_table(e, level));
        if (pt_is_shared(table))
            add_table(u, table);
        else if (pt_is_foreign(table, mm))
            pt_space_usage(table, u);
        else if (level > 1)
            add_below(mm, u, pt_link_table(e, level), level - 1, va, next);
    }
}

/* Of private memory, too, if @forked is set: only tables come from there. */
static void add_areas(struct mm *mm, struct pt_share_usage *u, bool forked)
{
    *u = (struct pt_share_usage){.tables = 0};
    if (atomic_long_read(&mm->nr_shared) == 0)
        return;
    for_each_vma (v, mm)
        if (v->has_shared && (forked || v->mapping != NULL))
            add_below(mm, u, mm->root, pt_top_level(), v->start, v->end);
}

void pt_share_usage(struct mm *mm, struct pt_share_usage *u)
{
    add_areas(mm, u, true);
}

/* Who has more areas than this is not walked for a number that is nice to know. */
#define WALKED_AREAS 1024u
#define WALKED_LINKS 256

/* mmap_lock held. */
static unsigned long rss_behind(struct mm *mm)
{
    struct pt_share_usage u;

    if (mm->nr_vmas > WALKED_AREAS || atomic_long_read(&mm->nr_shared) > WALKED_LINKS)
        return READ_ONCE(mm->shared_rss);
    add_areas(mm, &u, false);
    return u.rss[MM_ANON] + u.rss[MM_FILE] + u.rss[MM_SHMEM];
}

unsigned long pt_share_rss(struct mm *mm)
{
    if (atomic_long_read(&mm->nr_shared) == 0)
        return 0;
    if (rwsem_read_trylock(&mm->mmap_lock)) {
        WRITE_ONCE(mm->shared_rss, rss_behind(mm));
        mmap_read_unlock(mm);
    }
    return READ_ONCE(mm->shared_rss);
}

void pt_share_note_peak(struct mm *mm)
{
    unsigned long behind = rss_behind(mm), rss = mm_rss(mm) + behind;

    mm->shared_rss = behind;
    if (rss > mm->hiwater_rss)
        mm->hiwater_rss = rss;
}

u64 mm_peak_rss(struct mm *mm)
{
    return max((u64)mm_rss(mm) + pt_share_rss(mm), READ_ONCE(mm->hiwater_rss));
}

static void count_below(const struct vma *v, const pte_t *base, unsigned int level, vaddr_t va,
                        u64 *bytes)
{
    for (vaddr_t next; va < v->end; va = next) {
        pte_t e = pte_load(base + pt_index(va, level));
        const pte_t *table;

        next = pt_next(va, v->end, level);
        if (!pte_is_table(e, level))
            continue;
        table = pt_link_table(e, level);
        bytes[pt_is_foreign(pt_table_page(table), v->mm)] += PAGE_SIZE << pt_table_order(level - 1);
        if (level > 1) {
            struct vma part = {.mm = v->mm, .end = next};

            count_below(&part, table, level - 1, va, bytes);
        }
    }
}

void pt_share_count_tables(const struct vma *v, u64 *own, u64 *shared)
{
    u64 bytes[2] = {0, 0};

    count_below(v, v->mm->root, pt_top_level(), v->start, bytes);
    *own += bytes[0];
    *shared += bytes[1];
}

/* ---- invariants ---- */

/* The area has the part of the span that the table's name says: whole, or alone in the span and
 * with the part's borders for its own, except where the part ends with the span. */
static bool is_in_part(const struct vma *v, vaddr_t base, const struct share_key *k)
{
    vaddr_t size = pt_size(k->level + 1), last = base + (size - 1);

    if (v->start > base + k->from || v->end - base < k->to)
        return false;
    if (k->from == 0 && k->to == size)
        return true;
    return (k->from == 0 || v->start == base + k->from) &&
           (k->to == size || v->end == base + k->to) && (v->prev == NULL || v->prev->end <= base) &&
           (v->next == NULL || v->next->start > last);
}

/* To a table that fork shared. Which pages it may map depends on the area. */
static const char *check_forked(const struct vma *v, vaddr_t va, pte_t link,
                                const struct page *table)
{
    const pte_t *base = page_to_virt(table);

    if (!v->has_shared || !v->has_anon ||
        (v->flags & (VM_SHARED | VM_LOCKED | VM_NOSHAREPT | VM_USERFAULT)))
        return "table shared by fork in a VMA that may not have one";
    if (table->level != 0 || v->start > va || v->end - va < pt_size(1))
        return "table shared by fork reaches out of its VMA";
    if (!fork_share_is_closed(link, table))
        return "table shared by fork may be written through";
    for (unsigned int i = 0; i < pt_entries(0); i++, va += PAGE_SIZE) {
        pte_t e = pte_load(base + i);

        if (!pte_is_leaf(e, 0) || pte_page(e, 0) == zero_page)
            continue;
        if ((pte_page(e, 0)->kind == PAGE_FILE ? pte_page(e, 0)->mapping != v->mapping
                                               : pte_page(e, 0)->kind != PAGE_ANON) ||
            pte_page(e, 0)->index != v->pgoff + ((va - v->start) >> PAGE_SHIFT))
            return "table shared by fork maps another page than the VMA has there";
        if ((pte_prot(e, 0) & PT_RWXU & ~vma_prot(v)) != 0)
            return "leaf of a table shared by fork allows more than the VMA";
    }
    return NULL;
}

const char *pt_share_check_link(const struct vma *v, vaddr_t va, pte_t link,
                                const struct page *table, long *rss)
{
    pt_prot_t want = links_carry_prot() ? vma_prot(v) | PT_R | PT_U : PT_RWXU;
    const struct pt_share *d;
    const struct share_key *k;

    if (!pt_is_shared(table))
        return pt_space_check_link(v, va, link, table);
    d = share_of(table);
    k = &d->key;
    if (share_is_forked(d)) {
        rss[MM_ANON] += d->nr_anon;
        rss[vma_file_counter(v)] += d->nr_file;
        return check_forked(v, va, link, table);
    }
    if (v->mapping != d->object)
        return "link to a table of another object";
    if (!d->indexed)
        return "link to a shared table that belongs below another";
    if (!v->has_shared || (v->flags & (VM_LOCKED | VM_NOSHAREPT)) || !vma_ops(v)->may_share(v))
        return "shared table in a VMA that may not have one";
    if (!is_in_part(v, va, k))
        return "shared table in a span that is not the VMA's alone";
    if (v->pgoff + ((va + k->from - v->start) >> PAGE_SHIFT) != k->first + (k->from >> PAGE_SHIFT))
        return "shared table at the wrong place of its object";
    if ((pte_prot(link, k->level + 1) & PT_RWXU) != want)
        return "link to a shared table with other permissions than its VMA's";
    if (k->prot != 0 && k->prot != vma_prot(v))
        return "shared table for other permissions than its VMA's";
    return NULL;
}

struct check {
    unsigned int tables; /* met so far */
    int bad;
};

static void require(struct check *c, bool ok, const struct pt_share *d, const char *what)
{
    if (ok)
        return;
    c->bad++;
    pr_err("pt_share_check: table 0x%lx of pages %lld on, level %u, %u links: %s\n",
           page_to_pfn(d->table), (long long)d->key.first, d->key.level, d->table->pt_shared, what);
}

static void check_leaf(struct check *c, const struct pt_share *d, pte_t e, u64 at)
{
    const struct page *p = pte_page(e, d->key.level);
    pt_prot_t most = links_carry_prot() ? PT_RWXU : d->key.prot;
    u64 size = pt_size(d->key.level);

    require(c, at + size > d->key.from && at < d->key.to, d, "leaf outside the part in use");
    require(c, p->mapping == d->object && p->index == d->key.first + (at >> PAGE_SHIFT), d,
            "leaf of another page");
    require(c, page_mapcount(p) > 0 && page_refs(p) > (u32)page_mapcount(p), d,
            "references fewer than mappings");
    require(c, (pte_prot(e, d->key.level) & PT_RWXU & ~most) == 0, d, "leaf allows too much");
}

/* Of a table that fork shared. */
static void check_forked_leaf(struct check *c, const struct pt_share *d, pte_t e)
{
    const struct page *p = pte_page(e, 0);
    bool exclusive = page_test(p, PG_EXCLUSIVE);

    if (p == zero_page)
        return;
    require(c, p->kind == PAGE_FILE || page_pins(p) == 0, d, "maps a page that is pinned");
    require(c, exclusive || !(pte_prot(e, 0) & PT_W), d,
            "writable leaf of a page that others may have");
    require(c, !exclusive || page_mapcount(p) == 1, d,
            "exclusive page that is mapped more than once");
    require(c, page_mapcount(p) > 0 && page_refs(p) >= (u32)page_mapcount(p), d,
            "references fewer than mappings");
}

static void check_forked_table(struct check *c, const struct pt_share *d)
{
    const pte_t *base = page_to_virt(d->table);
    unsigned int anon = 0, file = 0;

    for (unsigned int i = 0; i < pt_entries(0); i++) {
        pte_t e = pte_load(base + i);

        if (!pte_is_leaf(e, 0))
            continue;
        check_forked_leaf(c, d, e);
        anon += pte_page(e, 0)->kind == PAGE_ANON;
        file += pte_page(e, 0)->kind == PAGE_FILE;
    }
    require(c, anon == d->nr_anon, d, "count of anonymous pages is wrong");
    require(c, file == d->nr_file, d, "count of the file's pages is wrong");
    require(c, d->table->flags & PG_FORKED, d, "is not marked as fork's");
}

static void meet(struct check *c, const pte_t *base, unsigned int level, bool count);

/* A link to the shared @table was met. The first time its entries are looked at. */
static void meet_shared(struct check *c, struct page *table, bool count)
{
    struct pt_share *d = share_of(table);
    const pte_t *base = page_to_virt(table);
    unsigned int used = 0, level = table->level;

    if (!count) { /* the pass before: marks are taken away */
        d->seen = 0;
        meet(c, base, level, count);
        return;
    }
    if (d->seen++ != 0)
        return;
    c->tables++;
    require(c, table->kind == PAGE_TABLE && table->pt_mm == NULL && d->table == table, d,
            "is not a table of an object");
    for (unsigned int i = 0; i < pt_entries(level); i++) {
        pte_t e = pte_load(base + i);

        used += !pte_is_none(e);
        if (share_is_forked(d))
            continue;
        if (pte_is_leaf(e, level))
            check_leaf(c, d, e, i * pt_size(level));
        else
            require(c, pte_is_none(e) || pte_is_table(e, level), d, "holds a marker");
    }
    require(c, used == table->pt_used, d, "count of used entries is wrong");
    if (share_is_forked(d))
        check_forked_table(c, d);
    meet(c, base, level, count);
}

/* The table of the user half that entry @i of a table of @level links, or NULL. */
static const pte_t *linked(const pte_t *base, unsigned int level, unsigned int i)
{
    pte_t e = pte_load(base + i);

    if (!pte_is_table(e, level) || (level == pt_top_level() && i * pt_size(level) >= user_top()))
        return NULL;
    return pt_link_table(e, level);
}

static void meet(struct check *c, const pte_t *base, unsigned int level, bool count)
{
    for (unsigned int i = 0; i < pt_entries(level); i++) {
        const pte_t *below = linked(base, level, i);

        if (below == NULL)
            continue;
        if (pt_is_shared(pt_table_page(below)))
            meet_shared(c, pt_table_page(below), count);
        else if (level > 1)
            meet(c, below, level - 1, count);
    }
}

/* After all links were met. */
static void compare(struct check *c, const pte_t *base, unsigned int level)
{
    for (unsigned int i = 0; i < pt_entries(level); i++) {
        const pte_t *below = linked(base, level, i);
        struct page *table = below ? pt_table_page(below) : NULL;

        if (table == NULL)
            continue;
        if (pt_is_shared(table))
            require(c, share_of(table)->seen == table->pt_shared, share_of(table),
                    "another number of links was found");
        if (level > 1)
            compare(c, below, level - 1);
    }
}

static void for_each_mm(struct check *c, unsigned int pass)
{
    for (struct mm *mm = mm_next(NULL); mm != NULL; mm = mm_next(mm)) {
        mmap_read_lock(mm);
        if (atomic_long_read(&mm->nr_shared) == 0)
            ;
        else if (pass < 2)
            meet(c, mm->root, pt_top_level(), pass == 1);
        else
            compare(c, mm->root, pt_top_level());
        mmap_read_unlock(mm);
    }
}

/* Counts all links there are by walking all address spaces: every table has as many as it says, and
 * no table is there without one. Nothing may change page tables meanwhile. */
static int pt_share_check(void)
{
    struct check c = {.bad = 0};

    rcu_barrier(); /* tables that are gone */
    for (unsigned int pass = 0; pass < 3; pass++)
        for_each_mm(&c, pass);
    if (c.tables != share_nr_tables()) {
        c.bad++;
        pr_err("pt_share_check: %u shared tables, links to %u\n", share_nr_tables(), c.tables);
    }
    return c.bad;
}
KCHECK("pt_share_check", pt_share_check);
