/* SPDX-License-Identifier: MIT */
/*
 * collapse.c: small pages of one huge page's span become a huge page again: in place when they
 * still are one aligned frame, else by copying.
 *
 * In place nothing is copied and nobody has to let go: each page's word trades its leaf's reference
 * for PAGE_TAIL in one atomic step, so pins may be outstanding, and may be given back meanwhile.
 * Copying needs pages that nobody has pinned. What can fail comes before the first visible change.
 * The table of the small entries becomes the one that waits for the next split; its entries are
 * taken out one by one, so that a lockless reader which still looks at it finds them gone.
 *
 * Locks: mmap_lock for writing and the area's lock: no fault, fork, zap or pin by a walk is at work
 * in the span, so the link may be empty while pages are copied. PT of the link's table around each
 * change of it. A lockless pin is drained by looking at the counts behind the flush.
 * Invariants: those of huge.h; I1 a span is collapsed only when its area wants huge pages.
 * Checked by tests/kernel/mm/collapse_ktest.c, models/split.pml (PROMOTE). Read next: khugepaged.c.
 */
#include "pt_internal.h"
#include "thp_internal.h"
#include "thp_knobs.h"

struct span {
    struct vma *v;
    vaddr_t va;
    struct page *parent, *table;
    pte_t *link, *entries;
    unsigned int none, shared; /* entries that map nothing or zeroes; pages that others map, too */
    bool pinned;               /* somebody holds a page otherwise than by a leaf */
    bool in_place;             /* all are one frame, this address space's own */
    pt_prot_t prot;            /* what all entries allow */
    unsigned int state;        /* PT_YOUNG, PT_DIRTY of any */
};

static unsigned int nr_entries(void)
{
    return pt_entries(HUGE_LEVEL - 1);
}

/* Finds link and table. COLLAPSE_OK: they are there. */
static enum collapse find_table(struct mm *mm, struct span *s)
{
    unsigned int level;
    pte_t e;

    ASSERT(rwsem_is_write_locked(&mm->mmap_lock));
    s->link = pt_find_slot(mm, s->va, HUGE_LEVEL, &s->parent, &level);
    if (s->link == NULL || level != HUGE_LEVEL)
        return COLLAPSE_NO;
    e = pte_load(s->link);
    if (pte_is_leaf(e, HUGE_LEVEL))
        return pte_page(e, HUGE_LEVEL)->kind == PAGE_ANON ? COLLAPSE_IS_HUGE : COLLAPSE_NO;
    if (!pte_is_table(e, HUGE_LEVEL))
        return COLLAPSE_NO;
    s->entries = pt_link_table(e, HUGE_LEVEL);
    s->table = pt_table_page(s->entries);
    ASSERT(s->parent->pt_mm == mm);
    ASSERT(s->table->pt_mm == mm || pt_is_forked(s->table)); /* anonymous: no object's */
    ASSERT(s->table->level == HUGE_LEVEL - 1);
    return COLLAPSE_OK;
}

/* Index of the first page in its object. */
static u64 span_index(const struct span *s)
{
    return s->v->pgoff + ((s->va - s->v->start) >> PAGE_SHIFT);
}

/* May this address space write @p in place? */
static bool is_own(const struct page *p)
{
    return page_mapcount(p) == 1 && (page_test(p, PG_EXCLUSIVE) || page_refs(p) == 1);
}

/* Looks at one entry; false: such a span cannot be collapsed. */
static bool survey_entry(struct span *s, unsigned int i, pfn_t *first)
{
    pte_t e = pte_load(s->entries + i);
    struct page *p;

    if (pte_is_none(e)) {
        s->none++;
        return true;
    }
    if (!pte_is_leaf(e, 0))
        return false;
    p = pte_page(e, 0);
    if (p == zero_page) {
        s->none++;
        return true;
    }
    if (p->kind != PAGE_ANON)
        return false;
    ASSERT(page_mapcount(p) > 0 && page_refs(p) > 0); /* by this leaf */
    ASSERT(p->family == s->v->mm->family && p->index == span_index(s) + i);
    if (i == 0)
        *first = page_to_pfn(p);
    s->shared += page_mapcount(p) > 1;
    s->pinned |= page_refs(p) != (u32)page_mapcount(p);
    s->in_place &= is_own(p) && page_to_pfn(p) == *first + i;
    s->prot &= pte_prot(e, 0);
    s->state |= pte_state(e);
    return true;
}

