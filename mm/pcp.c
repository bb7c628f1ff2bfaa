/* SPDX-License-Identifier: MIT */
/*
 * pcp.c: the page allocator that everybody calls. In front of the buddy allocator each CPU has a
 * stack of free frames; the buddy's lock is taken once per batch. Behind it stands what to do when
 * memory is short.
 *
 * A frame that was freed last is allocated first: it is still in the CPU's cache. When a stack is
 * full its oldest batch goes back. There are two stacks: pages that compaction can move, and frames
 * that the kernel keeps where they are. Each is filled a batch of neighbours at a time, from blocks
 * of its sort (buddy.c), so that page tables share few huge frames among them.
 * Allocation by interrupt handlers is allowed, so a stack is touched with interrupts off.
 *
 * Locks: none; a CPU's stack is its own, interrupts off. Others ask it by IPI (buddy_drain_pcp).
 * Invariants: I1 frames on a stack have kind PAGE_PCP and word 0; I2 the number of frames of a kind
 * is the sum over CPUs of allocated[kind] - freed[kind] (a frame may be freed on another CPU, so
 * one CPU's difference says nothing).
 * Checked by pcp_check (part of buddy_check) and tests/kernel/mm/buddy_ktest.c.
 * Read next: buddy.c, page.c; oom.c for the last resort.
 */
#include <kernel/fail.h>
#include <kernel/printk.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <mm/compact.h>
#include <mm/slab.h>
#include <mm/thp.h>
#include <mm/vmalloc.h>
#include <asm/quire_page.h>
#include "internal.h"

#define PCP_BATCH 32
#define PCP_HIGH  128
_Static_assert(PCP_BATCH < PCP_HIGH, "a full stack is not emptied by one batch");
/* larger blocks may be missing with plenty of memory free: killing would not help */
#define MAX_OOM_ORDER 3
/* blocks made free by moving pages that may be lost to others before one is had */
#define COMPACT_TRIES 3

struct stack {
    unsigned int nr;
    struct page *pages[PCP_HIGH]; /* the last one is taken first */
};

struct pcp {
    struct stack stack[2]; /* 1: what can be moved */
    u64 allocated[NR_PAGE_KINDS], freed[NR_PAGE_KINDS]; /* frames, since boot, by this CPU */
} __aligned(4096); /* a power of two: its address is one shift away */

static DEFINE_PER_CPU(struct pcp, pcps);

/* Can frames of that kind be moved? */
static __always_inline bool is_movable(unsigned int kind)
{
    return ((1u << PAGE_ANON | 1u << PAGE_FILE) >> kind) & 1;
}

static __always_inline struct stack *stack_of(struct pcp *pcp, unsigned int kind)
{
    return &pcp->stack[is_movable(kind)];
}

/* What must hold for a block that is given back. */
static void assert_unused(const struct page *p, unsigned int order)
{
    for (unsigned int i = 0; i < (1u << order); i++) {
        ASSERT(p[i].word == 0);
        ASSERT(p[i].kind != PAGE_FREE && p[i].kind != PAGE_PCP && p[i].kind != PAGE_ZERO);
        ASSERT(p[i].kind == p->kind);
        ASSERT(page_mapcount(&p[i]) == 0); /* I3 of page.h */
        ASSERT(!page_test(&p[i], PG_LOCKED));
    }
}

void page_shrink_caches(void)
{
    thp_shrink();
    vmalloc_shrink();
    slab_shrink();
    buddy_drain_pcp();
}

/*
 * Makes memory free, in rising order of cost; true when it is worth another try. @attempt counts
 * the tries so far. Caches are given back before anybody is killed.
 */
static bool reclaim(unsigned int order, gfp_t gfp, unsigned int attempt)
{
    if (gfp & (GFP_ATOMIC | GFP_NORECLAIM))
        return false;
    if (attempt == 0) {
        buddy_drain_pcp();
        return true;
    }
    if (attempt == 1) {
        page_shrink_caches();
        return true;
    }
    if (order != 0 && attempt < 2 + COMPACT_TRIES && compact_direct(order, gfp))
        return true;
    if ((gfp & GFP_NOOOM) || order > MAX_OOM_ORDER)
        return false;
    return oom_out_of_memory(order, gfp);
}

