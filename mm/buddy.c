/* SPDX-License-Identifier: MIT */
/*
 * buddy.c: free physical memory as blocks of 2^order frames. A block's buddy is the block whose
 * frame number differs in the one bit of the order; two free buddies become one block of the next
 * order. Source: Knuth, TAOCP 1, 2.5.
 *
 * Every operation costs O(orders), however large the block: only the head frame of a free block is
 * marked. What the interior frames say is left over from their last owner. This is enough to find a
 * free buddy: the frame at pfn ^ 2^order is aligned to the order, so if it is free at all it is a
 * head of the same or a lower order (a larger block that contains it would contain ours too).
 *
 * Frames that can be moved and frames that the kernel keeps where they are come from different
 * blocks of a huge page's size (compact.c): each such block belongs to one of the two sorts, and
 * each sort has lists of its own. A sort that has nothing takes from the other: frames that stay
 * take a whole free block over, or all that is free in the block that has the largest piece; frames
 * that can be moved just take the smallest piece. A block that is free as a whole is nobody's: it
 * is on the movable lists. Source: Linux, mm/page_alloc.c (page blocks and migrate types).
 *
 * Does not keep single frames near a CPU, wait for memory or count who uses it: see pcp.c, the
 * layer that all others call.
 *
 * Locks: zone.lock (BUDDY) around everything below.
 * Invariants: I1 kind == PAGE_FREE <=> head of a block on a list of its sort and order, aligned to
 * its order, word 0; I2 two buddies of one order are never both free; I3 blocks do not overlap; I4
 * nr_free is the sum over the lists, bit o of nonempty is set <=> list o is not empty; I5 no block
 * that is free as a whole is the kernel's. Checked by buddy_check (buddy_check.c).
 * Read next: pcp.c.
 */
#include <kernel/printk.h>
#include <kernel/task.h>
#include <mm/memblock.h>
#include "buddy_internal.h"

struct zone zone;

struct page *mem_map, *mem_map_zero;
pfn_t mem_map_first, mem_map_end;

static inline unsigned int log2_floor(unsigned long n)
{
    return 8 * sizeof(long) - 1 - (unsigned int)__builtin_clzl(n);
}

static inline struct sort *lists_of(const struct page *p, unsigned int order)
{
    return &zone.sort[sort_of(p, order)];
}

static inline void area_add(struct sort *s, struct page *p, unsigned int order)
{
    ASSERT(s == lists_of(p, order));
    ASSERT(order < NR_ORDERS && IS_ALIGNED(page_to_pfn(p), 1UL << order));
    ASSERT(p->word == 0);
    p->kind = PAGE_FREE;
    p->order = (u8)order;
    list_add(&p->link, &s->area[order].list);
    s->area[order].nr++;
    s->nonempty |= 1u << order;
}

static inline void area_remove(struct sort *s, struct page *p, unsigned int order)
{
    ASSERT(s == lists_of(p, order));
    ASSERT(p->kind == PAGE_FREE && p->order == order);
    ASSERT(s->area[order].nr != 0 && ((s->nonempty >> order) & 1));
    list_del(&p->link);
    p->kind = PAGE_KERNEL; /* no longer a head: I1 */
    if (--s->area[order].nr == 0)
        s->nonempty &= ~(1u << order);
}

/* Zone lock held. A free block of sort @s, of 2^@have frames, on no list, keeps its first 2^@order.
 */
static inline void cut_block(struct sort *s, struct page *p, unsigned int have, unsigned int order)
{
    while (have > order) {
        have--;
        area_add(s, p + (1UL << have), have);
    }
}

/* Zone lock held. Halves the smallest block of sort @s that is large enough until it fits. */
static struct page *take_from(struct sort *s, unsigned int order)
{
    u32 fits = s->nonempty >> order;
    unsigned int o;
    struct page *p;

    lock_assert_held(&zone.lock);
    if (unlikely(fits == 0))
        return NULL;
    o = order + (unsigned int)__builtin_ctz(fits);
    p = list_first_entry(&s->area[o].list, struct page, link);
    area_remove(s, p, o);
    cut_block(s, p, o, order);
    ASSERT(zone.nr_free >= 1UL << order);
    zone.nr_free -= 1UL << order;
    return p;
}

