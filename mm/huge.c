/* SPDX-License-Identifier: MIT */
/*
 * huge.c: huge frames: allocated, counted, and taken apart when nobody needs the whole any more.
 *
 * The protocol is told in <mm/huge.h>; this file has the steps that are not in its inline
 * functions. It knows nothing of page tables. The end of a huge page that is no longer mapped
 * (dissolve) and the split of one that is (split.c) do the same to the subpages' words and share
 * the code, huge_release_pages.
 *
 * Locks: none; BUSY is a bit of the frame's word. Invariants: those of huge.h.
 * Checked by tests/kernel/mm/huge_ktest.c, models/split.pml.
 * Read next: rmap_huge.c, split.c.
 */
#include <kernel/printk.h>
#include <mm/vmalloc.h>
#include "huge_internal.h"

u64 *huge_words __ro_after_init;

/* Order: what the pin's owner and the counts rely on is in huge.h. */
void huge_init(void)
{
    u64 nr = ((mem_map_end - 1) >> huge_order()) - (mem_map_first >> huge_order()) + 1;
    u64 *words;

    if (!pt_level_can_leaf(HUGE_LEVEL))
        return;
    words = vmalloc(nr * sizeof(u64));
    if (words != NULL)
        huge_words = words - (mem_map_first >> huge_order());
    else
        pr_warn("no memory for the words of huge frames: there are no huge pages\n");
}

static void make_huge(struct page *head)
{
    ASSERT(huge_load(head) == 0); /* who had a reference to a former whole had the frames, too */
    list_init(&head->link);
    __atomic_store_n(huge_word(head), HUGE_IS + HUGE_REF, __ATOMIC_RELEASE);
}

struct page *huge_alloc_block(unsigned int order, gfp_t gfp)
{
    struct page *block;

    ASSERT(huge_words != NULL && order >= huge_order());
    block = alloc_frames(order, PAGE_ANON, PAGE_TAIL, gfp);
    for (unsigned long i = 0; block != NULL && i < 1UL << order; i += huge_nr())
        make_huge(block + i);
    return block;
}

struct page *huge_alloc(enum page_kind kind, gfp_t gfp)
{
    struct page *head;

    ASSERT(kind == PAGE_ANON || kind == PAGE_ZERO);
    if (huge_words == NULL)
        return NULL;
    head = alloc_frames(huge_order(), kind, PAGE_TAIL, gfp);
    if (head == NULL)
        return NULL;
    make_huge(head);
    return head;
}

/* A pin may come and go at any time: it is in the page's word before, while and after. */
void huge_form(struct page *head)
{
    ASSERT(huge_load(head) == 0 && huge_head(head) == head && list_empty(&head->link));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (unsigned long i = 0; i < huge_nr(); i++)
        (void)__atomic_fetch_add(&head[i].word, PAGE_TAIL - PAGE_REF, __ATOMIC_RELAXED);
    __atomic_store_n(huge_word(head), HUGE_IS + HUGE_REF, __ATOMIC_RELEASE);
}

/* Frames [first, first + n) of which this CPU made the words 0. */
static void free_run(struct page *first, unsigned long n)
{
    struct page *batch[64];

    ASSERT(n != 0 && n <= huge_nr());
    if (n == huge_nr()) {
        free_pages(first, huge_order());
        return;
    }
    while (n != 0) {
        unsigned int nr = (unsigned int)min(n, ARRAY_SIZE(batch));

        for (unsigned int i = 0; i < nr; i++)
            batch[i] = first + i;
        free_pages_bulk(batch, nr);
        first += nr;
        n -= nr;
    }
}

/*
 * The release fence before orders the pages' fields before their words: who finds PAGE_TAIL gone
 * finds the fields of a small page. One fence, then relaxed steps. The acquire fence: others' last
 * accesses come before the frames get new contents.
 */
