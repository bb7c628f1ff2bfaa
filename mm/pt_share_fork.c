/* SPDX-License-Identifier: MIT */
/*
 * pt_share_fork.c: page tables of private memory that fork shares copy-on-write.
 *
 * fork does not copy a table of level 0 that lies wholly inside one area, if that is worth it: the
 * parent's link loses the right to write and the child gets a link like it. Nothing changes in the
 * leaves: a page may still be PG_EXCLUSIVE and its leaf writable, for link and leaf decide
 * together, in hardware and in every walker here. (Where links carry no rights, pt_share_write.c
 * takes this one from the leaves.) So a table with several links is immutable for
 * those who have them. Who wants a change leaves it first (pt_fork_leave): the only user takes it
 * over, in one step; one of several copies it then, as fork would have done, links the copy when
 * that is complete, flushes, and only then uncounts the old link. Who unmaps or discards the whole
 * span just drops the link. The last link's end empties the table.
 *
 * A page that is pinned must stay the parent's own, so a table marked PG_HAD_PINS is copied at
 * once (pt_share_write.c).
 *
 * Private memory of files has the file's pages and copies in one table, and truncation takes leaves
 * out without mmap_lock. It lets all users leave before (rmap_file.c). So a table of a file becomes
 * a shared one with the object's vmas_lock held for writing, and truncation, which holds it for
 * reading, can rely on what it sees. An area of a file may have tables of the object in other
 * places: what a table is says its mark PG_FORKED, not the area.
 *
 * Accounts: the pages count in mm->rss of each user, by the table's numbers of pages; the table
 * itself in none's pt_pages.
 *
 * What is worth it: areas of min_bytes and more, tables whose copy costs min_cost. No ability of
 * the MMU is needed: since nobody changes a table that several have, nobody ever looks for what
 * hardware has of it in another address space. So the hash MMU, which has such translations under
 * each address space's own names, shares too.
 *
 * Locks: PT of the table guards its count. Links change with mmap_lock held for writing and the
 * area write-locked; vmas_lock, above. Invariants: I1 pt_shared is the number of links, those not
 * yet flushed included; I2 nobody may write through one; I3 an anonymous page in one has no pin; I4
 * its span lies in one area of each user. Checked by pt_check, pt_share_check,
 * models/fork_share.pml, fork_cut.pml, tests/user/share_fork_test.c, share_fork_file_test.c. Read
 * next: pt_unshare.c.
 */
#include <asm/errno.h>
#include <kernel/param.h>
#include <kernel/string.h>
#include "pt_share_internal.h"
#include "vma_internal.h"

/* Below, a copy at once costs less than a fault that comes later to do it. docs/DECISIONS.md. */
static size_t min_bytes __ro_after_init = MIB(8);
static unsigned int min_cost __ro_after_init = 128;
static bool enabled __ro_after_init = true;

static void set_enabled(const char *value)
{
    enabled = strcmp(value, "off") != 0;
    if (strcmp(value, "all") == 0)
        min_bytes = min_cost = 1;
}
KPARAM("fork_share", set_enabled,
       "off: fork copies all page tables of private memory; all: shares also what is not worth it");

static vaddr_t span(void)
{
    return pt_size(1);
}

/* What a copy of the table costs, in entries that are in use: an empty one is about an eighth. */
static unsigned int copy_cost(const struct page *table)
{
    return table->pt_used + pt_entries(0) / 8;
}

/* ---- fork ---- */

bool pt_fork_possible(void)
{
    return enabled;
}

static bool may_share(const struct vma *v)
{
    return pt_fork_possible() && !(v->mm->share_off & PT_SHARE_FORK) &&
           !(v->flags & (VM_LOCKED | VM_NOSHAREPT | VM_USERFAULT));
}