/* What is free in the block of @p, which is not free as a whole, becomes the kernel's. */
static void take_over_parts(struct page *p)
{
    pfn_t first = page_to_pfn(p) & ~((1UL << zone.block_order) - 1);
    pfn_t end = min(first + (1UL << zone.block_order), mem_map_end);
    pfn_t pfn = max(first, mem_map_first);
    struct list_head heads;

    list_init(&heads);
    while (pfn < end) {
        struct page *head = pfn_to_page(pfn);
        unsigned int order = head->order;

        pfn++;
        if (head->kind != PAGE_FREE)
            continue;
        area_remove(&zone.sort[SORT_MOVABLE], head, order);
        list_add_tail(&head->link, &heads);
        pfn += (1UL << order) - 1;
    }
    set_kernel_block(p, true);
    while (!list_empty(&heads)) {
        struct page *head = list_first_entry(&heads, struct page, link);

        list_del(&head->link);
        area_add(&zone.sort[SORT_KERNEL], head, head->order);
    }
}

/* The kernel's lists have no block of 2^@order, less than a huge page's: they get some. False:
 * there is none. */
static bool take_over(unsigned int order)
{
    struct sort *s = &zone.sort[SORT_MOVABLE];
    u32 whole = s->nonempty >> zone.block_order;
    unsigned int o;
    struct page *p;

    ASSERT(order < zone.block_order);
    if (s->nonempty >> order == 0)
        return false;
    o = whole != 0 ? zone.block_order + (unsigned int)__builtin_ctz(whole)
                   : log2_floor(s->nonempty);
    p = list_first_entry(&s->area[o].list, struct page, link);
    if (whole == 0) {
        take_over_parts(p);
        return true;
    }
    area_remove(s, p, o);
    cut_block(s, p, o, zone.block_order);
    set_kernel_block(p, true);
    s = &zone.sort[SORT_KERNEL];
    area_add(s, p, zone.block_order - 1);
    area_add(s, p + (1UL << (zone.block_order - 1)), zone.block_order - 1);
    return true;
}

/* Zone lock held. @movable: see the head. */
static struct page *take_block(unsigned int order, bool movable)
{
    struct page *p;

    if (order >= zone.block_order)
        return take_from(&zone.sort[SORT_MOVABLE], order);
    p = take_from(&zone.sort[movable ? SORT_MOVABLE : SORT_KERNEL], order);
    if (likely(p != NULL))
        return p;
    if (movable)
        return take_from(&zone.sort[SORT_KERNEL], order);
    return take_over(order) ? take_from(&zone.sort[SORT_KERNEL], order) : NULL;
}

/* The blocks of [p, p + 2^order) are free as a whole now: nobody's (I5). */
static void clear_kernel_blocks(const struct page *p, unsigned int order)
{
    for (unsigned long i = 0; i < 1UL << order; i += 1UL << zone.block_order)
        set_kernel_block(p + i, false);
}

/* Zone lock held. Joins the block with its buddy for as long as that is free too. */
static void give_block(struct page *p, unsigned int order)
{
    struct page *const map = mem_map;
    const pfn_t first = mem_map_first, nr = mem_map_end - first;
    struct sort *s = lists_of(p, order);
    pfn_t pfn = page_to_pfn(p);

    lock_assert_held(&zone.lock);
    ASSERT(order <= BUDDY_MAX_ORDER && IS_ALIGNED(pfn, 1UL << order));
    ASSERT(pfn_valid(pfn) && pfn_valid(pfn + (1UL << order) - 1));
    ASSERT(p->kind != PAGE_FREE); /* given back twice */
    zone.nr_free += 1UL << order;
    if (order >= zone.block_order)
        clear_kernel_blocks(p, order); /* pages in it may have come to be one huge page */
    for (; order < BUDDY_MAX_ORDER; order++) {
        pfn_t buddy = (pfn ^ (1UL << order)) - first; /* index into map */

        if (buddy >= nr || map[buddy].kind != PAGE_FREE || map[buddy].order != order)
            break;
        area_remove(s, &map[buddy], order);
        pfn &= ~(1UL << order);
        if (order + 1 == zone.block_order) {
            set_kernel_block(p, false);
            s = &zone.sort[SORT_MOVABLE];
        }
    }
    area_add(s, &map[pfn - first], order);
}

