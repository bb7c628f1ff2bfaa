/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the files of ppc64's two MMUs say to each other only.
 *
 * Names: hpt_ the hash table itself; seg_ segment numbers (VSIDs); slb_ the CPU's table of
 * segments; hash_ what joins the software tree and these three; radix_ the other MMU.
 */
#pragma once
#include <arch/current.h>
#include <arch/mmu.h>
#include <asm/quire_hpt.h>
#include <kernel/printk.h>

/* cpu->arch[]: 0 to 3 are this folder's. */
#define CPU_ARCH_WALKS  0 /* hash_walk.c: walks begun and ended */
#define CPU_ARCH_EVENTS 1 /* hpt.c: address of this CPU's counts */

/* mmu.c */
/* One round of calls: every CPU in mm->cpus that must flush runs @local(arg), interrupts off. */
void ppc_flush_round(struct mm *mm, void (*local)(void *), void *arg);

/* ---- hpt.c: entries by what they translate, whatever slot they are in ---- */

/* Bits of an entry's first word, and of the copy of it that this file keeps. */
#define HPTE_V       1UL
#define HPTE_H       2UL         /* it sits in its secondary group */
#define HPTE_L       4UL         /* page larger than 4 KiB */
#define HPTE_BOLTED  16UL        /* software: is not evicted */
#define HPTE_LEAVING 32UL        /* software, in the copy only: in a batch; always with BOLTED */
#define HPTE_1T      (1UL << 62) /* of a segment of 1 TiB: the kernel's */
/* Bits of the second word. */
#define HPTE_N       0x004UL
#define HPTE_C       0x080UL
#define HPTE_R       0x100UL
#define HPTE_PP0     (1UL << 63)
#define HPTE_M       0x010UL          /* cacheable memory: what the hypervisor accepts for RAM */
#define HPTE_IG      0x028UL          /* uncached, guarded: what it accepts for devices */
#define HPTE_PP_NONE 0UL              /* storage key 0 reads and writes, key 1 has no access */
#define HPTE_PP_RW   1UL              /* key 0 reads and writes, key 1 reads */
#define HPTE_PP_RO   3UL              /* both read */
#define HPTE_PP_KRO  (HPTE_PP0 | 2UL) /* key 0 reads, key 1 has no access */

/* A translation's name in the table: the first word without HPTE_H, and the hash. */
struct hpt_key {
    u64 v, hash;
};
/* @base: log2 of the segment's base page size, which is also the entry's page size. @big: segment
 * of 1 TiB. */
static inline struct hpt_key hpt_key(u64 vsid, vaddr_t ea, unsigned int base, bool big)
{
    u64 offset = ea & ((1UL << (big ? 40 : 28)) - 1), page = offset >> base;
    struct hpt_key k;

    k.v = (vsid << (big ? 24 : 12)) | (((page << base) >> 16) & ~0x7fUL) | HPTE_V;
    if (big)
        k.v |= HPTE_1T;
    if (base != PAGE_SHIFT)
        k.v |= HPTE_L;
    k.hash = vsid ^ page ^ (big ? vsid << 25 : 0);
    return k;
}
static inline u64 hpt_protection(pt_prot_t prot)
{
    u64 pp;

    if (prot & PT_U)
        pp = prot & PT_W ? HPTE_PP_RW : HPTE_PP_RO;
    else
        pp = prot & PT_W ? HPTE_PP_NONE : HPTE_PP_KRO;
    return pp | (prot & PT_X ? 0 : HPTE_N);
}
/* Second word: address, size, memory type, permissions, R and C set as @state says. */
/* Page sizes here are all equal to their segment's base size; only 64 KiB needs a bit for that. */
static inline u64 hpt_second_word(paddr_t pa, unsigned int base, pt_prot_t prot, unsigned int state)
{
    u64 r = (pa & ~((1UL << base) - 1)) | hpt_protection(prot);

    r |= base == 16 ? 1UL << 12 : 0;
    r |= prot & PT_NC ? HPTE_IG : HPTE_M;
    r |= (state & PT_YOUNG ? HPTE_R : 0) | (state & PT_DIRTY ? HPTE_C : 0);
    return r;
}