/* Takes a frame from this CPU's stack; NULL when it is empty. */
static __always_inline struct page *stack_take(enum page_kind kind)
{
    unsigned long flags = irq_save();
    struct pcp *pcp = &this_cpu_var(pcps);
    struct stack *s = stack_of(pcp, kind);
    unsigned int nr = s->nr;
    struct page *p = NULL;

    ASSERT(nr <= PCP_HIGH);
    if (likely(nr != 0)) {
        s->nr = --nr;
        p = s->pages[nr];
        pcp->allocated[kind]++;
    }
    irq_restore(flags);
    return p;
}

static __noinline struct page *refill_and_take(enum page_kind kind, gfp_t gfp)
{
    for (unsigned int attempt = 0;; attempt++) {
        unsigned long flags = irq_save();
        struct stack *s = stack_of(&this_cpu_var(pcps), kind);
        struct page *p;

        if (s->nr == 0)
            s->nr = buddy_alloc_bulk(s->pages, PCP_BATCH, is_movable(kind), buddy_keep(gfp));
        irq_restore(flags);
        p = stack_take(kind);
        if (p != NULL)
            return p;
        if (!reclaim(0, gfp, attempt))
            return NULL;
    }
}

/* Before an allocation: false when it must fail because a test wants so. */
static __always_inline bool may_allocate(gfp_t gfp)
{
    if (!(gfp & GFP_ATOMIC))
        might_sleep();
    return (gfp & GFP_NOFAIL_INJECT) || !should_fail(FAIL_PAGE);
}

/*
 * A frame as a new owner expects it. The word comes after the fields: page_try_get may be looking
 * at the frame. The ordinary case is a straight line that calls nothing; each other one ends in a
 * call.
 */
static __always_inline struct page *prepare_frame(struct page *p, enum page_kind kind, u64 word)
{
    page_unpoison(p, 0);
    ASSERT(p->word == 0 && p->kind == PAGE_PCP);
    ASSERT(kind > PAGE_PCP && kind < NR_PAGE_KINDS);
    p->flags = 0;
    p->mapcount = 0;
    p->kind = (u8)kind;
    p->order = 0;
    __atomic_store_n(&p->word, word, __ATOMIC_RELEASE);
    return p;
}

static __noinline struct page *take_frame_slow(enum page_kind kind, gfp_t gfp, u64 word)
{
    struct page *p = stack_take(kind);

    if (p == NULL)
        p = refill_and_take(kind, gfp);
    if (p == NULL)
        return NULL;
    if (gfp & GFP_ZERO) {
        page_unpoison(p, 0);
        clear_page(page_to_virt(p));
    }
    return prepare_frame(p, kind, word);
}

static __always_inline struct page *take_frame(enum page_kind kind, gfp_t gfp, u64 word)
{
    struct page *p;

    if (!may_allocate(gfp))
        return NULL;
    if (gfp & GFP_ZERO)
        return take_frame_slow(kind, gfp, word);
    p = stack_take(kind);
    if (unlikely(p == NULL))
        return take_frame_slow(kind, gfp, word);
    return prepare_frame(p, kind, word);
}

struct page *page_alloc(enum page_kind kind, gfp_t gfp)
{
    return take_frame(kind, gfp, PAGE_REF);
}

static void count_block(enum page_kind kind, unsigned int order, bool freed)
{
    unsigned long flags = irq_save();
    struct pcp *pcp = &this_cpu_var(pcps);

    if (freed)
        pcp->freed[kind] += 1UL << order;
    else
        pcp->allocated[kind] += 1UL << order;
    irq_restore(flags);
}

static struct page *take_block(unsigned int order, enum page_kind kind, gfp_t gfp)
{
    if (order > BUDDY_MAX_ORDER || !may_allocate(gfp))
        return NULL;
    for (unsigned int attempt = 0;; attempt++) {
        struct page *p = buddy_alloc_block(order, is_movable(kind), buddy_keep(gfp));

        if (p != NULL || !reclaim(order, gfp, attempt))
            return p;
    }
}

