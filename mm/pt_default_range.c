/* SPDX-License-Identifier: MIT */
/*
 * pt_default_range.c: row PT_DEFAULT: removing and re-protecting the translations of a range.
 *
 * The two loops are the hottest of mm/: they take a table's lock once, touch each entry once, and
 * count in registers. They do not flush: the gather does, once, before any page that was mapped is
 * reused.
 *
 * Locks: PT, one table at a time. The caller holds what keeps the VMA (mmap_lock, or the mapping's
 * vmas_lock for truncation).
 * Invariants: I1 a present entry leaves the table by an exchange, so that the hardware's last dirty
 * bit is not lost; I2 a page is queued only after its entry is gone; I3 an entry whose permissions
 * shrink is in the gather's range.
 * Checked by tests/kernel/mm/tlb_ktest.c, fault_ktest.c. Read next: pt_default_fork.c.
 */
#include "pt_internal.h"
#include "thp_internal.h"

struct zap {
    struct tlb_gather *tlb;
    vaddr_t first;         /* address of entry 0 of the run */
    /* Leaves among entries [from, to) are gone, and not in the gather's range yet. */
    unsigned int from, to;
    unsigned long anon, file; /* base pages */
};

static void zap_note_range(struct zap *z, unsigned int level)
{
    if (z->from < z->to)
        tlb_gather_range(z->tlb, z->first + z->from * pt_size(level),
                         z->first + z->to * pt_size(level), level);
    z->from = ~0u;
    z->to = 0;
}

/* The page behind the leaf @e, which is no longer in its table. True when the batch is full. */
static inline bool zap_page(struct zap *z, pte_t e, unsigned int level, pfn_t zero)
{
    pfn_t pfn = pte_paddr(e, level) >> PAGE_SHIFT;
    struct page *p = pfn_to_page(pfn);

    if (pfn == zero)
        return false;
    ASSERT(page_refs(p) > 0 && page_mapcount(p) > 0);
    if (likely(p->kind == PAGE_ANON)) {
        z->anon += pt_leaf_pages(level);
    } else {
        z->file += pt_leaf_pages(level);
        if ((pte_state(e) & PT_DIRTY) && !page_test(p, PG_DIRTY))
            page_set(p, PG_DIRTY);
    }
    page_map_dec(p);
    return tlb_gather_page(z->tlb, p);
}

/* A private copy of an object's page, which hole punching leaves alone. */
static bool is_private_copy(pte_t e, unsigned int level)
{
    return pte_is_leaf(e, level) && pte_page(e, level)->kind == PAGE_ANON;
}

static void zap_entries(struct zap *z, const struct pt_run *r)
{
    const unsigned int level = 0;
    const bool full_mm = z->tlb->full_mm, keep_private = z->tlb->keep_private;
    pfn_t zero = page_to_pfn(zero_page);
    unsigned int removed = 0, used = r->table->pt_used;

    lock_assert_held(&r->table->ptl);
    ASSERT(r->table->pt_mm == z->tlb->mm); /* not an object's: the cursor passes over those */
    z->first = ALIGN_DOWN(r->va, pt_size(level));
    z->from = ~0u;
    z->to = 0;
    for (unsigned int i = 0; i < r->nr && removed < used; i++) {
        pte_t *slot = r->slot + i;
        pte_t e = pte_load(slot);

        if (pte_is_none(e) || (unlikely(keep_private) && is_private_copy(e, level)))
            continue;
        if (full_mm)
            pte_store(slot, pte_none());
        else
            e = pte_xchg(slot, pte_none());
        removed++;
        if (!pte_is_leaf(e, level))
            continue;
        z->from = min(z->from, i);
        z->to = i + 1;
        if (unlikely(zap_page(z, e, level, zero))) {
            zap_note_range(z, level);
            tlb_gather_flush(z->tlb);
        }
    }
    zap_note_range(z, level);
    ASSERT(removed <= used);
    r->table->pt_used = used - removed;
}

