/* SPDX-License-Identifier: MIT */
/*
 * pt_share.c: page tables that an object owns: found, made, linked, given up.
 *
 * A fault that misses a table asks here. Where the area may share the span, the table is looked up
 * in the object's index, by what its entries map: one step, whatever the number of processes; no
 * other process' areas are looked at. Below a table of an object hang tables of the object only.
 *
 * An area may share a span when its row says so (an object; shared, or read-only and never
 * written), it is not locked in memory, and it has the span for itself: it covers it, or is the
 * only area in it and covers a part worth while; then the part belongs to the table's name, since a
 * user must not reach through the table what he has not mapped.
 *
 * The hash MMU knows a level-1 table by a name, and by it what is below; so there an object, which
 * changes its tables while they have several links, has them at level 1 only (MMU_LINK_ANY).
 *
 * Locks: share_lock of the object, PT inside. Invariants: I1 pt_shared of a table is the number of
 * links to it, those cleared but not yet flushed included; I2 a table in the index has links; I3 a
 * table of an object maps only that object's pages, page first + n at byte n of the span; I4
 * mm->nr_shared is the number of links from tables of @mm, likewise. Checked by pt_share_check,
 * pt_check, tests/kernel/mm/share_ktest.c. Read next: pt_unshare.c.
 */
#include <kernel/param.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include "pt_share_internal.h"

bool pt_share_enabled __ro_after_init = true;
static struct kmem_cache *cache;
static atomic_t nr_tables;

static void set_enabled(const char *value)
{
    pt_share_enabled = strcmp(value, "off") != 0;
}
KPARAM("shared_pt", set_enabled, "off: processes do not share page tables of objects");

void pt_share_init(void)
{
    cache = kmem_cache_create("pt_share", sizeof(struct pt_share), 0, NULL);
    if (cache == NULL)
        panic("no memory for the cache of shared page tables");
}

unsigned int pt_share_possible(void)
{
    return (pt_share_enabled ? PT_SHARE_OBJECTS : 0) | (pt_fork_possible() ? PT_SHARE_FORK : 0);
}

unsigned int share_nr_tables(void)
{
    return (unsigned int)atomic_read(&nr_tables);
}

/* ---- the index ---- */

static u64 span_pages(unsigned int level)
{
    return pt_size(level + 1) >> PAGE_SHIFT;
}

/* Of the first page, or a page before the object's, by spans; never below 0. */
static u64 index_of(const struct share_key *k)
{
    return (k->first + span_pages(k->level)) >> (pt_shift(k->level + 1) - PAGE_SHIFT);
}

static bool same_key(const struct share_key *a, const struct share_key *b)
{
    return a->first == b->first && a->from == b->from && a->to == b->to && a->prot == b->prot;
}

static struct pt_share *index_find(struct mapping *m, const struct share_key *k)
{
    struct pt_share *d = radix_lookup(&m->shares[k->level], index_of(k));

    while (d != NULL && !same_key(&d->key, k))
        d = d->next;
    return d;
}

/* 0, or -EAGAIN: @spare holds too few nodes. */
static int index_insert(struct pt_share *d, struct radix_spare *spare)
{
    struct radix_tree *tree = &d->object->shares[d->key.level];
    u64 index = index_of(&d->key);
    struct pt_share *head = radix_lookup(tree, index);

    if (head == NULL)
        return radix_insert(tree, index, d, spare);
    d->next = head->next;
    head->next = d;
    return 0;
}

void share_index_remove(struct pt_share *d)
{
    struct radix_tree *tree = &d->object->shares[d->key.level];
    u64 index = index_of(&d->key);
    struct pt_share *head = radix_lookup(tree, index);

    if (head != d) {
        while (head->next != d)
            head = head->next;
        head->next = d->next;
    } else if (d->next != NULL) {
        (void)radix_replace(tree, index, d->next);
    } else {
        (void)radix_remove(tree, index);
    }
}

void share_for_each(struct mapping *m, unsigned int level, u64 first, u64 last,
                    void (*fn)(struct pt_share *d, void *arg), void *arg)
{
    unsigned int shift = pt_shift(level + 1) - PAGE_SHIFT;
    u64 span = span_pages(level), index = first >> shift, idx;
    u64 beyond = last > ~0ULL - 2 * span ? ~0ULL : last + span; /* as ends are compared */
    u64 end = ((beyond - 1) >> shift) + 1;
    void *item;

    while (radix_lookup_batch(&m->shares[level], &index, end, &item, &idx, 1) != 0)
        for (struct pt_share *d = item; d != NULL; d = d->next)
            if (d->key.first + span > first && d->key.first + span < beyond)
                fn(d, arg);
}

/* ---- tables ---- */

struct pt_share *share_alloc_empty(void)
{
    struct pt_share *d = kmem_cache_alloc(cache, GFP_KERNEL);

    if (d == NULL)
        return NULL;
    *d = (struct pt_share){.object = NULL};
    atomic_inc(&nr_tables);
    vmstat_inc(VMSTAT_pt_share_alloc);
    return d;
}

static struct pt_share *share_alloc(struct mapping *m, const struct share_key *k)
{
    struct pt_share *d = share_alloc_empty();