static bool survey(struct span *s)
{
    pfn_t first = ~0UL;

    s->none = s->shared = s->state = 0;
    s->pinned = false;
    s->in_place = true;
    s->prot = PT_RWXU;
    for (unsigned int i = 0; i < nr_entries(); i++)
        if (!survey_entry(s, i, &first))
            return false;
    if (s->none != 0 || !IS_ALIGNED(first, huge_nr()) ||
        __atomic_load_n(huge_word(pfn_to_page(first)), __ATOMIC_ACQUIRE) != 0)
        s->in_place = false; /* a word that is not 0: the former whole is still referenced */
    return true;
}

/* The link becomes empty; no translation through it is left. */
static pte_t take_link(struct span *s)
{
    struct mm *mm = s->v->mm;
    pte_t link;

    pt_lock(s->parent);
    link = pte_xchg(s->link, pte_none());
    mmu_quiesce_walkers(mm);
    mm_flush_range(mm, s->va, s->va + pt_size(HUGE_LEVEL), 0);
    pt_unlock(s->parent);
    ASSERT(pte_is_table(link, HUGE_LEVEL)); /* nothing could change it since the survey */
    return link;
}

static void give_link(struct span *s, pte_t e)
{
    pt_lock(s->parent);
    ASSERT(pte_is_none(pte_load(s->link)) && s->parent->pt_used != 0); /* still counted */
    pte_store(s->link, e);
    pt_unlock(s->parent);
}

/* The huge page is complete: its leaf, its list. */
static void publish(struct span *s, struct page *head, pt_prot_t prot, unsigned int state)
{
    struct huge_place at = {.mm = s->v->mm, .va = s->va, .parent = s->parent};
    pte_t e = pte_make_leaf(page_to_phys(head), HUGE_LEVEL, prot);

    ASSERT(s->v->has_anon && page_test(head, PG_EXCLUSIVE));
    head->family = s->v->mm->family;
    head->index = span_index(s);
    huge_map_new(head, s->table, &at);
    thp_count_mapped(1);
    give_link(s, pte_with_state(e, state));
}

static void promote(struct span *s)
{
    pte_t first = pte_load(s->entries);
    struct page *head = pte_page(first, 0);

    (void)take_link(s);
    for (unsigned int i = 0; i < nr_entries(); i++) {
        pte_t e = pte_xchg(s->entries + i, pte_none());

        ASSERT(pte_page(e, 0) == head + i && page_mapcount(head + i) == 1);
        s->state |= pte_state(e);
        WRITE_ONCE(head[i].mapcount, 0);
        page_clear(head + i, PG_EXCLUSIVE); /* the head's speaks for all from now on */
    }
    list_init(&head->link);
    /* A pin taken from the old entries is in the word already, or fails its second look. */
    page_set(head, PG_EXCLUSIVE | PG_HAD_PINS);
    huge_form(head);
    publish(s, head, s->prot, s->state);
    vmstat_inc(VMSTAT_thp_promote);
}

/* Old page or zeroes into its place. */
static void copy_entry(struct page *to, pte_t e)
{
    if (!pte_is_leaf(e, 0) || pte_page(e, 0) == zero_page)
        clear_page(page_to_virt(to));
    else
        copy_page(page_to_virt(to), page_to_virt(pte_page(e, 0)));
}

static void drop_entry(pte_t e)
{
    struct page *p;

    if (!pte_is_leaf(e, 0) || pte_page(e, 0) == zero_page)
        return;
    p = pte_page(e, 0);
    ASSERT(p->kind == PAGE_ANON && page_mapcount(p) > 0);
    page_map_dec(p);
    page_put(p);
}

static enum collapse copy(struct span *s, gfp_t gfp)
{
    struct page *head = huge_alloc(PAGE_ANON, gfp);
    pte_t link;

    if (head == NULL) {
        vmstat_inc(VMSTAT_thp_collapse_alloc_failed);
        return COLLAPSE_NO_MEMORY;
    }
    vmstat_inc(VMSTAT_thp_collapse_alloc);
    link = take_link(s);
    /* Behind the flush, a full barrier: a lockless pin is seen now, or will not be made. */
    if (!survey(s) || s->pinned) {
        give_link(s, link);
        huge_put(head);
        return COLLAPSE_BUSY;
    }
    for (unsigned int i = 0; i < nr_entries(); i++)
        copy_entry(head + i, pte_load(s->entries + i));
    head->flags = PG_EXCLUSIVE | PG_UPTODATE;
    for (unsigned int i = 0; i < nr_entries(); i++)
        drop_entry(pte_xchg(s->entries + i, pte_none()));
    s->v->has_anon = true;
    atomic_long_add(&s->v->mm->rss[MM_ANON], (long)s->none);
    publish(s, head, vma_prot(s->v), PT_YOUNG | PT_DIRTY);
    return COLLAPSE_OK;
}