static __always_inline struct page *prepare_block(unsigned int order, enum page_kind kind,
                                                  u64 word, gfp_t gfp)
{
    struct page *p = take_block(order, kind, gfp);

    if (p == NULL)
        return NULL;
    ASSERT(IS_ALIGNED(page_to_pfn(p), 1UL << order) && p->word == 0);
    ASSERT(kind > PAGE_PCP && kind < NR_PAGE_KINDS);
    page_unpoison(p, order);
    count_block(kind, order, false);
    for (unsigned long i = 0; i < (1UL << order); i++) {
        p[i].flags = 0;
        p[i].mapcount = 0;
        p[i].kind = (u8)kind;
        p[i].order = 0;
        if (word != 0)
            __atomic_store_n(&p[i].word, word, __ATOMIC_RELEASE);
    }
    if (gfp & GFP_ZERO) {
        char *at = page_to_virt(p), *end = at + (PAGE_SIZE << order);

        for (; at < end; at += PAGE_SIZE)
            clear_page(at);
    }
    return p;
}

struct page *alloc_frames(unsigned int order, enum page_kind kind, u64 word, gfp_t gfp)
{
    return order == 0 ? take_frame(kind, gfp, word) : prepare_block(order, kind, word, gfp);
}

unsigned int alloc_frames_bulk(struct page **pages, unsigned int n, enum page_kind kind, gfp_t gfp)
{
    unsigned int may = 0, got;
    unsigned long flags;

    while (may < n && may_allocate(gfp))
        may++;
    got = buddy_alloc_bulk(pages, may, is_movable(kind), buddy_keep(gfp));
    ASSERT(got <= may);
    flags = irq_save();
    this_cpu_var(pcps).allocated[kind] += got;
    irq_restore(flags);
    for (unsigned int i = 0; i < got; i++)
        (void)prepare_frame(pages[i], kind, 0);
    return got;
}

static __noinline struct page *alloc_block(unsigned int order, gfp_t gfp)
{
    struct page *p = prepare_block(order, PAGE_KERNEL, 0, gfp);

    if (p == NULL)
        return NULL;
    p->order = (u8)order;
    return p;
}

struct page *alloc_pages(unsigned int order, gfp_t gfp)
{
    return order == 0 ? take_frame(PAGE_KERNEL, gfp, 0) : alloc_block(order, gfp);
}

/* Interrupts off. The oldest batch goes back to the buddy allocator. */
static void drain_oldest(struct stack *s)
{
    unsigned int n = min(s->nr, (unsigned int)PCP_BATCH);

    ASSERT(!irqs_enabled());
    buddy_free_bulk(s->pages, n);
    s->nr -= n;
    memmove(s->pages, s->pages + n, s->nr * sizeof(s->pages[0]));
}

/* Interrupts off, the stack is not full. */
static __always_inline void stack_give(struct pcp *pcp, struct stack *s, struct page *p)
{
    unsigned int nr = s->nr;

    ASSERT(nr < PCP_HIGH && !irqs_enabled());
    pcp->freed[p->kind]++;
    p->kind = PAGE_PCP;
    s->pages[nr] = p;
    s->nr = nr + 1;
}

static __noinline void give_frame_full(struct page *p)
{
    unsigned long flags = irq_save();
    struct pcp *pcp = &this_cpu_var(pcps);
    struct stack *s = stack_of(pcp, p->kind);

    if (s->nr == PCP_HIGH)
        drain_oldest(s);
    stack_give(pcp, s, p);
    irq_restore(flags);
}

static __always_inline void give_frame(struct page *p)
{
    unsigned long flags;
    struct stack *s;
    struct pcp *pcp;

    assert_unused(p, 0);
    page_poison(p, 0);
    flags = irq_save();
    pcp = &this_cpu_var(pcps);
    s = stack_of(pcp, p->kind);
    if (unlikely(s->nr == PCP_HIGH)) {
        irq_restore(flags);
        give_frame_full(p);
        return;
    }
    stack_give(pcp, s, p);
    irq_restore(flags);
}

static __noinline void free_block(struct page *p, unsigned int order)
{
    ASSERT(order <= BUDDY_MAX_ORDER && IS_ALIGNED(page_to_pfn(p), 1UL << order));
    assert_unused(p, order);
    page_poison(p, order);
    count_block(p->kind, order, true);
    buddy_free_block(p, order);
}

void free_pages(struct page *p, unsigned int order)
{
    if (unlikely(order != 0))
        free_block(p, order);
    else
        give_frame(p);
}