void huge_release_pages(struct page *head, u64 worth)
{
    struct page *end = head + huge_nr(), *run = head, *p;

    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (p = head; p < end; p++) {
        u64 left = __atomic_add_fetch(&p->word, worth - PAGE_TAIL, __ATOMIC_RELAXED);

        ASSERT(!(left & PAGE_TAIL)); /* it was set, and nothing is below 0 now */
        if (left == 0)
            continue;
        if (unlikely(run != p)) {
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            free_run(run, (unsigned long)(p - run));
        }
        run = p + 1;
    }
    if (run != end) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        free_run(run, (unsigned long)(end - run));
    }
}

/* The word was @w when @worth had been taken out of it: it was the last, or the frame was split. */
static __noinline void give_back_slow(struct page *head, u64 w, u64 page_worth)
{
    if (likely(w & HUGE_IS)) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        ASSERT(huge_maps(w) == 0 && huge_pins(w) == 0 && list_empty(&head->link));
        (void)__atomic_fetch_and(huge_word(head), ~HUGE_IS, __ATOMIC_RELAXED);
        huge_release_pages(head, 0);
        return;
    }
    for (unsigned long i = 0; i < huge_nr(); i++)
        page_put_units(head + i, page_worth);
}

/* Takes @worth out of the frame's word, or, when the frame was split, out of each subpage's. */
static __always_inline void give_back(struct page *head, u64 worth, u64 page_worth)
{
    u64 w = __atomic_sub_fetch(huge_word(head), worth, __ATOMIC_RELEASE);

    ASSERT(huge_head(head) == head);
    ASSERT(huge_refs(w + worth) > huge_refs(w) && huge_pins(w + worth) >= huge_pins(w));
    if (unlikely(!(w & HUGE_IS) || huge_refs(w) == 0))
        give_back_slow(head, w, page_worth);
}

void huge_put(struct page *head)
{
    give_back(head, HUGE_REF, PAGE_REF);
}

bool huge_try_get(struct page *head)
{
    u64 *word = huge_word(head), w = __atomic_load_n(word, __ATOMIC_RELAXED);

    while ((w & HUGE_IS) && huge_refs(w) != 0)
        if (__atomic_compare_exchange_n(word, &w, w + HUGE_REF, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

bool huge_try_pin(struct page *head)
{
    u64 *word = huge_word(head), w = __atomic_load_n(word, __ATOMIC_RELAXED);

    while ((w & HUGE_IS) && huge_refs(w) != 0 && huge_pins(w) < HUGE_MAX)
        if (__atomic_compare_exchange_n(word, &w, w + HUGE_REF + HUGE_PIN, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

void huge_unpin(struct page *head)
{
    give_back(head, HUGE_REF + HUGE_PIN, PAGE_REF + PAGE_PIN);
}

void huge_note_pin(struct page *p)
{
    struct page *head = huge_head(p);

    if (!page_test(head, PG_HAD_PINS))
        page_set(head, PG_HAD_PINS);
}

bool huge_pages_idle(const struct page *head)
{
    for (unsigned long i = 0; i < huge_nr(); i++)
        if (READ_ONCE(head[i].word) != PAGE_TAIL)
            return false;
    return true;
}

void huge_wait(const struct page *head)
{
    ASSERT(irqs_enabled());
    while (huge_load(head) & HUGE_BUSY)
        cpu_relax();
}

bool huge_take_whole(struct page *head, u64 *found)
{
    u64 *word = huge_word(head), w = __atomic_load_n(word, __ATOMIC_RELAXED), new;

    ASSERT(huge_head(head) == head && irqs_enabled());
    for (;;) {
        u64 maps = huge_maps(w);

        if (w & HUGE_BUSY) {
            cpu_relax();
            w = __atomic_load_n(word, __ATOMIC_RELAXED);
            continue;
        }
        ASSERT(!(w & HUGE_IS) || huge_refs(w) == 0 || huge_refs(w) >= maps + huge_pins(w)); /* I1 */
        /* Without references it is being taken apart, by somebody who may be preempted. */
        if (!(w & HUGE_IS) || huge_refs(w) == 0)
            return false;
        new = w - HUGE_IS - maps * (HUGE_MAP + HUGE_REF);
        if (maps != 0)
            new |= HUGE_BUSY;
        if (__atomic_compare_exchange_n(word, &w, new, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            *found = w;
            return true;
        }
    }
}
