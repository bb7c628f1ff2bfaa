/* SPDX-License-Identifier: MIT */
/*
 * migrate_file.c: pages of objects move to other frames, those of one object together.
 *
 * Each page is locked, so faults wait for it; all lose their translations, in one round of calls
 * per address space; then each is exchanged in the object's tree for its new frame and unlocked.
 * Translations come back by faults, but for areas that are locked in memory: these are kept from
 * changing, and get theirs back before the page's lock is given up (rmap_file.c), whether it has
 * moved or not. Who comes there meanwhile waits for the page's lock. A page that a table maps which
 * fork shared (pt_share_fork.c) stays: its translations do not go.
 *
 * Locks: PAGE of the old ones together, and of one new one; the object's vmas_lock; areas' locks
 * for reading; PT. All but PT only tried. Invariants: those of migrate.c.
 * Checked by tests/kernel/mm/migrate_ktest.c, models/page_move.pml. Read next: migrate_huge.c.
 */
#include "migrate_internal.h"
#include "pt_internal.h"

struct group {
    struct mapping *m;
    struct migration *move[MIGRATE_BATCH];
    struct page *pages[MIGRATE_BATCH]; /* locked, of @m, up to date */
    unsigned int nr;
};

_Static_assert(MIGRATE_BATCH <= 32, "a page has a bit in struct locked_area");

/* The page joins the group of its object; it begins one when there is none. */
static void try_join(struct group *g, struct migration *m)
{
    struct page *p = m->from;

    if ((g->m != NULL && READ_ONCE(p->mapping) != g->m) || !page_trylock(p))
        return;
    if (p->mapping == NULL || !page_test(p, PG_UPTODATE) || p->kind != m->to->kind ||
        (g->m != NULL && p->mapping != g->m)) {
        page_unlock(p);
        return;
    }
    g->m = p->mapping;
    g->move[g->nr] = m;
    g->pages[g->nr++] = p;
}

/* The page is in no page table, both are locked. */
static int exchange(struct mapping *m, struct page *from, struct page *to)
{
    unsigned long nr = 1UL << from->order;

    if (page_mapcount(from) != 0)
        return -EAGAIN; /* mapped where the list of areas does not say so: on its way out */
    /* A pool's page changes by page tables and pins only: its copy may take its time. */
    for (unsigned long i = 0; nr != 1 && i < nr; i++)
        copy_page(page_to_virt(to + i), page_to_virt(from + i));
    if (!mapping_replace(m, from, to, nr != 1))
        return -EBUSY;
    if (nr != 1)
        huge_exchange(to, from);
    return 0;
}

static int move_one(struct mapping_unmapped *u, unsigned int i, struct migration *m)
{
    bool locked = page_trylock(m->to); /* nobody else knows it, but for a glance by number */
    int err = locked ? exchange(u->m, m->from, m->to) : -EAGAIN;

    mapping_put_back(u, i, err ? m->from : m->to);
    if (locked)
        page_unlock(m->to);
    return err;
}

static void move_group(struct group *g)
{
    struct mapping_unmapped u;
    int err = mapping_unmap_begin(&u, g->m, g->pages, g->nr);

    for (unsigned int i = 0; i < g->nr; i++) {
        g->move[i]->err = err ? err : move_one(&u, i, g->move[i]);
        page_unlock(g->pages[i]);
    }
    if (err == 0)
        mapping_unmap_end(&u);
}

/* Is it an object's, and waits for its turn? */
static bool is_due(const struct migration *m)
{
    return m->from->kind != PAGE_ANON && m->err == -EAGAIN;
}

void migrate_files(struct migration *m, unsigned int n)
{
    bool seen[MIGRATE_BATCH] = {false};

    ASSERT(n <= MIGRATE_BATCH);
    for (unsigned int i = 0; i < n; i++) {
        struct group g = {.m = NULL};

        for (unsigned int k = i; k < n && (k == i || g.nr != 0); k++) {
            unsigned int nr = g.nr;

            if (!seen[k] && is_due(&m[k]))
                try_join(&g, &m[k]);
            seen[k] |= g.nr != nr;
        }
        if (g.nr != 0)
            move_group(&g);
    }
}

int migrate_pool(struct page *from)
{
    struct migration m = {.from = from, .err = -EAGAIN};

    ASSERT(from->kind == PAGE_HUGETLB && page_refs(from) > 0);
    if (huge_is_private(from))
        return -EINVAL;
    m.to = huge_borrow(huge_pool_by_size(PAGE_SIZE << from->order));
    if (m.to == NULL)
        return -ENOMEM;
    migrate_files(&m, 1);
    page_put(m.to);
    vmstat_add(m.err ? VMSTAT_pgmigrate_fail : VMSTAT_pgmigrate_success, 1UL << from->order);
    return m.err;
}
