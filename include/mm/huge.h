/* SPDX-License-Identifier: MIT */
/*
 * huge.h: huge frames: how 2^huge_order() frames are one page, and how that page is split.
 *
 * Two kinds of words. Each struct page keeps its own word (page.h), with PAGE_TAIL set in all of
 * them, the first included: it counts references and pins of that subpage and of no other, before
 * and after a split. And there is one word per huge frame, for ever, whatever the frame is used
 * for:
 *
 *   bit 0 HUGE    the frame is one huge page: the authority on that
 *   bit 1 BUSY    somebody changes the list of its leaf entries, or replaces them (split)
 *   W  (REF)      references to the whole: one per leaf entry, per gather that has unmapped it and
 *                 still has to flush, per pin of the whole
 *   P  (PIN)      pins of the whole, each of which is in W, too
 *   M  (MAP)      leaf entries, each of which is in W, too; the length of the list
 *
 * page_put, page_get, page_pin, page_unpin of a subpage touch the subpage's word only and do not
 * ask whether it is huge: PAGE_TAIL keeps the word from ever being 0. What that costs is paid once,
 * by who ends the huge page: huge_put of the last W, or the split, takes PAGE_TAIL out of each word
 * in one atomic step together with what the whole was worth (W references and P pins for every
 * subpage), and frees those subpages whose word that makes 0. A pinned subpage lives on as a small
 * page, the others are free at once. Nothing waits for a pin, and nothing is moved between words.
 *
 * Who holds a reference to the whole gives it back with huge_put or huge_unpin, whatever happened
 * meanwhile: when the frame has been split, they put each subpage instead. Split leaves those W
 * that are not leaf entries' in the word, and a frame becomes huge again only when W is 0, so the
 * two cannot be mixed up.
 *
 * For a lockless pin (gup_fast), interrupts off or under RCU for the tables:
 *
 *   e = pte_load(slot); level > 0: p = its page + the offset; is write allowed by e? else slow
 *   page_try_pin(p)                 false: slow
 *   smp_mb()                        pairs with who changes the entry, then looks for pins
 *   pte_load(slot) == e (but for young and dirty)?   else page_unpin(p), slow
 *
 * It may meet any step of a split: the pin is in p's word either way. Pins of the whole the same
 * way with huge_try_pin. A subpage's head is arithmetic; no pointer to it is stored.
 *
 * The leaf entries are known exactly: each anonymous huge leaf owns a page table, allocated with
 * it, which a split puts in the leaf's place (so it cannot fail), and until then the struct page of
 * that table is the list's node: address space, address, table of the leaf. A private page is
 * mapped at most once per address space.
 *
 * BUSY is a lock that is only tried under a table's lock (PT); who fails drops the table's lock,
 * calls huge_wait and begins again. So the owner of BUSY may take PT locks. It is held with
 * preemption off and for a bounded time.
 *
 * Invariants: I1 W >= M + P; I2 PAGE_TAIL is set in all words of a frame or none, apart from the
 * allocator, a split or a promotion at work; I3 no frame of a huge page is in the allocator; I4 M
 * is the list's length, and each entry of it owns one table; I5 no frame is freed while a TLB may
 * translate to it: a zap keeps the leaf's W until after the flush; I6 while BUSY the list is
 * constant but for its owner. Checked by rmap_check, models/split.pml.
 * Source: the idea of pins in the subpage's own word: see docs/DECISIONS.md.
 */
#pragma once
#include <arch/mmu.h>
#include <mm/buddy.h>

#define HUGE_IS   (1ULL << 0)
#define HUGE_BUSY (1ULL << 1)
#define HUGE_REF  (1ULL << 2)  /* W, 22 bits */
#define HUGE_PIN  (1ULL << 24) /* P, 20 bits */
#define HUGE_MAP  (1ULL << 44) /* M, 20 bits */
#define HUGE_MAX  (1u << 19)   /* no more pins, leaf entries or zero leaves than this */

/* A huge leaf stands at this level; the frame it maps is 2^huge_order() frames. */
#define HUGE_LEVEL 1u
static inline unsigned int huge_order(void)
{
    return pt_shift(HUGE_LEVEL) - PAGE_SHIFT;
}
static inline unsigned long huge_nr(void)
{
    return 1UL << huge_order();
}

extern u64 *huge_words; /* by frame number >> huge_order(); there from mem_map_first's on */

static inline u64 *huge_word(const struct page *p)
{
    return &huge_words[page_to_pfn(p) >> huge_order()];
}
static inline u64 huge_load(const struct page *p)
{
    return __atomic_load_n(huge_word(p), __ATOMIC_RELAXED);
}
static inline u32 huge_refs(u64 w)
{
    return (u32)(w >> 2) & ((1u << 22) - 1);
}
static inline u32 huge_pins(u64 w)
{
    return (u32)(w >> 24) & ((1u << 20) - 1);
}
static inline u32 huge_maps(u64 w)
{
    return (u32)(w >> 44);
}
/* The first page of the frame that @p is in, huge or not. */
static inline struct page *huge_head(const struct page *p)
{
    return pfn_to_page(page_to_pfn(p) & ~(huge_nr() - 1));
}
/* A glance: is @p part of a huge page? */
static inline bool huge_is(const struct page *p)
{
    return huge_words != NULL && (huge_load(p) & HUGE_IS) != 0;
}