void free_pages_bulk(struct page **pages, unsigned int n)
{
    unsigned long flags;
    struct pcp *pcp;

    if (n < PCP_BATCH) {
        for (unsigned int i = 0; i < n; i++)
            give_frame(pages[i]);
        return;
    }
    for (unsigned int i = 0; i < n; i++) {
        assert_unused(pages[i], 0);
        page_poison(pages[i], 0);
    }
    flags = irq_save();
    pcp = &this_cpu_var(pcps);
    for (unsigned int i = 0; i < n; i++)
        pcp->freed[pages[i]->kind]++;
    irq_restore(flags);
    buddy_free_bulk(pages, n);
}

void page_set_kind(struct page *p, enum page_kind kind)
{
    unsigned long flags = irq_save();
    struct pcp *pcp = &this_cpu_var(pcps);

    ASSERT(kind < NR_PAGE_KINDS && kind != PAGE_FREE && kind != PAGE_PCP);
    ASSERT(p->kind != PAGE_FREE && p->kind != PAGE_PCP);
    pcp->allocated[p->kind]--;
    pcp->allocated[kind]++;
    p->kind = (u8)kind;
    irq_restore(flags);
}

u64 page_nr_kind(enum page_kind kind)
{
    u64 n = 0;

    for (unsigned int c = 0; c < NR_CPUS; c++)
        n += READ_ONCE(per_cpu(pcps, c).allocated[kind]) - READ_ONCE(per_cpu(pcps, c).freed[kind]);
    return (s64)n < 0 ? 0 : n; /* read while others count */
}

void page_counts(u64 *nr_allocated, u64 *nr_freed)
{
    *nr_allocated = *nr_freed = 0;
    for (unsigned int c = 0; c < NR_CPUS; c++) {
        for (unsigned int k = 0; k < NR_PAGE_KINDS; k++) {
            *nr_allocated += READ_ONCE(per_cpu(pcps, c).allocated[k]);
            *nr_freed += READ_ONCE(per_cpu(pcps, c).freed[k]);
        }
    }
}

u64 pcp_nr_free(void)
{
    u64 n = 0;

    for (unsigned int c = 0; c < NR_CPUS; c++)
        n += READ_ONCE(per_cpu(pcps, c).stack[0].nr) + READ_ONCE(per_cpu(pcps, c).stack[1].nr);
    return n;
}

/* On the CPU whose stack it is. */
static void drain_this_cpu(void *unused)
{
    unsigned long flags = irq_save();

    for (unsigned int i = 0; i < 2; i++) {
        struct stack *s = &this_cpu_var(pcps).stack[i];

        buddy_free_bulk(s->pages, s->nr);
        s->nr = 0;
    }
    irq_restore(flags);
}

unsigned long take_free_range(struct page *first, unsigned int order, struct list_head *list)
{
    unsigned long n = buddy_take_range(first, order, list);
    unsigned long flags = irq_save();
    struct page *p;

    this_cpu_var(pcps).allocated[PAGE_KERNEL] += n;
    irq_restore(flags);
    list_for_each_entry (p, list, link)
        page_unpoison(p, 0);
    return n;
}

void buddy_drain_pcp(void)
{
    smp_call_on(online_cpus(), drain_this_cpu, NULL);
}

static void check_stack(const struct stack *s, int *bad)
{
    for (unsigned int i = 0; i < s->nr; i++) {
        const struct page *p = s->pages[i];

        if (p->kind == PAGE_PCP && p->word == 0)
            continue;
        pr_err("pcp: frame 0x%lx on CPU %u's stack: kind %u, word 0x%llx\n", page_to_pfn(p),
               smp_processor_id(), p->kind, (unsigned long long)p->word);
        (void)__atomic_fetch_add(bad, 1, __ATOMIC_RELAXED);
    }
}

static void check_this_cpu(void *bad)
{
    unsigned long flags = irq_save();

    check_stack(&this_cpu_var(pcps).stack[0], bad);
    check_stack(&this_cpu_var(pcps).stack[1], bad);
    irq_restore(flags);
}

int pcp_check(void)
{
    int bad = 0;

    smp_call_on(online_cpus(), check_this_cpu, &bad);
    return bad;
}