static void count_pages(struct pt_share *d, const struct vma *v)
{
    const pte_t *base = page_to_virt(d->table);
    unsigned int zeroes = 0, file = 0;

    d->nr_anon = d->table->pt_used;
    d->nr_file = 0;
    if (likely(v->mapping == NULL && !page_test(d->table, PG_HAD_ZEROES)))
        return;
    for (unsigned int i = 0; i < pt_entries(0); i++) {
        pte_t e = pte_load(base + i);

        if (!pte_is_leaf(e, 0))
            continue;
        zeroes += pte_page(e, 0) == zero_page;
        file += pte_page(e, 0)->kind == PAGE_FILE;
    }
    if (zeroes == 0)
        page_clear(d->table, PG_HAD_ZEROES);
    d->nr_anon -= zeroes + file;
    d->nr_file = file;
}

/* @d, of @table, is complete. */
static bool make_shared(struct pt_share *d, struct vma *v, struct page *parent, pte_t *slot)
{
    struct page *table = d->table;

    if (unlikely(!fork_share_close(table, parent, slot)))
        return false;
    ASSERT(table->pt_mm == v->mm && table->level == 0);
    count_pages(d, v);
    page_set(table, PG_FORKED);
    table->spare = (u64)(unsigned long)d;
    table->pt_mm = NULL;
    WRITE_ONCE(table->pt_shared, 1);
    return true;
}

/* The parent's own table becomes one with a single link. False: it is to be copied. A file's areas
 * get such tables only while nobody looks for them. */
static bool share_table(struct vma *v, struct page *table, struct page *parent, pte_t *slot)
{
    struct mapping *m = v->mapping;
    struct pt_share *d;
    bool done;

    if (page_test(table, PG_HAD_PINS))
        return false;
    d = share_alloc_empty();
    if (d == NULL)
        return false;
    d->table = table;
    WRITE_ONCE(v->has_shared, true); /* who changes the area looks for links then */
    if (m != NULL)
        rwsem_write_lock(&m->vmas_lock);
    done = (m == NULL || atomic_read(&m->nr_cuts) == 0) && make_shared(d, v, parent, slot);
    if (m != NULL)
        rwsem_write_unlock(&m->vmas_lock);
    if (!done) {
        share_free(d);
        return false;
    }
    atomic_long_add(&v->mm->pt_pages, -(1L << pt_table_order(0)));
    atomic_long_add(&v->mm->nr_shared, 1);
    return true;
}

/* The child's link. */
static void add_link(struct pt_fork *f, struct page *table, struct page *parent, pte_t *slot)
{
    pt_lock(table);
    ASSERT(table->pt_shared != 0);
    WRITE_ONCE(table->pt_shared, table->pt_shared + 1);
    pt_unlock(table);
    pt_lock(parent);
    ASSERT(pte_is_none(pte_load(slot)));
    pte_store(slot, pte_make_table(page_to_phys(table), FORK_LINK_PROT));
    parent->pt_used++;
    pt_unlock(parent);
    f->nr++;
    f->anon += share_of(table)->nr_anon;
    f->file += share_of(table)->nr_file;
}

int pt_fork_begin(struct pt_fork *f, struct mm *dst, struct vma *dst_vma, struct vma *src)
{
    *f = (struct pt_fork){.dst = dst, .src = src, .dst_vma = dst_vma};
    ASSERT(!(src->flags & VM_SHARED));
    if (src->mapping != NULL && atomic_read(&src->mapping->nr_cuts) != 0) /* it comes to an end */
        return pt_fork_leave(src, src->start, src->end);
    f->more = src->end - src->start >= min_bytes && may_share(src);
    return 0;
}