void hpt_init(unsigned int log2_bytes);
void hpt_init_cpu(void); /* hpt_init does it for its own */
/* Puts the translation in, in place of an older one of the same name; evicts another when both
 * groups are full. @seg: the segment's word, or 0: the kernel's, and bolted. The slot's number, or
 * -ENOMEM when only bolted entries are in the way. Interrupts off. */
long __must_check hpt_insert(const struct hpt_key *k, u64 r, u64 seg);
/* Takes a user's out; @seg: the segment's word. False when it was not there. Interrupts off. */
bool hpt_remove(struct hpt_key k, u64 seg);
/* Removal of many with fewer calls of the hypervisor. Between the first hpt_batch_add and
 * hpt_batch_end interrupts are off: others wait for what is in the batch. */
#define HPT_BATCH 4u
#define HPT_SLICE 64u /* so many translations at most are looked up with interrupts off */
struct hpt_batch {
    u64 slot[HPT_BATCH];
    unsigned int nr; /* 0 at the beginning */
};
void hpt_batch_add(struct hpt_batch *b, const struct hpt_key *k);
void hpt_batch_end(struct hpt_batch *b);
/* Changes the permissions of a bolted translation in place. */
void hpt_protect(const struct hpt_key *k, pt_prot_t prot);
/* The slot of the translation, or -1; its second word in *r when not NULL. */
long hpt_find(const struct hpt_key *k, u64 *r);
/* Removes entries whose first word @dead(word) is true for. */
u64 hpt_remove_if(bool (*dead)(u64 word));

/* What happened, by CPU; /proc/hpt shows the sums. */
#define HPT_EVENTS(X)                                                                              \
    X(refill)                                                                                      \
    X(insert_primary)                                                                              \
    X(insert_secondary)                                                                            \
    X(update) X(evict) X(evict_dead) X(remove) X(slb_miss) X(slb_fix) X(base_size_change) X(sweep)
enum hpt_event {
#define X(n) HPT_##n,
    HPT_EVENTS(X)
#undef X
        NR_HPT_EVENTS
};
extern u64 hpt_events[NR_CPUS][NR_HPT_EVENTS];
static inline u64 *hpt_event_counts(void)
{
    return (u64 *)this_cpu()->arch[CPU_ARCH_EVENTS];
}
/* Interrupts are off, or a lost update is harmless. */
static inline void hpt_count(enum hpt_event e)
{
    hpt_event_counts()[e]++;
}

#define HPT_GROUP   8u /* slots of a group: fixed by the architecture */
#define HPT_NO_SLOT (2 * HPT_GROUP)

/* ---- segment.c: numbers for level-1 tables ---- */

#define VSID_BITS 36
#define VSID_MASK ((1UL << VSID_BITS) - 1)
/* The golden ratio's bits: neighbouring products are far apart. */
#define SEG_SPREAD 0x9e3779b1UL

/* Flags in a segment word. */
#define SEG_16M     1UL /* base page size 16 MiB, otherwise 4 KiB */
#define SEG_CHANGED 2UL /* the table had another number while several address spaces linked it */
/* Numbers of their own: the segment that contains nothing, the kernel's two. */
#define SEG_EMPTY   (1UL << 8)
#define SEG_DIRECT  (2UL << 8)
#define SEG_VMALLOC (3UL << 8)

void seg_init(u64 nr_frames);
/* A segment word that no table had since the last sweep. */
u64 seg_alloc(u64 flags);
/* The word is no longer in any table; its number comes back after a sweep. */
void seg_retire(u64 seg);
/* Gives the numbers of retired segments back, when many have gathered or @now. Not from a refill:
 * it waits for other CPUs. */
