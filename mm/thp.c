/* SPDX-License-Identifier: MIT */
/*
 * thp.c: transparent huge pages: when a fault gets one, the huge zero page, writes to huge leaves,
 * and the knobs.
 *
 * A fault where not even a table stands may map a huge page, when the area covers its whole span;
 * if memory for it is not at hand the fault goes on with a base page. All that can fail, the page
 * and the table that a split would need, is had before the entry is touched. A read maps the huge
 * zero page, which is never split: a leaf of it becomes a hole where only a part changes.
 *
 * A write to a huge page that others have, too, splits it; the small page is copied by the fault
 * that comes next.
 *
 * Locks: as pt_default.c; BUSY of the frame (huge.h) inside PT where a decision must hold for the
 * whole. Invariants: I1 PG_EXCLUSIVE of the head says for the whole what it says for a small page.
 * Checked by pt_check, tests/kernel/mm/thp_ktest.c. Read next: thp_range.c.
 */
#include <kernel/param.h>
#include <kernel/string.h>
#include <mm/compact.h>
#include "pt_internal.h"
#include "thp_internal.h"
#include "thp_knobs.h"

struct thp_knobs thp_knobs = {
    .enabled = THP_ALWAYS,
    .defrag = THP_DEFRAG_MADVISE,
    .gib = GIB_NEVER, /* as Linux has it for sizes other than a huge page's */
    .use_zero_page = true};

static atomic_long_t nr_mapped;
static spinlock_t zero_lock = SPINLOCK_INIT(LOCK_LEAF);
static struct page *huge_zero; /* zero_lock; holds a reference to the whole */

void thp_only_on_advice(void)
{
    thp_knobs.enabled = THP_MADVISE;
}

void thp_count_mapped(long huge_pages)
{
    atomic_long_add(&nr_mapped, huge_pages);
}

u64 thp_nr_mapped(void)
{
    long n = atomic_long_read(&nr_mapped);

    return n > 0 ? (u64)n * huge_nr() : 0;
}

bool thp_eligible(const struct vma *v)
{
    if (huge_words == NULL || !vma_is_anon(v) || (v->flags & (VM_NOHUGEPAGE | VM_USERFAULT)) ||
        v->mm->thp_disable)
        return false;
    switch (READ_ONCE(thp_knobs.enabled)) {
    case THP_ALWAYS: return true;
    case THP_MADVISE: return (v->flags & VM_HUGEPAGE) != 0;
    default: return false;
    }
}

/* How hard to look for memory. */
static gfp_t huge_gfp(const struct vma *v)
{
    unsigned int defrag = READ_ONCE(thp_knobs.defrag);
    bool advised = (v->flags & VM_HUGEPAGE) != 0;

    if (defrag == THP_DEFRAG_ALWAYS ||
        (advised && (defrag == THP_DEFRAG_MADVISE || defrag == THP_DEFRAG_DEFER_MADVISE)))
        return GFP_USER | GFP_NOOOM;
    return GFP_USER | GFP_NOOOM | GFP_NORECLAIM;
}

/* Shall a kernel thread look for memory instead? */
static bool is_deferred(void)
{
    unsigned int defrag = READ_ONCE(thp_knobs.defrag);

    return defrag == THP_DEFRAG_DEFER || defrag == THP_DEFRAG_DEFER_MADVISE;
}

static void clear_huge(struct page *head)
{
    for (unsigned long i = 0; i < huge_nr(); i++)
        clear_page(page_to_virt(head + i));
}

/* The huge zero page with a reference for a leaf, or NULL. */
static struct page *zero_get(gfp_t gfp)
{
    struct page *new = NULL, *p;

    for (;;) {
        unsigned long flags = spin_lock_irqsave(&zero_lock);

        if (huge_zero == NULL) {
            huge_zero = new;
            new = NULL;
        }
        p = huge_zero;
        ASSERT(p == NULL || (p->kind == PAGE_ZERO && huge_is(p))); /* it is never split */
        if (p != NULL && huge_refs(huge_load(p)) < HUGE_MAX)
            huge_get(p);
        else if (p != NULL)
            gfp = 0, p = NULL; /* too many leaves: base pages */
        spin_unlock_irqrestore(&zero_lock, flags);
        if (new != NULL) {
            for (unsigned long i = 0; i < huge_nr(); i++)
                page_set_kind(new + i, PAGE_KERNEL);
            huge_put(new);
        }
        if (p != NULL || gfp == 0)
            return p;
        new = huge_alloc(PAGE_ZERO, gfp);
        if (new == NULL)
            return NULL;
        clear_huge(new);
        vmstat_inc(VMSTAT_thp_zero_page_alloc);
    }
}

void thp_shrink(void)
{
    unsigned long flags = spin_lock_irqsave(&zero_lock);
    struct page *p = huge_zero;

    if (p != NULL && huge_refs(huge_load(p)) == 1)
        huge_zero = NULL;
    else
        p = NULL;
    spin_unlock_irqrestore(&zero_lock, flags);
    if (p == NULL)
        return;
    for (unsigned long i = 0; i < huge_nr(); i++)
        page_set_kind(p + i, PAGE_KERNEL);
    huge_put(p);
}

static bool fault_zero(struct fault_ctx *f)
{
    struct page *p = zero_get(huge_gfp(f->vma));
    bool done;
    pte_t e;

    if (p == NULL) {
        vmstat_inc(VMSTAT_thp_zero_page_alloc_failed);
        return false;
    }
    f->kind = "huge-zero";
    e = pte_make_leaf(page_to_phys(p), HUGE_LEVEL, vma_prot_ro(f->vma));
    pt_lock(f->table);
    done = pte_is_none(pte_load(f->slot));
    if (done) {
        ASSERT(f->table->pt_used < pt_entries(HUGE_LEVEL));
        pte_store(f->slot, pte_with_state(e, PT_YOUNG));
        f->table->pt_used++;
    }
    pt_unlock(f->table);
    if (!done)
        huge_put(p);
    return true;
}