/* Zone lock held. [p, p + n) as the fewest aligned blocks. */
static void give_run(struct page *p, unsigned long n)
{
    while (n != 0) {
        pfn_t pfn = page_to_pfn(p);
        unsigned int order =
            min((unsigned int)__builtin_ctzl(pfn | 1UL << BUDDY_MAX_ORDER), log2_floor(n));

        give_block(p, order);
        p += 1UL << order;
        n -= 1UL << order;
    }
}

struct page *buddy_alloc_block(unsigned int order, bool movable, u64 keep)
{
    unsigned long flags = spin_lock_irqsave(&zone.lock);
    struct page *p = NULL;

    ASSERT(order <= BUDDY_MAX_ORDER);
    if (zone.nr_free >= keep + (1UL << order))
        p = take_block(order, movable);
    spin_unlock_irqrestore(&zone.lock, flags);
    return p;
}

void buddy_free_block(struct page *p, unsigned int order)
{
    unsigned long flags = spin_lock_irqsave(&zone.lock);

    give_block(p, order);
    spin_unlock_irqrestore(&zone.lock, flags);
}

/* Zone lock held. The lists that single frames come from next, or NULL when there are none; those
 * of the other sort only when there are not @enough. */
static struct sort *sort_with_frames(bool movable, bool enough)
{
    struct sort *s = &zone.sort[movable ? SORT_MOVABLE : SORT_KERNEL];

    if (likely(s->nonempty != 0))
        return s;
    if (enough)
        return NULL;
    if (movable)
        s = &zone.sort[SORT_KERNEL];
    else
        (void)take_over(0);
    return s->nonempty != 0 ? s : NULL;
}

/*
 * Small blocks are used up first, each whole, so that large ones live on. A larger block is cut
 * only while less than half of what was asked for is there: cutting off the odd rest would leave a
 * small block of every order behind.
 */
unsigned int buddy_alloc_bulk(struct page **pages, unsigned int n, bool movable, u64 keep)
{
    unsigned long flags = spin_lock_irqsave(&zone.lock);
    unsigned int got = 0;
    struct sort *s;

    n = zone.nr_free <= keep ? 0 : (unsigned int)min((u64)n, zone.nr_free - keep);
    while (got < n && (s = sort_with_frames(movable, got != 0 && got >= n / 2)) != NULL) {
        unsigned int smallest = (unsigned int)__builtin_ctz(s->nonempty),
                     fits = log2_floor(n - got);
        struct page *p;

        if (smallest > fits && got >= n / 2 && got != 0)
            break;
        fits = min(smallest, fits);
        p = take_from(s, fits);
        ASSERT(p != NULL && got + (1u << fits) <= n);
        for (struct page *f = p + (1UL << fits); f-- > p;) {
            f->kind = PAGE_PCP;
            pages[got++] = f;
        }
    }
    spin_unlock_irqrestore(&zone.lock, flags);
    return got;
}

/* A run may rise or fall: what was allocated rising comes back so from page tables, and falling
 * from a CPU's stack. */
void buddy_free_bulk(struct page **pages, unsigned int n)
{
    unsigned long flags = spin_lock_irqsave(&zone.lock);
    unsigned int i = 0;

    while (i < n) {
        struct page *low = pages[i++], *high = low + 1;

        for (; i < n; i++) {
            if (pages[i] == high)
                high++;
            else if (pages[i] + 1 == low)
                low--;
            else
                break;
        }
        give_run(low, (unsigned long)(high - low));
    }
    spin_unlock_irqrestore(&zone.lock, flags);
}

unsigned long buddy_take_range(struct page *first, unsigned int order, struct list_head *list)
{
    struct page *end = first + (1UL << order), *p = first;
    unsigned long flags = spin_lock_irqsave(&zone.lock), n = 0;

    while (p < end) {
        unsigned long nr = 1;

        if (p->kind == PAGE_FREE && p->order < order) {
            nr = 1UL << p->order;
            area_remove(lists_of(p, p->order), p, p->order);
            for (unsigned long i = 0; i < nr; i++) {
                p[i].kind = PAGE_KERNEL;
                p[i].order = 0;
                list_add_tail(&p[i].link, list);
            }
            zone.nr_free -= nr;
            n += nr;
        }
        p += nr;
    }
    spin_unlock_irqrestore(&zone.lock, flags);
    return n;
}