int pt_fork_table(struct pt_fork *f, vaddr_t va, struct page *table, struct page *parent,
                  pte_t *slot)
{
    struct page *dst_parent;
    unsigned int level;
    pte_t *dst;

    ASSERT(IS_ALIGNED(va, span()) && f->src->end - va >= span());
    ASSERT(!pt_is_shared(table) || pt_is_forked(table));
    if (!pt_is_shared(table) && (!f->more || copy_cost(table) < min_cost))
        return 0;
    dst = pt_get_slot(f->dst, va, 1, &dst_parent, &level);
    if (dst == NULL)
        return -ENOMEM;
    ASSERT(level == 1);
    if (!pt_is_shared(table) && !share_table(f->src, table, parent, slot))
        return 0;
    ASSERT(f->src->has_shared);
    if (f->nr == 0)
        WRITE_ONCE(f->dst_vma->has_shared, true);
    add_link(f, table, dst_parent, dst);
    return 1;
}

void pt_fork_end(const struct pt_fork *f)
{
    if (f->nr == 0)
        return;
    atomic_long_add(&f->dst->nr_shared, (long)f->nr);
    atomic_long_add(&f->dst->rss[MM_ANON], (long)f->anon);
    if (f->file != 0)
        atomic_long_add(&f->dst->rss[vma_file_counter(f->src)], (long)f->file);
    vmstat_add(VMSTAT_pt_fork_share, f->nr);
}

/* ---- leaving ---- */

/* As share_find_link, but passes over tables of objects. */
static bool find_forked(struct mm *mm, vaddr_t *va, vaddr_t end, struct share_link *l)
{
    while (share_find_link(mm, va, end, l)) {
        if (pt_is_forked(l->table))
            return true;
        *va = pt_next(*va, end, l->parent->level);
    }
    return false;
}

bool pt_fork_has_links(const struct vma *v, vaddr_t start, vaddr_t end)
{
    struct share_link l;

    return READ_ONCE(v->has_shared) && find_forked(v->mm, &start, end, &l);
}

/* Pages of @table, which nobody can reach any more, go to the batch. */
static void empty(struct tlb_gather *batch, struct page *table)
{
    pte_t *base = page_to_virt(table);

    for (unsigned int i = 0; i < pt_entries(0) && table->pt_used != 0; i++) {
        pte_t e = pte_load(base + i);

        if (pte_is_none(e))
            continue;
        pte_store(base + i, pte_none());
        table->pt_used--;
        if (!pte_is_leaf(e, 0) || pte_page(e, 0) == zero_page)
            continue;
        if (share_drop_page(batch, e, 0))
            tlb_gather_flush(batch);
    }
}

void fork_share_put(struct tlb_gather *batch, struct pt_share *d)
{
    struct page *table = d->table;
    bool last;

    pt_lock(table);
    last = table->pt_shared == 1;
    if (!last)
        WRITE_ONCE(table->pt_shared, table->pt_shared - 1);
    pt_unlock(table);
    if (!last)
        return;
    empty(batch, table);
    mmu_forget(table);
    page_clear(table, PG_FORKED);
    table->pt_shared = 0;
    pt_table_free_shared(table);
    share_free(d);
}

bool fork_share_adopt(const struct share_link *l)
{
    struct page *table = l->table;
    struct pt_share *d = share_of(table);
    bool sole;

    pt_lock(table);
    sole = table->pt_shared == 1;
    if (sole) {
        table->pt_mm = l->mm;
        table->spare = 0;
        WRITE_ONCE(table->pt_shared, 0);
        page_clear(table, PG_FORKED);
    }
    pt_unlock(table);
    if (!sole)
        return false;
    atomic_long_add(&l->mm->pt_pages, 1L << pt_table_order(0));
    atomic_long_add(&l->mm->nr_shared, -1);
    fork_share_open(table, l->parent, l->slot);
    share_free(d);
    vmstat_inc(VMSTAT_pt_fork_adopt);
    return true;
}

/*
 * A table of @v's own takes the place of the one that others use, too. 0 or -ENOMEM.
 *
 * Hardware with a cache of its own for translations, not of tables, may keep them: they lead to the
 * same frames and do not allow writing, and what changes later is flushed then. A flush of one page
 * makes the round that walkers without a lock are waited by. Not so if pages of the old table have
 * moved since the copy began: what was walked before the new link is of their new frames.
 */
