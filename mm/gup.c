/* SPDX-License-Identifier: MIT */
/*
 * gup.c: from user addresses to pages that are held. include/mm/gup.h says what a pin promises.
 *
 * Two ways. The slow one asks the area's row (its pin slot) under mmap_lock and makes faults until
 * the entry allows what is wanted. The fast one reads the page tables without any lock:
 *
 *   F1 interrupts off; down the tree by plain loads to the table with the entries
 *   F2 the entry allows the access already, and needs no mark
 *   F3 reference and pin in one step, unless the frame is free (word 0); of a huge page's part in
 *      the part's own word, of a pool's page in the first's (page_head)
 *   F4 full barrier; the entry and the link to its table are still the same, or the page goes back
 *   F5 private: is the page the process' own (PG_EXCLUSIVE)? else it goes back
 *
 * Why that is enough. The table is not freed under the walker: whoever frees one first unlinks it,
 * then calls mmu_quiesce_walkers and a flush, and one of the two waits for every CPU of mm->cpus to
 * have interrupts on. The frame may be freed and reused between F2 and F3; F4 shows it, since the
 * entry goes before the frame does. A frame that is the same again is the right one again. Fork
 * clears PG_EXCLUSIVE and then looks for pins, F3 pins and F5 then looks at PG_EXCLUSIVE, with full
 * barriers on both sides: fork copies the page, or the pin is not given (page_try_share). Fork that
 * shares the whole table takes the right to write from the link, or closes the table where links
 * carry none, and then looks whether the table is marked; before F3 the pin marks it, and F4 looks
 * at the link and whether the table is closed.
 *
 * Not every leaf may be had without its row's consent: an address space that ever had a leaf of
 * PT_PFNMAP, whose frames are not this process' to hold, takes the slow way (mm->has_pfnmap).
 *
 * Locks: slow: mmap_lock for reading; fast: none. Invariants: I1 a pinned anonymous page is
 * PG_EXCLUSIVE as long as it is mapped; I2 a pin that a function here gave is counted in page->word
 * exactly once; I3 the fast way gives no page that the slow way would refuse, but to read memory
 * that may only be written or executed: no entry here can say that (Linux's does not, either).
 * Checked by tests/kernel/mm/gup_ktest.c, models/gup_fork.pml. Read next: process_vm.c.
 */
#include <asm/errno.h>
#include <mm/gup.h>
#include <mm/huge.h>
#include <mm/hugetlb.h>
#include "pt_internal.h"
#include "vma_internal.h"

#define PIN_UNITS (PAGE_REF | PAGE_PIN)

/* ---- fast ---- */

/* Where the walk ended: the entry for an address, its table and the link to that. */
struct walk {
    struct page *table;
    const pte_t *slot, *link_slot;
    pte_t link;
    unsigned int level;
    pt_prot_t prot; /* of all links on the way */
};

struct request {
    struct mm *mm;
    unsigned int flags;
    bool pin;
};

/* F1. False: nothing is mapped there. */
static bool walk_down(struct mm *mm, vaddr_t va, struct walk *w)
{
    unsigned int level = pt_top_level();
    const pte_t *base = mm->root;

    w->link_slot = NULL;
    w->link = pte_none();
    w->prot = PT_RWXU;
    for (;;) {
        const pte_t *slot = base + pt_index(va, level);
        pte_t e = pte_load(slot);

        if (!pte_is_table(e, level)) {
            w->slot = slot;
            w->level = level;
            w->table = pt_table_page(base); /* several frames, perhaps: not the slot's */
            return pte_is_leaf(e, level);
        }
        w->prot &= pte_prot(e, level);
        w->link_slot = slot;
        w->link = e;
        base = pt_link_table(e, level);
        level--;
    }
}