/* The page whose flags and mapcount speak for @p: the first of a huge page or of a pool's block
 * that it is in, or itself. A glance, as huge_is. */
static inline struct page *page_whole(const struct page *p)
{
    return huge_is(p) ? huge_head(p) : page_head(p);
}

/* Boot, after vmalloc: the words. Without memory for them there are no huge pages. */
void huge_init(void);
/* A huge page, kind PAGE_ANON or PAGE_ZERO, contents undefined, with one reference to the whole; or
 * NULL. Fields of the head as page_alloc makes them, an empty list of leaf entries. */
struct page *huge_alloc(enum page_kind kind, gfp_t gfp);
/* Anonymous huge pages side by side, 2^@order frames in all, each as huge_alloc makes one; or NULL.
 */
struct page *huge_alloc_block(unsigned int order, gfp_t gfp);
/* Aligned small pages, each with a reference that the caller gives up, become a huge page with one
 * reference to the whole; pins stay. The frame's word is 0, the list of leaf entries empty. */
void huge_form(struct page *head);
/* Caller holds a reference to the whole. The lock of a leaf's table is not enough: a split that has
 * not come to this leaf yet has taken the whole apart already. */
static inline void huge_get(struct page *head)
{
    ASSERT(huge_refs(huge_load(head)) > 0);
    (void)__atomic_fetch_add(huge_word(head), HUGE_REF, __ATOMIC_RELAXED);
}
void huge_put(struct page *head);
/* A reference to the whole for who found the frame by its number; false when it is no huge page
 * (any more). */
bool __must_check huge_try_get(struct page *head);
/* A pin of the whole; false when it is no huge page (any more) or has too many. The caller has seen
 * a leaf, and looks at it again after smp_mb(). */
bool __must_check huge_try_pin(struct page *head);
void huge_unpin(struct page *head);

/* Has a subpage or the whole been pinned since it was allocated? Ordered: a pin is noted before it
 * is made. */
static inline bool huge_maybe_pinned(const struct page *head)
{
    return page_test(head, PG_HAD_PINS) || huge_pins(huge_load(head)) != 0;
}
/* No reference, no pin of any subpage; the table of the only leaf is locked. */
bool huge_pages_idle(const struct page *head);

/* BUSY. Under a PT lock; false: drop that, huge_wait, begin again. */
static inline bool __must_check huge_trylock(struct page *head)
{
    u64 *word = huge_word(head), w = __atomic_load_n(word, __ATOMIC_RELAXED);

    while (likely((w & (HUGE_IS | HUGE_BUSY)) == HUGE_IS))
        if (likely(__atomic_compare_exchange_n(word, &w, w | HUGE_BUSY, true, __ATOMIC_ACQUIRE,
                                               __ATOMIC_RELAXED)))
            return true;
    return false;
}
static inline void huge_unlock(struct page *head)
{
    ASSERT(huge_load(head) & HUGE_BUSY);
    (void)__atomic_fetch_and(huge_word(head), ~HUGE_BUSY, __ATOMIC_RELEASE);
}
/* Spins until nobody is BUSY with @head's frame. No locks held, interrupts on. */
void huge_wait(const struct page *head);

/*
 * A split of @head's frame, seen mapped by a leaf under its table's lock, is at work: the leaf may
 * have lost its permissions already, and shall not get them back, nor any other change. Who wants
 * that drops the lock, calls huge_wait and looks again.
 */
static inline bool huge_is_splitting(const struct page *head)
{
    return huge_words != NULL && (huge_load(head) & (HUGE_IS | HUGE_BUSY)) == HUGE_BUSY;
}

/* The list of leaf entries (rmap_huge.c). BUSY, or the page is not mapped yet. */
struct huge_place {
    struct mm *mm;
    vaddr_t va;
    struct page *parent; /* the table that the leaf is in */
};
/* A page table to be put in the place of a leaf of @mm one day; contents undefined. NULL. */
struct page *huge_table_alloc(struct mm *mm);
/* Up to @n of them: how many. */
unsigned int huge_table_alloc_bulk(struct mm *mm, struct page **tables, unsigned int n);
void huge_table_free(struct page *table);
/* The first leaf of a page that only the caller has; the reference to the whole that came with the
 * page becomes the leaf's, and @table its own. */
void huge_map_new(struct page *head, struct page *table, const struct huge_place *at);
/* One leaf more, with a reference to the whole. Gives BUSY back. */
void huge_map_unlock(struct page *head, struct page *table, const struct huge_place *at);
/* The leaf of @mm goes, its table is the caller's again; the reference to the whole stays. Gives
 * BUSY back. */
struct page *huge_unmap_unlock(struct page *head, const struct mm *mm);
/* Its leaf is now there (same address space). */
void huge_moved(struct page *head, const struct huge_place *to);
/* For checks: does the list say so? */
bool huge_is_mapped_at(const struct page *head, const struct huge_place *at);

/*
 * split.c. On return the frame that @p is in is no huge page, or no longer the same one. Any number
 * of leaf entries and pins, several callers at once; takes PT locks, allocates nothing, cannot
 * fail. No locks held that rank behind PT, interrupts on. At most one round of calls, however many
 * address spaces map it.
 */
void split_huge_page(struct page *p);
