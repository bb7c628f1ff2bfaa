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
 * Does not keep single frames near a CPU, wait for memory or count who uses it: see pcp.c, the
 * layer that all others call.
 *
 * Locks: zone.lock (BUDDY) around everything below.
 * Invariants: I1 kind == PAGE_FREE <=> head of a block on area[order].list, aligned to its order,
 * word 0; I2 two buddies of one order are never both free; I3 blocks do not overlap; I4 nr_free is
 * the sum over the lists, bit o of nonempty is set <=> list o is not empty. Checked by buddy_check.
 * Read next: pcp.c.
 */
#include <kernel/printk.h>
#include <kernel/task.h>
#include <mm/memblock.h>
#include "internal.h"

#define NR_ORDERS (BUDDY_MAX_ORDER + 1)

struct free_area {
    struct list_head list; /* heads, through page->link */
    u64 nr;                /* blocks */
};

static struct zone {
    spinlock_t lock;
    u32 nonempty; /* bit per order: O(1) search */
    u64 nr_free;  /* frames on the lists */
    u64 nr_total; /* frames ever added */
    u64 reserve;  /* frames that ordinary allocations leave alone */
    struct free_area area[NR_ORDERS];
} zone;

struct page *mem_map;
pfn_t mem_map_first, mem_map_end;

static inline unsigned int log2_floor(unsigned long n)
{
    return 8 * sizeof(long) - 1 - (unsigned int)__builtin_clzl(n);
}

static inline void area_add(struct page *p, unsigned int order)
{
    struct free_area *a = &zone.area[order];

    ASSERT(order < NR_ORDERS && IS_ALIGNED(page_to_pfn(p), 1UL << order));
    ASSERT(p->word == 0);
    p->kind = PAGE_FREE;
    p->order = (u8)order;
    list_add(&p->link, &a->list);
    a->nr++;
    zone.nonempty |= 1u << order;
}

static inline void area_remove(struct page *p, unsigned int order)
{
    struct free_area *a = &zone.area[order];

    ASSERT(p->kind == PAGE_FREE && p->order == order);
    ASSERT(a->nr != 0 && ((zone.nonempty >> order) & 1));
    list_del(&p->link);
    p->kind = PAGE_KERNEL; /* no longer a head: I1 */
    if (--a->nr == 0)
        zone.nonempty &= ~(1u << order);
}

/* Zone lock held. Halves the smallest block that is large enough until it fits. */
static struct page *take_block(unsigned int order)
{
    u32 fits = zone.nonempty >> order;
    unsigned int o;
    struct page *p;

    lock_assert_held(&zone.lock);
    if (unlikely(fits == 0))
        return NULL;
    o = order + (unsigned int)__builtin_ctz(fits);
    p = list_first_entry(&zone.area[o].list, struct page, link);
    area_remove(p, o);
    while (o > order) {
        o--;
        area_add(p + (1UL << o), o);
    }
    ASSERT(zone.nr_free >= 1UL << order);
    zone.nr_free -= 1UL << order;
    return p;
}