/* The page and its table are private until the entry is stored. */
static bool map_new(struct fault_ctx *f, vaddr_t first, struct page *head, struct page *table)
{
    struct huge_place at = {.mm = f->vma->mm, .va = first, .parent = f->table};
    pte_t e = pte_make_leaf(page_to_phys(head), HUGE_LEVEL, vma_prot(f->vma));
    bool done;

    ASSERT(head->kind == PAGE_ANON && page_test(head, PG_EXCLUSIVE)); /* writable from the start */
    pt_lock(f->table);
    done = pte_is_none(pte_load(f->slot));
    if (likely(done)) {
        ASSERT(f->table->pt_used < pt_entries(HUGE_LEVEL));
        huge_map_new(head, table, &at);
        f->vma->has_anon = true;
        f->table->pt_used++;
        pte_store(f->slot, pte_with_state(e, PT_YOUNG | PT_DIRTY));
    }
    pt_unlock(f->table);
    return done;
}

static bool fault_new(struct fault_ctx *f, vaddr_t first)
{
    struct vma *v = f->vma;
    struct page *table = huge_table_alloc(v->mm), *head;

    ASSERT(!(v->flags & VM_SHARED) && (v->flags & VM_WRITE));
    if (table == NULL)
        return false;
    head = huge_alloc(PAGE_ANON, huge_gfp(v));
    if (head == NULL) {
        huge_table_free(table);
        vmstat_inc(VMSTAT_thp_fault_fallback);
        if (is_deferred())
            compact_later(huge_order());
        return false;
    }
    clear_huge(head);
    head->flags = PG_EXCLUSIVE | PG_UPTODATE;
    head->family = v->mm->family;
    head->index = v->pgoff + ((first - v->start) >> PAGE_SHIFT);
    f->kind = "huge";
    if (unlikely(!map_new(f, first, head, table))) {
        huge_table_free(table);
        huge_put(head);
        return true;
    }
    atomic_long_add(&v->mm->rss[MM_ANON], (long)huge_nr());
    thp_count_mapped(1);
    vmstat_inc(VMSTAT_thp_fault_alloc);
    return true;
}

bool thp_fault(struct fault_ctx *f, enum fault_result *result)
{
    struct vma *v = f->vma;
    vaddr_t first = ALIGN_DOWN(f->addr, pt_size(HUGE_LEVEL));

    ASSERT(vma_is_anon(v) && f->addr >= v->start && f->addr < v->end);
    if (first < v->start || v->end - first < pt_size(HUGE_LEVEL))
        return false;
    f->slot = pt_get_slot(v->mm, first, HUGE_LEVEL, &f->table, &f->level);
    if (f->slot == NULL || f->level != HUGE_LEVEL || !pte_is_none(pte_load(f->slot)))
        return false;
    ASSERT(f->table->level == HUGE_LEVEL && f->table->pt_mm == v->mm); /* no object's */
    *result = FAULT_OK;
    if (f->flags & FAULT_WRITE)
        return fault_new(f, first);
    if (!thp_knobs.use_zero_page || (f->flags & FAULT_UNSHARE))
        return false;
    return fault_zero(f);
}

bool thp_is_own(struct page *head)
{
    ASSERT((huge_load(head) & HUGE_BUSY) && page_mapcount(head) > 0);
    if (page_test(head, PG_EXCLUSIVE)) {
        ASSERT(page_mapcount(head) == 1);
        return true;
    }
    if (huge_refs(huge_load(head)) != 1 || !huge_pages_idle(head))
        return false;
    /* Others' last accesses, before their references went. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    page_set(head, PG_EXCLUSIVE);
    return true;
}

static enum fault_result write_zero(struct fault_ctx *f)
{
    vaddr_t first = ALIGN_DOWN(f->addr, pt_size(HUGE_LEVEL));
    struct mm *mm = f->vma->mm;

    ASSERT(!(pte_prot(f->entry, HUGE_LEVEL) & PT_W)); /* nobody could have written zeroes over */
    f->kind = "huge-zero";
    thp_drop_zero(f->table, f->slot);
    mmu_quiesce_walkers(mm);
    mm_flush_range(mm, first, first + pt_size(HUGE_LEVEL), HUGE_LEVEL);
    pt_unlock(f->table);
    huge_put(pte_page(f->entry, HUGE_LEVEL));
    return FAULT_AGAIN; /* a hole by now */
}

enum fault_result thp_write(struct fault_ctx *f)
{
    struct page *head = pte_page(f->entry, f->level);

    lock_assert_held(&f->table->ptl);
    ASSERT(f->level == HUGE_LEVEL && huge_head(head) == head);
    if (unlikely(pt_is_gib(f->table)))
        gib_demote(f->table, f->addr);
    if (head->kind == PAGE_ZERO)
        return write_zero(f);
    if (!huge_trylock(head)) {
        pt_unlock(f->table);
        huge_wait(head);
        return FAULT_AGAIN;
    }
    if (thp_is_own(head)) {
        f->kind = "reuse";
        if (f->flags & FAULT_WRITE)
            pt_make_usable(f, vma_prot(f->vma), PT_YOUNG | PT_DIRTY);
        huge_unlock(head);
        pt_unlock(f->table);
        vmstat_inc(VMSTAT_pgreuse);
        return FAULT_OK;
    }
    f->kind = "huge-split";
    huge_unlock(head);
    pt_unlock(f->table);
    split_huge_page(head);
    return FAULT_AGAIN;
}
