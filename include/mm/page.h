/* SPDX-License-Identifier: MIT */
/*
 * page.h: struct page, one per physical frame, and its reference word.
 *
 * The word holds everything that must change together: bit 0 TAIL (part of a huge page, huge.h),
 * bits 1..31 references (PAGE_REF each), bits 32..63 pins (PAGE_PIN each; a pin also holds a
 * reference). 0 means free; with TAIL it never is 0, so a put looks at nothing else. Frames that
 * the kernel itself owns (slab, page tables, kernel stacks) keep the word 0 and are freed by their
 * owner, so that a speculative page_try_get on them fails. No lock in put.
 *
 * Invariants: I1 word == 0 <=> no user of the frame but its kernel owner; I2 a frame in the buddy
 * allocator has word 0, and the head of its block kind PAGE_FREE; I3 mapcount is the number of leaf
 * entries that map the frame, and each of them holds one reference. buddy_check and pt_check test
 * them.
 */
#pragma once
#include <kernel/atomic.h>
#include <kernel/list.h>
#include <kernel/printk.h>
#include <kernel/spinlock.h>

struct mapping;
struct anon_family;
struct mm;
struct kmem_cache;

#define PAGE_TAIL 1ULL
#define PAGE_REF  2ULL
#define PAGE_PIN  (1ULL << 32)

enum page_kind {
    PAGE_RESERVED, /* firmware, kernel image: never allocated */
    PAGE_FREE,     /* in the buddy allocator (head of its block carries the order) */
    PAGE_PCP,      /* on a per-CPU free list */
    PAGE_KERNEL,   /* allocated by the kernel, owner unknown to mm (stacks, buffers) */
    PAGE_SLAB,
    PAGE_TABLE,    /* page table of some address space */
    PAGE_ANON,     /* anonymous memory */
    PAGE_FILE,     /* in a mapping's tree (page cache, shared memory) */
    PAGE_ZERO,     /* the shared zero page, or a huge one */
    PAGE_HUGETLB,  /* part of a huge page of a pool (hugetlb.h) */
    NR_PAGE_KINDS
};

/* flags, changed atomically */
#define PG_DIRTY      (1u << 0)
#define PG_UPTODATE   (1u << 1)
#define PG_LOCKED     (1u << 2) /* page_lock() */
#define PG_WAITERS    (1u << 3) /* somebody sleeps in page_lock() */
#define PG_REFERENCED (1u << 4)
/* anonymous and mapped by one process only: may be written in place */
#define PG_EXCLUSIVE  (1u << 5)
#define PG_LAZYFREE   (1u << 6) /* MADV_FREE: clean means discardable */
#define PG_MLOCKED    (1u << 7)
/* head of a huge page: a subpage was pinned, perhaps is; a page table: likewise, what it maps */
#define PG_HAD_PINS   (1u << 8)
#define PG_HAD_ZEROES (1u << 9) /* page table: an entry maps the zero page, or did */
#define PG_GIB        (1u << 10) /* page table: a leaf stands where its link was (gib.c) */
#define PG_CLOSED     (1u << 11) /* page table: no writes, no pins through it (pt_share_write.c) */
#define PG_FORKED     (1u << 12) /* page table: shared by fork, while it has links */

struct page {
    u64 word;       /* {TAIL, refs, pins}: only through the functions below */
    u32 flags;      /* PG_*, atomic */
    s32 mapcount;   /* leaf entries that map this frame; atomic */
    /* enum page_kind; exact for allocated frames (page_set_kind), in free blocks for the head
     * only */
    u8 kind;
    /* PAGE_FREE heads: block order; PAGE_SLAB, PAGE_KERNEL heads: allocation order; huge pages:
     * their order, in each frame */
    u8 order;
    u8 level;       /* PAGE_TABLE: level of the table */
    u8 zone;
    u32 private;
    union {
        /* PAGE_FILE: owner and index in pages; PAGE_ANON: who may map it (rmap.h), and the index
         * in its areas. A huge page: of its head */
        struct { union { struct mapping *mapping; struct anon_family *family; }; u64 index; };
        /* PAGE_TABLE: owner, non-empty entries [ptl], share count; or, waiting under a huge leaf
         * (link is the leaf's list then), the leaf's address */
        struct { struct mm *pt_mm; union { struct { u32 pt_used; u32 pt_shared; }; u64 pt_va; }; };
        struct { struct kmem_cache *slab_cache; void *slab_free; }; /* PAGE_SLAB */
    };
    union {
        struct list_head link;  /* free list, slab list, LRU: by kind */
        /* PAGE_TABLE: lock of its entries; MMU's own word (VSID) */
        struct { spinlock_t ptl; u64 pt_private; };
    };
    union {
        u64 spare;
        struct { u32 slab_inuse, slab_total; }; /* PAGE_SLAB heads; link is the cache's list */
    };
};
_Static_assert(sizeof(struct page) == 64, "one cache line per frame");

extern struct page *mem_map; /* indexed by pfn - mem_map_first */
extern pfn_t mem_map_first, mem_map_end;
extern struct page *mem_map_zero; /* where frame 0 would be: one step less for each conversion */