/* F2. A write wants the dirty mark there already: setting it is the slow way's. */
static inline bool allows(const struct request *r, pte_t e, unsigned int level, pt_prot_t link)
{
    pt_prot_t need = r->flags & GUP_WRITE ? PT_R | PT_W | PT_U : PT_R | PT_U;

    if ((pte_prot(e, level) & link & need) != need)
        return false;
    return !(r->flags & GUP_WRITE) || (pte_state(e) & PT_DIRTY);
}

/* F3. */
static inline bool try_grab(struct page *p, u64 units)
{
    u64 w = __atomic_load_n(&p->word, __ATOMIC_RELAXED);

    while (likely(w != 0 && (u32)w < GUP_REFS_MAX * PAGE_REF)) {
        if (unlikely(w & PAGE_TAIL)) {
            if (units != PIN_UNITS)
                return false;
            huge_note_pin(p);
        }
        if (__atomic_compare_exchange_n(&p->word, &w, w + units, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

/* Before F3: fork does not share a table with this mark. */
static inline void note_pins(struct page *table)
{
    if (!page_test(table, PG_HAD_PINS))
        page_set(table, PG_HAD_PINS);
}

/* Where links do not carry the right to write, the table says that fork has shared it. */
static inline bool is_closed(const struct page *table)
{
    return !mmu_has(MMU_LINK_WRITE) && page_test(table, PG_CLOSED);
}

/* F4. Hardware may have marked the entry meanwhile. */
static inline bool unchanged(const struct walk *w, const pte_t *slot, pte_t e)
{
    if (pte_with_state(pte_load(slot), 0).v != pte_with_state(e, 0).v || is_closed(w->table))
        return false;
    return w->link_slot == NULL ||
           pte_with_state(pte_load(w->link_slot), 0).v == pte_with_state(w->link, 0).v;
}

/* Memory that fork shares copy-on-write? */
static inline bool is_private(const struct page *p)
{
    return likely(p->kind == PAGE_ANON) ||
           (p->kind == PAGE_HUGETLB && huge_is_private(page_head(p)));
}

static inline bool is_exclusive(const struct page *p)
{
    return (__atomic_load_n(&page_whole(p)->flags, __ATOMIC_SEQ_CST) & PG_EXCLUSIVE) != 0;
}

/* F5: is what the entry maps what a pin, or a reference, may be on, without a fault first? In a
 * table that fork shared no page is: who is alone with the table later writes in place, whoever
 * holds the page. */
static inline bool is_grabbable(const struct request *r, const struct walk *w, const struct page *p)
{
    if (likely(is_private(p)))
        return (w->prot & PT_W) && (!r->pin || is_exclusive(p));
    if (!r->pin)
        return true;
    /* In a private mapping this would have to be copied; only the area knows. */
    return !(r->flags & GUP_LONGTERM);
}

static struct page *grab_fast(const struct request *r, const struct walk *w, const pte_t *slot,
                              vaddr_t va)
{
    u64 units = r->pin ? PIN_UNITS : PAGE_REF;
    pte_t e = pte_load(slot);
    struct page *p, *counted;

    if (!pte_is_leaf(e, w->level) || !allows(r, e, w->level, w->prot))
        return NULL;
    smp_rmb(); /* the entry before has_pfnmap, which was set before such an entry was made */
    if (unlikely(READ_ONCE(r->mm->has_pfnmap)))
        return NULL;
    p = pte_page(e, w->level) + ((va & (pt_size(w->level) - 1)) >> PAGE_SHIFT);
    counted = page_head(p);
    if (unlikely(!try_grab(counted, units)))
        return NULL;
    smp_mb();
    if (unlikely(!unchanged(w, slot, e)) || unlikely(!is_grabbable(r, w, p))) {
        page_put_units(counted, units);
        return NULL;
    }
    if ((r->flags & GUP_WRITE) && !page_test(counted, PG_DIRTY))
        page_set(counted, PG_DIRTY);
    return p;
}

/* Pages of one table, or as many of a large leaf. Interrupts off, so not of a whole GiB at once. */
static unsigned long fast_table(const struct request *r, vaddr_t va, unsigned long nr,
                                struct page **pages)
{
    unsigned long done = 0;
    vaddr_t size;
    struct walk w;

    if (!walk_down(r->mm, va, &w))
        return 0;
    if (r->pin && w.level == 0)
        note_pins(w.table);
    size = pt_size(1);
    nr = min(nr, (size - (va & (size - 1))) >> PAGE_SHIFT);
    for (; done < nr; done++, va += PAGE_SIZE) {
        pages[done] = grab_fast(r, &w, w.slot + (w.level == 0 ? done : 0), va);
        if (pages[done] == NULL)
            break;
    }
    return done;
}

/* Does [start, start + nr pages) lie in the user half? */
static bool range_ok(vaddr_t start, unsigned long nr)
{
    return start < user_top() && nr <= (user_top() - start) >> PAGE_SHIFT;
}

unsigned long gup_fast_only(vaddr_t start, unsigned long nr, unsigned int flags,
                            struct page **pages, bool pin)
{
    struct request r = {current->mm, flags, pin};
    unsigned long done = 0, got;

    start &= PAGE_MASK;
    if (r.mm == NULL || !range_ok(start, nr))
        return 0;
    while (done < nr) {
        unsigned long irq = irq_save();

        got = fast_table(&r, start + done * PAGE_SIZE, nr - done, pages + done);
        irq_restore(irq);
        if (got == 0)
            break;
        done += got;
    }
    if (pin)
        vmstat_add(VMSTAT_nr_foll_pin_acquired, done);
    return done;
}

/* ---- slow ---- */

/* Is the page one that the process shares copy-on-write, and must a pin not be on it? It has been
 * pinned already, so the answer can only change by the holder's own doing. */
static bool must_unshare(const struct vma *v, const struct page *p, const struct request *r)
{
    if (!r->pin || (v->flags & VM_SHARED))
        return false;
    if (is_private(p))
        return !is_exclusive(p);
    return (r->flags & GUP_LONGTERM) != 0;
}

/* The page through the row's slot, if the entry is as wanted. NULL: *fault must come first. */
static struct page *try_pin(struct vma *v, vaddr_t va, const struct request *r, unsigned int *fault)
{
    bool write = r->flags & GUP_WRITE;
    struct page *p;

    *fault = FAULT_REMOTE | (write ? FAULT_WRITE : 0);
    if (unlikely(pt_fork_is_at(v, va))) {
        *fault |= FAULT_UNSHARE;
        return NULL;
    }
    p = vma_ops(v)->pin(v, va, write);
    if (p == NULL || IS_ERR(p))
        return p;
    if (unlikely(page_refs(page_head(p)) > GUP_REFS_MAX)) {
        page_unpin(p);
        return ERR_PTR(-ENOMEM);
    }
    if (unlikely(must_unshare(v, p, r))) {
        page_unpin(p);
        *fault |= FAULT_UNSHARE;
        return NULL;
    }
    if (!r->pin) /* the reference stays */
        (void)__atomic_fetch_sub(&page_head(p)->word, PAGE_PIN, __ATOMIC_RELAXED);
    return p;
}

static struct page *pin_in_area(struct vma *v, vaddr_t va, const struct request *r)
{
    unsigned int fault;

    if (!vma_has_pages(v) || !(v->flags & (r->flags & GUP_WRITE ? VM_WRITE : VM_READ)))
        return ERR_PTR(-EFAULT);
    for (;;) {
        struct page *p = try_pin(v, va, r, &fault);

        if (p)
            return p;
        if (fatal_signal_pending())
            return ERR_PTR(-EINTR);
        switch (mm_handle_fault(v, va, fault)) {
        case FAULT_OK:
        case FAULT_RETRY: break;
        case FAULT_OOM: return ERR_PTR(-ENOMEM);
        case FAULT_INTR: return ERR_PTR(-EINTR);
        case FAULT_SHARED: return ERR_PTR(-EXDEV); /* gup_slow sees to it */
        default: return ERR_PTR(-EFAULT);
        }
    }
}

/* As many as come without letting mmap_lock go; *err says why it ended. -EAGAIN: the address lies
 * below a stack. */
static unsigned long pin_locked(const struct request *r, vaddr_t va, unsigned long nr,
                                struct page **pages, int *err)
{
    unsigned long done = 0;
    struct vma *v = NULL;

    for (*err = 0; done < nr; done++, va += PAGE_SIZE) {
        struct page *p;

        if (v == NULL || va >= v->end)
            v = vma_find(r->mm, va);
        if (v == NULL || va < v->start) {
            *err = v && (v->flags & VM_GROWSDOWN) ? -EAGAIN : -EFAULT;
            break;
        }
        p = pin_in_area(v, va, r);
        if (IS_ERR(p)) {
            *err = (int)PTR_ERR(p);
            break;
        }
        pages[done] = p;
    }
    return done;
}

static long gup_slow(const struct request *r, vaddr_t start, unsigned long nr, struct page **pages)
{
    vaddr_t grown = ~0UL;
    unsigned long done = 0;
    int err = 0;

    start &= PAGE_MASK;
    if (nr != 0 && !range_ok(start, nr))
        nr = start < user_top() ? (user_top() - start) >> PAGE_SHIFT : 0, err = -EFAULT;
    while (done < nr) {
        vaddr_t va;

        mmap_read_lock(r->mm);
        done += pin_locked(r, start + done * PAGE_SIZE, nr - done, pages + done, &err);
        mmap_read_unlock(r->mm);
        va = start + done * PAGE_SIZE;
        if (err == -EXDEV) {
            err = pt_leave_at(r->mm, va);
            if (err)
                break;
            continue;
        }
        if (err != -EAGAIN)
            break;
        err = -EFAULT;
        if (va == grown || vma_grow_stack(r->mm, va))
            break;
        grown = va;
    }
    if (r->pin)
        vmstat_add(VMSTAT_nr_foll_pin_acquired, done);
    return done ? (long)done : err;
}

/* ---- the calls ---- */

static long gup_fast(vaddr_t start, unsigned long nr, unsigned int flags, struct page **pages,
                     bool pin)
{
    struct request r = {current->mm, flags, pin};
    unsigned long done = gup_fast_only(start, nr, flags, pages, pin);
    long more;

    if (likely(done == nr))
        return (long)done;
    more = gup_slow(&r, (start & PAGE_MASK) + done * PAGE_SIZE, nr - done, pages + done);
    return more > 0 ? (long)done + more : done ? (long)done : more;
}

long pin_user_pages(struct mm *mm, vaddr_t start, unsigned long nr, unsigned int flags,
                    struct page **pages)
{
    struct request r = {mm, flags, true};

    might_sleep();
    return gup_slow(&r, start, nr, pages);
}

long get_user_pages(struct mm *mm, vaddr_t start, unsigned long nr, unsigned int flags,
                    struct page **pages)
{
    struct request r = {mm, flags, false};

    might_sleep();
    return gup_slow(&r, start, nr, pages);
}

long pin_user_pages_fast(vaddr_t start, unsigned long nr, unsigned int flags, struct page **pages)
{
    might_sleep();
    return gup_fast(start, nr, flags, pages, true);
}

long get_user_pages_fast(vaddr_t start, unsigned long nr, unsigned int flags, struct page **pages)
{
    might_sleep();
    return gup_fast(start, nr, flags, pages, false);
}

void unpin_user_pages(struct page **pages, unsigned long nr, bool dirty)
{
    vmstat_add(VMSTAT_nr_foll_pin_released, nr);
    for (unsigned long i = 0; i < nr; i++) {
        if (dirty && !page_test(page_head(pages[i]), PG_DIRTY))
            page_set(page_head(pages[i]), PG_DIRTY);
        page_unpin(pages[i]);
    }
}