static int replace_table(struct tlb_gather *t, struct vma *v, const struct share_link *l)
{
    struct page *own = pt_table_alloc(v->mm, 0, GFP_KERNEL);
    struct pt_share *d = share_of(l->table);
    u32 moves = READ_ONCE(d->moves);
    struct tlb_gather batch;
    bool new_pages, moved;
    size_t differ;
    int err;

    if (own == NULL)
        return -ENOMEM;
    err = pt_default_copy_shared(v, l->va, l->table, own, &new_pages);
    if (unlikely(err)) {
        tlb_gather_begin_batch(&batch);
        empty(&batch, own);
        tlb_gather_end(&batch);
        pt_table_free(own);
        return err;
    }
    ASSERT(own->pt_used == l->table->pt_used);
    WRITE_ONCE(d->copied, true);
    pt_lock(l->parent);
    pte_store(l->slot, pte_make_table(page_to_phys(own), PT_RWXU));
    pt_unlock(l->parent);
    pt_lock(l->table); /* a move that comes behind this waits for all walks through the old link */
    moved = d->moves != moves;
    pt_unlock(l->table);
    differ = mmu_has(MMU_WALKS_TREE) || unlikely(new_pages || moved) ? span() : PAGE_SIZE;
    tlb_gather_range(t, l->va, l->va + differ, 0);
    tlb_gather_link(t, l->table);
    vmstat_inc(VMSTAT_pt_fork_break);
    return 0;
}

int pt_fork_leave_links(struct vma *v, vaddr_t start, vaddr_t end)
{
    struct tlb_gather t;
    struct share_link l;
    int err = 0;

    ASSERT(start >= v->start && end <= v->end);
    if (v->flags & VM_SHARED)
        return 0;
    vma_write_lock(v);
    tlb_gather_begin(&t, v->mm, false);
    while (err == 0 && find_forked(v->mm, &start, end, &l)) {
        bool copied = share_of(l.table)->copied;

        if (!fork_share_adopt(&l))
            err = replace_table(&t, v, &l);
        else if (!copied)
            fork_share_give_back(v, l.table);
    }
    tlb_gather_end(&t);
    return err;
}

void pt_fork_adopt(struct vma *v, vaddr_t start, vaddr_t end)
{
    struct share_link l;

    if (likely(!READ_ONCE(v->has_shared)))
        return;
    vma_write_lock(v);
    while (find_forked(v->mm, &start, end, &l)) {
        (void)fork_share_adopt(&l);
        start = pt_next(start, end, 1);
    }
}

bool pt_fork_is_sole_user(const struct page *table, const struct mm *mm)
{
    ASSERT(pt_is_shared(table) ? share_is_forked(share_of(table)) : table->pt_mm == mm);
    return !pt_is_shared(table) || READ_ONCE(table->pt_shared) == 1;
}

void pt_fork_note_move(struct page *table)
{
    lock_assert_held(&table->ptl);
    share_of(table)->moves++;
}

void pt_fork_lost_pages(struct page *table, unsigned long nr)
{
    if (unlikely(pt_is_shared(table)))
        share_of(table)->nr_anon -= (u32)nr;
}

bool pt_fork_is_at(const struct vma *v, vaddr_t va)
{
    return pt_fork_has_links(v, va, (va & PAGE_MASK) + PAGE_SIZE);
}

/* ---- the reverse map ---- */

/* Walks at the same time may take each other's mark away, and then visit a table twice: those who
 * visit look at the entry, under the table's lock, and the check of counts runs alone. */
bool pt_fork_first_visit(struct page *table, u32 *walk)
{
    static u32 walks;
    struct pt_share *d = share_of(table);

    if (!share_is_forked(d))
        return true;
    if (*walk == 0)
        *walk = __atomic_add_fetch(&walks, 1, __ATOMIC_RELAXED);
    if (d->walk == *walk)
        return false;
    d->walk = *walk;
    return true;
}