static inline bool pfn_valid(pfn_t pfn)
{
    return pfn >= mem_map_first && pfn < mem_map_end;
}
static inline struct page *pfn_to_page(pfn_t pfn)
{
    return mem_map_zero + pfn;
}
static inline pfn_t page_to_pfn(const struct page *p)
{
    return ((unsigned long)p - (unsigned long)mem_map_zero) / sizeof(*p);
}
static inline paddr_t page_to_phys(const struct page *p)
{
    return (paddr_t)page_to_pfn(p) << PAGE_SHIFT;
}
/* Through the direct map; arch provides phys_to_virt/virt_to_phys in <asm/quire_mmu_const.h>
 * (included by arch/mmu_const.h). */
#include <arch/mmu_const.h>
static inline void *page_to_virt(const struct page *p)
{
    return phys_to_virt(page_to_phys(p));
}
static inline struct page *virt_to_page(const void *v)
{
    return pfn_to_page((pfn_t)(virt_to_phys(v) >> PAGE_SHIFT));
}

static inline u32 page_refs(const struct page *p)
{
    return (u32)(__atomic_load_n(&p->word, __ATOMIC_RELAXED) & 0xfffffffeu) >> 1;
}
static inline u32 page_pins(const struct page *p)
{
    return (u32)(__atomic_load_n(&p->word, __ATOMIC_RELAXED) >> 32);
}
/* Caller already holds a reference: never 0 -> 1. */
static inline void page_get(struct page *p)
{
    ASSERT(p->word != 0);
    (void)__atomic_fetch_add(&p->word, PAGE_REF, __ATOMIC_RELAXED);
}
static inline void page_get_n(struct page *p, u32 n)
{
    ASSERT(p->word != 0);
    (void)__atomic_fetch_add(&p->word, n * PAGE_REF, __ATOMIC_RELAXED);
}
/* Speculative: false when the word is 0, or TAIL (its references belong to the head). Acquire: what
 * the caller reads from the page after success is at least as new as what made the word not 0. */
static inline bool page_try_get(struct page *p)
{
    u64 w = __atomic_load_n(&p->word, __ATOMIC_RELAXED);

    while (likely(w != 0 && !(w & PAGE_TAIL)))
        if (__atomic_compare_exchange_n(&p->word, &w, w + PAGE_REF, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}
/* Called when the last reference went: returns the frame by its kind. */
void page_free_last(struct page *p);
/* Gives @units (PAGE_REF, or PAGE_REF | PAGE_PIN) back. Earlier accesses to the page are ordered
 * before (release), the freeing after (acquire): on POWER lwsync before, isync/lwsync behind. */
static inline void page_put_units(struct page *p, u64 units)
{
    u64 left = __atomic_sub_fetch(&p->word, units, __ATOMIC_RELEASE);

    /* There were so many; but of a huge page that is just being split, what the parts get may come
     * later (huge_release_pages takes PAGE_TAIL away with it). */
    ASSERT((left & PAGE_TAIL) ||
           ((u32)(left + units) >= PAGE_REF && (left + units) >> 32 >= units >> 32));
    if (unlikely(left == 0)) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        page_free_last(p);
    }
}
static inline void page_put(struct page *p)
{
    page_put_units(p, PAGE_REF);
}
/* huge.c: before a subpage is pinned. */
void huge_note_pin(struct page *p);
/* The frame whose word counts for @p: itself, or the first of the block that it is a tail of
 * (pages of a pool, hugetlb.h; subpages of a huge page, order 0, count for themselves). The caller
 * has a reference, or the lock of an entry that maps it; without, it looks again afterwards. */
static inline struct page *page_head(const struct page *p)
{
    if (unlikely(READ_ONCE(p->word) & PAGE_TAIL))
        p -= page_to_pfn(p) & ((1UL << p->order) - 1);
    return (struct page *)(unsigned long)p;
}
/* Caller holds a reference, or the table's lock of a leaf that maps @p. */
static inline void page_pin(struct page *p)
{
    p = page_head(p);
    if (unlikely(READ_ONCE(p->word) & PAGE_TAIL))
        huge_note_pin(p);
    (void)__atomic_fetch_add(&p->word, PAGE_REF | PAGE_PIN, __ATOMIC_RELAXED);
}
/* Lockless: false when the word is 0. The caller looks at the entry again (huge.h says how). */
static inline bool page_try_pin(struct page *p)
{
    u64 w;

    p = page_head(p);
    w = __atomic_load_n(&p->word, __ATOMIC_RELAXED);

    while (likely(w != 0)) {
        if (unlikely(w & PAGE_TAIL))
            huge_note_pin(p);
        if (__atomic_compare_exchange_n(&p->word, &w, w + PAGE_REF + PAGE_PIN, true,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return true;
    }
    return false;
}
static inline void page_unpin(struct page *p)
{
    page_put_units(page_head(p), PAGE_REF | PAGE_PIN);
}
static inline bool page_test(const struct page *p, u32 flag)
{
    return (READ_ONCE(p->flags) & flag) != 0;
}
static inline void page_set(struct page *p, u32 flag)
{
    atomic_or_u32(&p->flags, flag);
}
static inline void page_clear(struct page *p, u32 flag)
{
    atomic_and_u32(&p->flags, ~flag);
}
/* The owner changes what an allocated frame is used for; keeps page_nr_kind right. */
void page_set_kind(struct page *p, enum page_kind kind);
/* What the frame is now, also for frames inside free blocks, whose own kind is left over. For those
 * who look at frames by number; a glance without a lock. */
enum page_kind page_kind_now(const struct page *p);
/* Frames of this kind now, whole system: for /proc/meminfo. */
u64 page_nr_kind(enum page_kind kind);
static inline s32 page_mapcount(const struct page *p)
{
    return READ_ONCE(p->mapcount);
}