/* The table is one that fork shared. It is copied only where all its pages may be copied. */
static enum collapse leave_table(struct span *s, const struct collapse_limits *limits)
{
    pt_fork_adopt(s->v, s->va, s->va + pt_size(HUGE_LEVEL));
    if (pt_is_shared(s->table) && limits->shared < nr_entries())
        return COLLAPSE_NO;
    if (pt_fork_leave(s->v, s->va, s->va + pt_size(HUGE_LEVEL)))
        return COLLAPSE_NO_MEMORY;
    return find_table(s->v->mm, s);
}

/* mmap_lock and the area held. */
static enum collapse collapse_span(struct span *s, const struct collapse_limits *limits)
{
    enum collapse found = find_table(s->v->mm, s);

    if (found == COLLAPSE_OK && unlikely(pt_is_shared(s->table)))
        found = leave_table(s, limits);
    if (found != COLLAPSE_OK)
        return found;
    if (!survey(s) || s->none == nr_entries())
        return COLLAPSE_NO;
    if (s->in_place) {
        promote(s);
        return COLLAPSE_OK;
    }
    if (s->none > limits->none || s->shared > limits->shared)
        return COLLAPSE_NO;
    if (s->pinned)
        return COLLAPSE_BUSY;
    return copy(s, limits->gfp);
}

bool thp_can_collapse(const struct vma *v)
{
    return huge_words != NULL && vma_is_anon(v) && !(v->flags & (VM_NOHUGEPAGE | VM_USERFAULT)) &&
           !v->mm->thp_disable;
}

enum collapse thp_collapse(struct mm *mm, vaddr_t va, const struct collapse_limits *limits)
{
    struct span s = {.va = va};
    enum collapse result = COLLAPSE_NO;

    ASSERT(IS_ALIGNED(va, pt_size(HUGE_LEVEL)));
    mmap_write_lock(mm);
    s.v = vma_lookup(mm, va);
    if (s.v != NULL && thp_can_collapse(s.v) && s.v->end - va >= pt_size(HUGE_LEVEL)) {
        vma_write_lock(s.v);
        result = collapse_span(&s, limits);
    }
    mmap_write_unlock(mm);
    return result;
}

static int errno_of(enum collapse result)
{
    switch (result) {
    case COLLAPSE_OK:
    case COLLAPSE_IS_HUGE: return 0;
    case COLLAPSE_NO_MEMORY: return -ENOMEM;
    case COLLAPSE_BUSY: return -EAGAIN;
    default: return -EINVAL;
    }
}

/* The area at or behind *at. 0, or -ENOMEM: none, -EINVAL: it cannot have huge pages. */
static int area_at(struct mm *mm, vaddr_t at, vaddr_t *start, vaddr_t *end)
{
    vaddr_t size = pt_size(HUGE_LEVEL);
    struct vma *v;
    int err = 0;

    mmap_read_lock(mm);
    v = vma_find(mm, at);
    if (v == NULL) {
        err = -ENOMEM;
    } else {
        *start = v->start;
        *end = v->end;
        if (!thp_can_collapse(v) || ALIGN_UP(v->start, size) + size > v->end)
            err = -EINVAL;
    }
    mmap_read_unlock(mm);
    return err;
}

/* What of [start, end), huge pages by now, can have larger leaves. */
static int collapse_gibs(struct mm *mm, vaddr_t start, vaddr_t end)
{
    const vaddr_t size = pt_size(GIB_LEVEL);
    int err = 0;

    for (vaddr_t va = ALIGN_UP(start, size); va < end && end - va >= size; va += size) {
        int one = gib_collapse(mm, va);

        err = one ? one : err;
    }
    return err;
}

/* Source: madvise(2), MADV_COLLAPSE: the knobs do not matter, the last failure is the result. */
int thp_collapse_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
    const struct collapse_limits all = {.none = ~0u, .shared = ~0u, .gfp = GFP_USER | GFP_NOOOM};
    vaddr_t size = pt_size(HUGE_LEVEL), at = start, area_start, area_end;
    int hole = 0;

    ASSERT(IS_ALIGNED(start | end, PAGE_SIZE));
    while (at < end) {
        int err = area_at(mm, at, &area_start, &area_end);

        if (err == -ENOMEM)
            return err;
        if (area_start > at) {
            hole = -ENOMEM;
            if (area_start >= end)
                break;
        }
        if (err)
            return err;
        at = max(at, area_start);
        area_end = min(area_end, end);
        for (vaddr_t va = ALIGN_UP(at, size); va < area_end && area_end - va >= size; va += size) {
            int one = errno_of(thp_collapse(mm, va, &all));

            err = one ? one : err;
        }
        if (!err && gib_possible())
            err = collapse_gibs(mm, at, area_end);
        if (err)
            return err;
        ASSERT(area_end > at); /* the walk ends */
        at = area_end;
    }
    return hole;
}