/* A reserve of 1/128, so that interrupts and those who free memory can go on when it is short. */
static void set_reserve(void)
{
    zone.reserve = min(zone.nr_total / 128, (u64)1024);
}

u64 buddy_keep(gfp_t gfp)
{
    if (current != NULL && (current->flags & (TF_MEMALLOC | TF_OOM_VICTIM)))
        return 0;
    return gfp & GFP_ATOMIC ? zone.reserve / 2 : zone.reserve;
}

void buddy_add_range(pfn_t start, pfn_t end)
{
    unsigned long flags;

    start = max(start, mem_map_first);
    end = min(end, mem_map_end);
    if (start >= end)
        return;
    ASSERT(pfn_to_page(start)->kind == PAGE_RESERVED);
    ASSERT(pfn_to_page(end - 1)->kind == PAGE_RESERVED);
    flags = spin_lock_irqsave(&zone.lock);
    give_run(pfn_to_page(start), end - start);
    zone.nr_total += end - start;
    ASSERT(zone.nr_free <= zone.nr_total);
    set_reserve();
    spin_unlock_irqrestore(&zone.lock, flags);
}

/* memblock hands out zeroed memory and PAGE_RESERVED is 0: frames that never become free need no
 * further setting up. */
void buddy_init(void)
{
    u64 bytes;

    _Static_assert(PAGE_RESERVED == 0, "zeroed struct page is a reserved frame");
    spin_init(&zone.lock, LOCK_BUDDY);
    for (unsigned int o = 0; o < NR_ORDERS; o++)
        for (unsigned int i = 0; i < NR_SORTS; i++)
            list_init(&zone.sort[i].area[o].list);
    mem_map_first = memblock_start() >> PAGE_SHIFT;
    mem_map_end = memblock_end() >> PAGE_SHIFT;
    ASSERT(mem_map_first < mem_map_end);
    bytes = (mem_map_end - mem_map_first) * sizeof(struct page);
    mem_map = phys_to_virt(memblock_alloc(bytes, PAGE_SIZE));
    mem_map_zero = (struct page *)((unsigned long)mem_map - mem_map_first * sizeof(struct page));
    zone.block_order = pt_shift(1) - PAGE_SHIFT;
    zone.kernel_blocks =
        phys_to_virt(memblock_alloc(((mem_map_end >> zone.block_order) / 8 + 8) & ~7UL, 8));
    memblock_for_each_free(buddy_add_range);
    pr_info("memory: %llu KiB free of %llu KiB, %llu KiB of page structures\n",
            (unsigned long long)(zone.nr_free << (PAGE_SHIFT - 10)),
            (unsigned long long)(memblock_total() >> 10), (unsigned long long)(bytes >> 10));
}

u64 buddy_nr_free(void)
{
    return READ_ONCE(zone.nr_free) + pcp_nr_free();
}

u64 buddy_nr_total(void)
{
    return READ_ONCE(zone.nr_total);
}

u64 buddy_nr_free_order(unsigned int order)
{
    u64 n = 0;

    for (unsigned int i = 0; i < NR_SORTS && order < NR_ORDERS; i++)
        n += READ_ONCE(zone.sort[i].area[order].nr);
    return n;
}

u64 buddy_nr_movable_order(unsigned int order)
{
    return order < NR_ORDERS ? READ_ONCE(zone.sort[SORT_MOVABLE].area[order].nr) : 0;
}

enum page_kind page_kind_now(const struct page *p)
{
    pfn_t pfn = page_to_pfn(p);

    for (unsigned int order = 0; order < NR_ORDERS; order++) {
        pfn_t head = pfn & ~((1UL << order) - 1);

        if (!pfn_valid(head))
            break;
        if (pfn_to_page(head)->kind == PAGE_FREE && pfn_to_page(head)->order >= order)
            return PAGE_FREE;
    }
    return p->kind;
}