    if (d == NULL)
        return NULL;
    d->table = pt_table_alloc_shared(k->level, GFP_KERNEL);
    if (d->table == NULL) {
        share_free(d);
        return NULL;
    }
    d->table->spare = (u64)(unsigned long)d;
    d->key = *k;
    d->object = m;
    return d;
}

void share_free(struct pt_share *d)
{
    atomic_dec(&nr_tables);
    vmstat_inc(VMSTAT_pt_share_free);
    kmem_cache_free(cache, d);
}

/* Until now whoever reads a link without a lock has found that its table is shared. */
static void free_rcu(struct rcu_head *head)
{
    struct pt_share *d = container_of(head, struct pt_share, rcu);

    d->table->pt_shared = 0;
    pt_table_free_shared(d->table);
    share_free(d);
}

/* Nobody can reach the table any more. */
static void destroy(struct tlb_gather *batch, struct pt_share *d)
{
    struct page *table = d->table;
    unsigned int level = d->key.level;
    pte_t *base = page_to_virt(table);

    for (unsigned int i = 0; i < pt_entries(level) && table->pt_used != 0; i++) {
        pte_t e = pte_load(base + i);

        if (pte_is_none(e))
            continue;
        pte_store(base + i, pte_none());
        table->pt_used--;
        if (pte_is_table(e, level))
            share_put(batch, pt_table_page(pt_link_table(e, level)));
        else if (share_drop_page(batch, e, level))
            tlb_gather_flush(batch);
    }
    mmu_forget(table);
    call_rcu(&d->rcu, free_rcu);
}

void share_put(struct tlb_gather *batch, struct page *table)
{
    struct pt_share *d = share_of(table);
    struct mapping *m = d->object;
    bool last;

    if (share_is_forked(d)) {
        fork_share_put(batch, d);
        return;
    }
    spin_lock(&m->share_lock);
    last = table->pt_shared == 1;
    if (!last)
        WRITE_ONCE(table->pt_shared, table->pt_shared - 1);
    else if (d->indexed)
        share_index_remove(d);
    spin_unlock(&m->share_lock);
    if (last)
        destroy(batch, d);
}

void pt_share_put_links(struct mm *mm, struct page **tables, unsigned int n)
{
    struct tlb_gather batch;

    tlb_gather_begin_batch(&batch);
    for (unsigned int i = 0; i < n; i++)
        if (pt_is_shared(tables[i]))
            share_put(&batch, tables[i]);
        else
            pt_space_put_link(tables[i]);
    tlb_gather_end(&batch);
    atomic_long_add(&mm->nr_shared, -(long)n);
}

/* ---- links ---- */

/* Where a link is wanted. */
struct place {
    struct mm *mm; /* NULL: the parent belongs to the object */
    struct page *parent;
    pte_t *slot;
    pt_prot_t prot;
};

/* share_lock held. */
static void hang(const struct place *at, struct pt_share *d)
{
    struct page *table = d->table;

    pt_lock(at->parent);
    if (pte_is_none(pte_load(at->slot))) {
        WRITE_ONCE(table->pt_shared, table->pt_shared + 1);
        if (at->mm != NULL)
            atomic_long_add(&at->mm->nr_shared, 1);
        pte_store(at->slot, pte_make_table(page_to_phys(table), at->prot));
        at->parent->pt_used++;
        vmstat_inc(VMSTAT_pt_share_link);
    }
    pt_unlock(at->parent);
}

/* Puts the table of @k into the empty slot, unless somebody else fills that. 0 or -ENOMEM. */
static int link_table(struct mapping *m, const struct share_key *k, const struct place *at,
                      bool indexed)
{
    struct radix_spare spare = {NULL, 0};
    struct pt_share *new = NULL, *d;
    int err = 0;

    for (;;) {
        spin_lock(&m->share_lock);
        d = indexed ? index_find(m, k) : NULL;
        if (d == NULL && new != NULL) {
            new->indexed = indexed;
            err = indexed ? index_insert(new, &spare) : 0;
            if (err == 0)
                d = new;
        }
        if (d != NULL)
            break;
        spin_unlock(&m->share_lock);
        if (new == NULL)
            new = share_alloc(m, k);
        else
            err = radix_prepare(&m->shares[k->level], index_of(k), &spare, GFP_KERNEL);
        if (new == NULL || err == -ENOMEM)
            goto out;
    }
    hang(at, d);
    if (d == new && d->table->pt_shared != 0)
        new = NULL;
    else if (d == new &&indexed)
        share_index_remove(d);
    spin_unlock(&m->share_lock);
    err = 0;
out:
    if (new == NULL)
        err = d == NULL ? -ENOMEM : err;
    if (new != NULL) {
        pt_table_free_shared(new->table);
        share_free(new);
    }
    if (spare.nr != 0)
        radix_spare_free(&spare);
    return err;
}

/* ---- which spans ---- */

static bool level_can_share(unsigned int level)
{
    _Static_assert(ARRAY_SIZE(((struct mapping *)0)->shares) == PT_SHARE_LEVELS, "an index each");
    return level == 1 || (level == 0 && mmu_has(MMU_LINK_ANY));
}