void seg_sweep(bool now);
static inline u64 seg_vsid(u64 seg)
{
    return ((seg >> 8) * SEG_SPREAD) & VSID_MASK;
}
static inline unsigned int seg_base_shift(u64 seg)
{
    return seg & SEG_16M ? 24 : PAGE_SHIFT;
}
/* About the first word of an entry of the table: belongs to a retired segment, and is not bolted.
 */
bool seg_word_is_dead(u64 word);
/* An entry with this first word came (+1) or went (-1). */
void seg_word_count(u64 word, int change);
extern u32 *seg_entries; /* in the hash table, by number; atomic */
/* Entries of the segment that are in the table. */
static inline u32 seg_nr_entries(u64 seg)
{
    return READ_ONCE(seg_entries[seg >> 8]);
}
/* For who has the segment word at hand; the entry is not the kernel's. */
static inline void seg_count_entry(u64 seg, int change)
{
    (void)__atomic_add_fetch(&seg_entries[seg >> 8], (u32)change, __ATOMIC_RELAXED);
}
/* Numbers: all, in use, retired. */
void seg_numbers(u64 *all, u64 *live, u64 *retired);

/* ---- slb.c ---- */

void slb_init(void);        /* sizes and encodings, boot CPU */
void slb_load_kernel(void); /* bolted entries on this CPU, nothing else */
void slb_drop_user(void);   /* interrupts off */
/* Drops, then loads what @mm (or nobody) used last. Interrupts off. */
void slb_switch(struct mm *mm);
/* What this CPU's entries are. */
#define SLB_SLOTS 32u
struct slb {
    u64 esid[SLB_SLOTS]; /* address of the segment, with bit 0 set when the slot is valid */
    u64 rs[SLB_SLOTS];
    u32 next; /* slot that is replaced next */
    u32 last; /* the one that was asked for last */
    u32 end;
} __aligned(1024);
extern struct slb slbs[NR_CPUS];
extern u64 slb_llp_4k;
#define SLB_SEGMENT_SIZE (1UL << 28)
#define SLB_KS           0x800UL
#define SLB_KP           0x400UL
#define SLB_N            0x200UL
/* What links to a segment's table take away, its SLB entry takes away, too. */
static inline u64 slb_limits(u64 links)
{
    _Static_assert(PPC_LINK_NOW << 5 == SLB_KP && PPC_LINK_NOX << 3 == SLB_N, "shifts");
    return (links & PPC_LINK_NOW) << 5 | (links & PPC_LINK_NOW) << 6 | (links & PPC_LINK_NOX) << 3;
}
/* Is the entry for @va that of a segment of 4 KiB pages, with the limits of @links? As far as it is
 * the last one that was asked for. */
static inline bool slb_has_small(vaddr_t va, u64 seg, u64 links)
{
    const struct slb *s = &slbs[smp_processor_id()];
    u32 last = s->last;

    return s->esid[last] == (ALIGN_DOWN(va, SLB_SEGMENT_SIZE) | 1) &&
           s->rs[last] == (seg_vsid(seg) << 12 | slb_llp_4k | slb_limits(links));
}
/* If there is an entry for @va, it is the last one that was asked for. Interrupts off. */
void slb_look_for(vaddr_t va);
/* Makes the entry for @va what (@seg, @link) says. Interrupts off. True: it was another, or
 * missing. */
bool slb_install(vaddr_t va, u64 seg, pt_prot_t link);
/* Drops this CPU's entry for @va when it is not what @seg and @link say. Interrupts off. True: it
 * was another. */
bool slb_check_one(vaddr_t va, u64 seg, pt_prot_t link);
/* Drops this CPU's entries in [start, end) that differ from @mm's tree. Interrupts off. */
void slb_check(struct mm *mm, vaddr_t start, vaddr_t end);

/* The hash MMU's tree: log2 of a table's entries by level, of the bytes that an entry maps. */
#define HASH_BITS_0  12
#define HASH_BITS_1  4
#define HASH_BITS_2  9
#define HASH_BITS_3  9
#define HASH_SHIFT_1 (PAGE_SHIFT + HASH_BITS_0)
#define HASH_SHIFT_2 (HASH_SHIFT_1 + HASH_BITS_1)
#define HASH_SHIFT_3 (HASH_SHIFT_2 + HASH_BITS_2)