void pt_default_zap(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end)
{
    struct zap z = { .tlb = tlb };
    struct pt_cursor c;
    struct pt_run r;

    ASSERT(tlb->mm == v->mm && start >= v->start && end <= v->end);
    pt_cursor_begin(&c, v->mm, start, end, true);
    c.own = true;
    while (pt_cursor_next_table(&c, &r)) {
        if (likely(r.level == 0))
            zap_entries(&z, &r);
        else
            thp_zap(tlb, &c, &r);
    }
    tlb->rss[MM_ANON] -= (long)z.anon;
    tlb->rss[vma_file_counter(v)] -= (long)z.file;
}

struct protect {
    struct tlb_gather *tlb;
    pt_prot_t prot;    /* without PT_W */
    bool write, shared;
};

/* The leaf *@e at @slot gets the permissions @prot, whatever the hardware does to its state
 * meanwhile. Returns the bits that changed. */
static inline u64 set_prot(pte_t *slot, pte_t *e, unsigned int level, pt_prot_t prot)
{
    pte_t new;

    do {
        new = pte_with_prot(*e, level, prot);
        if (new.v == e->v)
            return 0;
    } while (!pte_cmpxchg(slot, e, new));
    return new.v ^ e->v;
}

/*
 * @level and @write are constants where it matters. Neighbours mostly change alike, and then from
 * the same to the same: whether permissions shrank is decoded once for each kind of change.
 */
static __always_inline void protect_entries(const struct protect *c, const struct pt_run *r,
                                            const unsigned int level, const bool write)
{
    const pt_prot_t ro = c->prot, prot = write ? ro | PT_W : ro;
    pte_t *first = NULL, *last = NULL; /* what the gather's range must cover */
    unsigned int left = r->table->pt_used;
    u64 known = 0;

    ASSERT(!pt_is_shared(r->table)); /* its entries are not this address space's to change */
    for (pte_t *slot = r->slot, *end = slot + r->nr; slot < end && left != 0; slot++) {
        pte_t e = pte_load(slot);
        u64 change;

        if (pte_is_none(e))
            continue;
        left--;
        if (!pte_is_leaf(e, level))
            continue;
        if (write && !pt_may_write_at_once(e, level, c->shared)) {
            if (set_prot(slot, &e, level, ro) != 0 && (pte_prot(e, level) & ~ro)) {
                first = first ? first : slot;
                last = slot;
            }
            continue;
        }
        change = set_prot(slot, &e, level, prot);
        if (change == 0)
            continue;
        last = slot;
        if (likely(change == known))
            continue;
        known = change;
        if (first == NULL && (pte_prot(e, level) & ~prot))
            first = slot;
    }
    if (first != NULL) {
        vaddr_t base = ALIGN_DOWN(r->va, pt_size(level));

        tlb_gather_range(c->tlb, base + (vaddr_t)(first - r->slot) * pt_size(level),
                         base + (vaddr_t)(last + 1 - r->slot) * pt_size(level), level);
    }
}

static void protect_run(const struct protect *c, const struct pt_run *r)
{
    if (unlikely(r->level != 0))
        protect_entries(c, r, r->level, c->write);
    else if (c->write)
        protect_entries(c, r, 0, true);
    else
        protect_entries(c, r, 0, false);
}

void pt_default_protect(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end)
{
    struct protect p = { .tlb = tlb,
                         .prot = vma_prot_ro(v),
                         .write = (v->flags & VM_WRITE) != 0,
                         .shared = (v->flags & VM_SHARED) != 0 };
    struct pt_cursor c;
    struct pt_run r;

    ASSERT(tlb->mm == v->mm && start >= v->start && end <= v->end);
    pt_share_protect(tlb, v, start, end);
    pt_cursor_begin(&c, v->mm, start, end, true);
    c.own = true;
    while (pt_cursor_next_table(&c, &r))
        if (likely(r.level == 0) || (!thp_cut_run(&c, &r, tlb) && !thp_wait_run(&c, &r)))
            protect_run(&p, &r);
}