static bool may_share(const struct vma *v)
{
    return pt_share_enabled && !(v->mm->share_off & PT_SHARE_OBJECTS) &&
           !(v->flags & (VM_LOCKED | VM_NOSHAREPT)) && vma_prot(v) != 0 && vma_ops(v)->may_share(v);
}

/* A part of a span that is less than this part of it is not worth while. */
#define PART 16

/* No other area reaches into [base, last]. Who makes one that does waits for us in pt_share_claim
 * and then undoes what we do now; areas' memory stays under RCU. */
static bool is_alone(const struct vma *v, vaddr_t base, vaddr_t last)
{
    const struct vma *prev, *next;
    bool alone;

    rcu_read_lock();
    prev = READ_ONCE(v->prev);
    next = READ_ONCE(v->next);
    alone = (prev == NULL || READ_ONCE(prev->end) <= base) &&
            (next == NULL || READ_ONCE(next->start) > last);
    rcu_read_unlock();
    return alone;
}

/* The key of the span around @va; false: the area, which is stable, cannot share it. */
static bool span_key(const struct vma *v, vaddr_t va, unsigned int level, struct share_key *k)
{
    vaddr_t size = pt_size(level + 1), base = ALIGN_DOWN(va, size), last = base + (size - 1);
    vaddr_t from = max(v->start, base), end = min(v->end - 1, last) + 1;

    if (end - from != size &&
        (level != share_smallest_level(v) || end - from < size / PART || !is_alone(v, base, last)))
        return false;
    k->first = v->pgoff + ((from - v->start) >> PAGE_SHIFT) - ((from - base) >> PAGE_SHIFT);
    k->from = from - base;
    k->to = end - base;
    k->prot = links_carry_prot() ? 0 : vma_prot(v);
    k->level = level;
    return true;
}

/* The part of the parent's span that the child around @va covers. */
static void child_key(const struct share_key *parent, vaddr_t va, struct share_key *k)
{
    u64 size = pt_size(parent->level), at = ALIGN_DOWN(va & (pt_size(parent->level + 1) - 1), size);

    *k = *parent;
    k->level = parent->level - 1;
    k->first += at >> PAGE_SHIFT;
    k->from = max(parent->from, at) - at;
    k->to = min(parent->to, at + size) - at;
}

/* A table for the empty @slot of @parent, ours or somebody else's. 0 or -ENOMEM. */
static int fill(struct vma *v, vaddr_t va, struct page *parent, pte_t *slot)
{
    struct place at = {.parent = parent, .slot = slot, .prot = PT_RWXU};
    unsigned int level = parent->level - 1u;
    struct share_key k;

    if (pt_is_shared(parent)) {
        child_key(&share_of(parent)->key, va, &k);
        return link_table(v->mapping, &k, &at, level_can_share(level));
    }
    if (level_can_share(level) && span_key(v, va, level, &k)) {
        WRITE_ONCE(v->has_shared, true); /* who changes the area looks for links then */
        at.mm = v->mm;
        at.prot = vma_prot(v) | PT_R | PT_U;
        if (link_table(v->mapping, &k, &at, true) == 0)
            return 0;
    }
    return pt_fill_slot(v->mm, parent, slot) ? 0 : -ENOMEM;
}

pte_t *pt_share_get_slot(struct vma *v, vaddr_t va, unsigned int level, struct page **table,
                         unsigned int *level_found)
{
    struct mm *mm = v->mm;
    bool share = may_share(v);

    for (;;) {
        pte_t *slot = pt_find_slot(mm, va, level, table, level_found);

        if (slot == NULL)
            slot = (pte_t *)page_to_virt(*table) + pt_index(va, *level_found);
        if (*level_found == level)
            return slot;
        if (!pte_is_none(pte_load(slot))) {
            if (pte_is_table(pte_load(slot), *level_found))
                continue; /* made meanwhile */
            return slot;
        }
        if (!share && !pt_is_shared(*table))
            return pt_get_slot(mm, va, level, table, level_found);
        if (fill(v, va, *table, slot) != 0)
            return NULL;
    }
}

/* The hash MMU's spans are so large that mappings of a quarter shall have one for themselves: also
 * what is left of the last one is searched for, so that no neighbour is in it from the start. */
void pt_share_place(size_t len, u64 pgoff, vaddr_t *align_mask, size_t *room)
{
    bool any = mmu_has(MMU_LINK_ANY);

    for (unsigned int level = 0; level < PT_SHARE_LEVELS && pt_share_enabled; level++) {
        vaddr_t span = pt_size(level + 1);

        if (!level_can_share(level) || !IS_ALIGNED(pgoff << PAGE_SHIFT, span) ||
            len < (any ? span : span / 4))
            continue;
        *align_mask |= span - 1;
        if (!any)
            *room = ALIGN_UP(len, span);
    }
}

pt_prot_t pt_share_leaf_prot(const struct vma *v, const struct page *table)
{
    return links_carry_prot() && !pt_is_forked(table) ? PT_RWXU : vma_prot(v);
}