/* Zone lock held. Joins the block with its buddy for as long as that is free too. */
static void give_block(struct page *p, unsigned int order)
{
    struct page *const map = mem_map;
    const pfn_t first = mem_map_first, nr = mem_map_end - first;
    pfn_t pfn = page_to_pfn(p);

    lock_assert_held(&zone.lock);
    ASSERT(order <= BUDDY_MAX_ORDER && IS_ALIGNED(pfn, 1UL << order));
    ASSERT(pfn_valid(pfn) && pfn_valid(pfn + (1UL << order) - 1));
    ASSERT(p->kind != PAGE_FREE); /* given back twice */
    zone.nr_free += 1UL << order;
    for (; order < BUDDY_MAX_ORDER; order++) {
        pfn_t buddy = (pfn ^ (1UL << order)) - first; /* index into map */

        if (buddy >= nr || map[buddy].kind != PAGE_FREE || map[buddy].order != order)
            break;
        area_remove(&map[buddy], order);
        pfn &= ~(1UL << order);
    }
    area_add(&map[pfn - first], order);
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

struct page *buddy_alloc_block(unsigned int order, u64 keep)
{
    unsigned long flags = spin_lock_irqsave(&zone.lock);
    struct page *p = NULL;

    ASSERT(order <= BUDDY_MAX_ORDER);
    if (zone.nr_free >= keep + (1UL << order))
        p = take_block(order);
    spin_unlock_irqrestore(&zone.lock, flags);
    return p;
}

void buddy_free_block(struct page *p, unsigned int order)
{
    unsigned long flags = spin_lock_irqsave(&zone.lock);

    give_block(p, order);
    spin_unlock_irqrestore(&zone.lock, flags);
}

/*
 * Small blocks are used up first, each whole, so that large ones live on. A larger block is cut
 * only while less than half of what was asked for is there: cutting off the odd rest would leave a
 * small block of every order behind.
 */
unsigned int buddy_alloc_bulk(struct page **pages, unsigned int n, u64 keep)
{
    unsigned long flags = spin_lock_irqsave(&zone.lock);
    unsigned int got = 0;

    n = zone.nr_free <= keep ? 0 : (unsigned int)min((u64)n, zone.nr_free - keep);
    while (got < n && zone.nonempty != 0) {
        unsigned int smallest = (unsigned int)__builtin_ctz(zone.nonempty),
                     fits = log2_floor(n - got);
        struct page *p;

        if (smallest > fits && got >= n / 2 && got != 0)
            break;
        fits = min(smallest, fits);
        p = take_block(fits);
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
            area_remove(p, p->order);
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
        list_init(&zone.area[o].list);
    mem_map_first = memblock_start() >> PAGE_SHIFT;
    mem_map_end = memblock_end() >> PAGE_SHIFT;
    ASSERT(mem_map_first < mem_map_end);
    bytes = (mem_map_end - mem_map_first) * sizeof(struct page);
    mem_map = phys_to_virt(memblock_alloc(bytes, PAGE_SIZE));
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
    return order < NR_ORDERS ? READ_ONCE(zone.area[order].nr) : 0;
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

/* Zone lock held. One head: I1 and I2. */
static int check_head(struct page *p, unsigned int order)
{
    pfn_t pfn = page_to_pfn(p), buddy = pfn ^ (1UL << order);
    struct page *b = pfn_to_page(buddy);
    int bad = 0;

    if (p->kind != PAGE_FREE || p->order != order || p->word != 0 ||
        !IS_ALIGNED(pfn, 1UL << order)) {
        pr_err("buddy: frame 0x%lx on list %u: kind %u, order %u, word 0x%llx\n", pfn, order,
               p->kind, p->order, (unsigned long long)p->word);
        bad++;
    }
    if (order < BUDDY_MAX_ORDER && pfn_valid(buddy) && b->kind == PAGE_FREE && b->order == order) {
        pr_err("buddy: blocks 0x%lx and 0x%lx of order %u are both free\n", pfn, buddy, order);
        bad++;
    }
    return bad;
}

/* Zone lock held. The lists against their counts: I4. */
static int check_lists(u64 *nr_heads)
{
    u64 frames = 0;
    int bad = 0;

    for (unsigned int o = 0; o < NR_ORDERS; o++) {
        struct page *p;
        u64 n = 0;

        list_for_each_entry(p, &zone.area[o].list, link) {
            bad += check_head(p, o);
            n++;
        }
        if (n != zone.area[o].nr || (n != 0) != ((zone.nonempty >> o) & 1)) {
            pr_err("buddy: list %u has %llu blocks, its count says %llu\n", o,
                   (unsigned long long)n, (unsigned long long)zone.area[o].nr);
            bad++;
        }
        *nr_heads += n;
        frames += n << o;
    }
    if (frames != zone.nr_free) {
        pr_err("buddy: %llu frames on the lists, %llu counted\n", (unsigned long long)frames,
               (unsigned long long)zone.nr_free);
        bad++;
    }
    return bad;
}

/* Zone lock held. Every frame in order: a head inside a block is an overlap, I3; one on no list
 * breaks I1. */
static int check_frames(u64 nr_heads)
{
    pfn_t block_end = 0;
    int bad = 0;

    for (pfn_t pfn = mem_map_first; pfn < mem_map_end; pfn++) {
        struct page *p = pfn_to_page(pfn);

        if (p->kind != PAGE_FREE)
            continue;
        if (pfn < block_end) {
            pr_err("buddy: free block 0x%lx lies inside another one\n", pfn);
            bad++;
        }
        block_end = max(block_end, pfn + (1UL << p->order));
        nr_heads--;
    }
    if (nr_heads != 0) {
        pr_err("buddy: frames marked free and blocks on lists differ by %lld\n",
               (long long)nr_heads);
        bad++;
    }
    return bad;
}

int buddy_check(void)
{
    unsigned long flags = spin_lock_irqsave(&zone.lock);
    u64 nr_heads = 0;
    int bad = check_lists(&nr_heads);

    bad += check_frames(nr_heads);
    spin_unlock_irqrestore(&zone.lock, flags);
    return bad + pcp_check();
}