/* ---- hash_walk.c: lockless walks and who waits for them ---- */

/* Where a walk of a user tree ends. */
struct hash_walk {
    struct page *segment;   /* the level-1 table, or NULL: there is none */
    pt_prot_t segment_link; /* AND of the links to it: what the SLB entry allows */
    pt_prot_t table_link;   /* AND of the links below it: the same for all who link it */
    pte_t *slot;            /* the entry that decides */
    pte_t entry;
    unsigned int level;
};
/* Between the two no table that the walk meets is freed, and whoever has changed an entry can wait
 * for the end. Interrupts off, bounded. */
static inline u64 *hash_walk_count(struct cpu *c)
{
    return &c->arch[CPU_ARCH_WALKS]; /* odd while the CPU walks; only that CPU writes it */
}
static inline void hash_walk_begin(void)
{
    u64 *count = hash_walk_count(this_cpu());

    ASSERT(!(*count & 1));
    WRITE_ONCE(*count, *count + 1);
    smp_mb(); /* pairs with hash_quiesce */
}
static inline void hash_walk_end(void)
{
    u64 *count = hash_walk_count(this_cpu());

    smp_store_release(count, *count + 1);
}
void hash_walk(struct mm *mm, vaddr_t va, struct hash_walk *w);
void hash_quiesce(void);

/* The table that a link leads to. Of the bits above the address a link has the valid bit only. */
static inline const pte_t *hash_below(pte_t link)
{
    _Static_assert(PPC_PTE_V + PPC_PTE_LEAF == DIRECT_MAP_START, "one bit is missing");
    return (const pte_t *)((link.v & PAGE_MASK) + PPC_PTE_LEAF);
}
static inline unsigned int hash_index(vaddr_t va, unsigned int shift, unsigned int bits)
{
    return (va >> shift) & ((1u << bits) - 1);
}
/* The walk that nearly all are, in registers: the table of level 1, or NULL; *links gets the bits
 * of the links to it. A walk is under way. */
static inline const pte_t *hash_walk_segment(const pte_t *root, vaddr_t va, u64 *links)
{
    pte_t e3 = pte_load(root + hash_index(va, HASH_SHIFT_3, HASH_BITS_3)), e2;

    if (unlikely(!pte_is_table(e3, 3)))
        return NULL;
    e2 = pte_load(hash_below(e3) + hash_index(va, HASH_SHIFT_2, HASH_BITS_2));
    if (unlikely(!pte_is_table(e2, 2)))
        return NULL;
    *links = e3.v | e2.v;
    return hash_below(e2);
}

/* ---- hash.c ---- */

/* Kernel half: enters or removes what the kernel's tree got or lost. */
int __must_check hash_bolt(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot);
void hash_unbolt(vaddr_t va, size_t len);
void hash_bolt_protect(vaddr_t va, size_t len, pt_prot_t prot);

/* ---- hash_flush.c ---- */

struct fault_info;
void hash_flush_range(struct mm *mm, vaddr_t start, vaddr_t end);
void hash_flush_mm(struct mm *mm); /* mmap_lock held for writing */
/* Without the round. True: CPUs that run others must drop their SLB entries, too. */
bool hash_flush_begin(struct mm *mm, vaddr_t start, vaddr_t end);

/* ---- radix.c ---- */

void radix_boot_map(void); /* the kernel's tree is filled */
void radix_init_cpu(void);
int __must_check radix_mm_init(struct mm *mm);
void radix_mm_destroy(struct mm *mm);
void radix_switch(struct mm *mm);
void radix_flush_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level);
/* Without the round. */
void radix_flush_begin(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level);
void radix_flush_mm(struct mm *mm);
void radix_flush_all(void); /* every process */
void radix_flush_kernel(vaddr_t start, vaddr_t end);
