/* SPDX-License-Identifier: MIT */
/*
 * quire_mmu.h: ppc64's entry format. It is that of the POWER9 radix tree, which hardware reads; the
 * hash table's software tree uses it too, so only the geometry differs between the two, and a link
 * of the hash tree has two bits more. Source: Power ISA 3.0B Book III section 5.7.10.2 (formats of
 * PDE and PTE).
 *
 *   bit 63 valid   62 leaf   12..56 address
 *   leaf:   0 execute   1 write   2 read   3 privileged   5 uncached (non-idempotent)
 *           7 changed   8 referenced   9 soft-dirty (ours)   10 PT_G (ours)
 *   link:   0..4 log2 of the next table's entries   5 no write, 6 no execution below (hash only)
 *   marker: valid and leaf clear; 0 set, 1..5 type, 8..57 value
 * PROT_NONE is a leaf that grants nothing. Memory order is the CPU's own: both are big-endian.
 */
#pragma once
#include <kernel/types.h>

#define PPC_PTE_V    (1UL << 63)
#define PPC_PTE_LEAF (1UL << 62)
#define PPC_PTE_ADDR 0x01fffffffffff000UL
#define PPC_PTE_X    0x001UL
#define PPC_PTE_W    0x002UL
#define PPC_PTE_R    0x004UL
#define PPC_PTE_PRIV 0x008UL
#define PPC_PTE_NC   0x020UL
#define PPC_PTE_C    0x080UL
#define PPC_PTE_REF  0x100UL
#define PPC_PTE_SOFT 0x200UL
#define PPC_PTE_G    0x400UL

#define PPC_LINK_NOW 0x020UL
#define PPC_LINK_NOX 0x040UL
#define PPC_LINK_LEN 0x01fUL

#define PPC_MARKER 1UL

#define PT_MAX_LEVELS 4

/* What the chosen MMU is like; set once at boot, before the first table is made. */
struct ppc_mmu {
    bool radix;
    u8 leaf_levels; /* bit n: leaves at level n */
    u8 abilities;   /* bit n: enum mmu_ability n */
    struct {
        u8 shift; /* log2 of the bytes that an entry maps */
        u8 bits;  /* log2 of a table's entries */
        u8 order; /* of a table's allocation */
        u16 mask; /* a table's entries less 1 */
    } level[PT_MAX_LEVELS];
    u64 link_mask; /* which of PPC_LINK_NOW, PPC_LINK_NOX a link may carry */
};
extern struct ppc_mmu ppc_mmu;

static inline unsigned int pt_top_level(void)
{
    return PT_MAX_LEVELS - 1;
}
static inline unsigned int pt_shift(unsigned int level)
{
    return ppc_mmu.level[level].shift;
}
static inline unsigned int pt_entries(unsigned int level)
{
    return 1u << ppc_mmu.level[level].bits;
}
static inline unsigned int pt_table_order(unsigned int level)
{
    return ppc_mmu.level[level].order;
}
static inline bool pt_level_can_leaf(unsigned int level)
{
    return (ppc_mmu.leaf_levels >> level) & 1;
}
static inline unsigned int pt_index(vaddr_t va, unsigned int level)
{
    return (unsigned int)(va >> pt_shift(level)) & ppc_mmu.level[level].mask;
}
static inline bool mmu_has(enum mmu_ability a)
{
    return (ppc_mmu.abilities >> a) & 1;
}

static inline pte_t pte_none(void)
{
    return (pte_t){0};
}
static inline bool pte_is_none(pte_t e)
{
    return e.v == 0;
}
static inline bool pte_is_leaf(pte_t e, unsigned int level)
{
    (void)level;
    return (e.v & PPC_PTE_LEAF) != 0;
}
static inline bool pte_is_table(pte_t e, unsigned int level)
{
    return level != 0 && (e.v & (PPC_PTE_V | PPC_PTE_LEAF)) == PPC_PTE_V;
}
static inline bool pte_is_marker(pte_t e)
{
    return e.v != 0 && (e.v & PPC_PTE_V) == 0;
}

static inline u64 ppc_leaf_bits(pt_prot_t prot)
{
    _Static_assert(PT_NC << 1 == PPC_PTE_NC && PT_G << 5 == PPC_PTE_G, "shifts");
    if ((prot & (PT_R | PT_W | PT_X)) == 0)
        return 0;
    return PPC_PTE_R | (prot & PT_W ? PPC_PTE_W : 0) | (prot & PT_X ? PPC_PTE_X : 0) |
           (prot & PT_U ? 0 : PPC_PTE_PRIV) | (u64)(prot & PT_NC) << 1 | (u64)(prot & PT_G) << 5;
}
static inline u64 ppc_link_bits(pt_prot_t prot)
{
    return ((prot & PT_W ? 0 : PPC_LINK_NOW) | (prot & PT_X ? 0 : PPC_LINK_NOX)) &
           ppc_mmu.link_mask;
}
static inline pte_t pte_make_leaf(paddr_t pa, unsigned int level, pt_prot_t prot)
{
    (void)level;
    return (pte_t){PPC_PTE_V | PPC_PTE_LEAF | pa | ppc_leaf_bits(prot)};
}
/* Every table but the root has 2^9 entries with radix; the hash table's hardware does not look. */
static inline pte_t pte_make_table(paddr_t table, pt_prot_t link)
{
    return (pte_t){PPC_PTE_V | table | 9 | ppc_link_bits(link)};
}
static inline pte_t pte_make_marker(unsigned int type, u64 value)
{
    return (pte_t){PPC_MARKER | (u64)(type & 31) << 1 | value << 8};
}
static inline unsigned int pte_marker_type(pte_t e)
{
    return (e.v >> 1) & 31;
}
static inline u64 pte_marker_value(pte_t e)
{
    return e.v >> 8;
}
static inline paddr_t pte_paddr(pte_t e, unsigned int level)
{
    (void)level;
    return e.v & PPC_PTE_ADDR;
}
static inline pt_prot_t pte_prot(pte_t e, unsigned int level)
{
    (void)level;
    if (!(e.v & PPC_PTE_LEAF))
        return PT_RWXU & ~((e.v & PPC_LINK_NOW ? PT_W : 0) | (e.v & PPC_LINK_NOX ? PT_X : 0));
    if (!(e.v & PPC_PTE_R))
        return 0;
    return PT_R | (e.v & PPC_PTE_W ? PT_W : 0) | (e.v & PPC_PTE_X ? PT_X : 0) |
           (e.v & PPC_PTE_PRIV ? 0 : PT_U) | (pt_prot_t)(e.v >> 1 & PT_NC) |
           (pt_prot_t)(e.v >> 5 & PT_G);
}
static inline pte_t pte_with_prot(pte_t e, unsigned int level, pt_prot_t prot)
{
    u64 keep = PPC_PTE_V | PPC_PTE_LEAF | PPC_PTE_ADDR;

    (void)level;
    if (!(e.v & PPC_PTE_LEAF))
        return (pte_t){(e.v & (keep | PPC_LINK_LEN)) | ppc_link_bits(prot)};
    keep |= PPC_PTE_C | PPC_PTE_REF | PPC_PTE_SOFT;
    return (pte_t){(e.v & keep) | ppc_leaf_bits(prot)};
}
static inline unsigned int pte_state(pte_t e)
{
    _Static_assert(PT_YOUNG << 8 == PPC_PTE_REF && PT_DIRTY << 6 == PPC_PTE_C &&
                       PT_SOFT << 7 == PPC_PTE_SOFT,
                   "shifts");
    return (unsigned int)((e.v >> 8 & PT_YOUNG) | (e.v >> 6 & PT_DIRTY) | (e.v >> 7 & PT_SOFT));
}
static inline pte_t pte_with_state(pte_t e, unsigned int state)
{
    u64 bits =
        (u64)(state & PT_YOUNG) << 8 | (u64)(state & PT_DIRTY) << 6 | (u64)(state & PT_SOFT) << 7;

    return (pte_t){(e.v & ~(PPC_PTE_REF | PPC_PTE_C | PPC_PTE_SOFT)) | bits};
}

/* One entry at a time: with two (lqarx, stqcx.) the loop did not end under QEMU 7.2. */
static inline void pte_take_write(pte_t *table, bool quiet)
{
    pte_t *p = table, *end = table + pt_entries(0);
    u64 e;

    for (; quiet && p < end; p += 8)
#pragma GCC unroll 8
        for (unsigned int i = 0; i < 8; i++)
            __atomic_store_n(&p[i].v, pte_load(p + i).v & ~PPC_PTE_W, __ATOMIC_RELAXED);
    for (; p < end; p += 8)
        __asm__ volatile("1: ldarx %0, 0, %1; and %0, %0, %9; stdcx. %0, 0, %1; bne- 1b\n"
                         "2: ldarx %0, %1, %2; and %0, %0, %9; stdcx. %0, %1, %2; bne- 2b\n"
                         "3: ldarx %0, %1, %3; and %0, %0, %9; stdcx. %0, %1, %3; bne- 3b\n"
                         "4: ldarx %0, %1, %4; and %0, %0, %9; stdcx. %0, %1, %4; bne- 4b\n"
                         "5: ldarx %0, %1, %5; and %0, %0, %9; stdcx. %0, %1, %5; bne- 5b\n"
                         "6: ldarx %0, %1, %6; and %0, %0, %9; stdcx. %0, %1, %6; bne- 6b\n"
                         "7: ldarx %0, %1, %7; and %0, %0, %9; stdcx. %0, %1, %7; bne- 7b\n"
                         "8: ldarx %0, %1, %8; and %0, %0, %9; stdcx. %0, %1, %8; bne- 8b"
                         : "=&r"(e)
                         : "b"(p), "r"(8UL), "r"(16UL), "r"(24UL), "r"(32UL), "r"(40UL), "r"(48UL),
                           "r"(56UL), "r"(~PPC_PTE_W)
                         : "cr0", "memory");
}
static inline void pte_give_write(pte_t *p)
{
    (void)__atomic_fetch_or(&p->v, PPC_PTE_W, __ATOMIC_RELAXED);
}

/* Hash: the translations of bytes [start, end) of the span of the level-1 table @table go. */
void mmu_flush_table(struct page *table, u64 start, u64 end);
/* @table is about to be freed, unlinked and flushed. Hash: its segment number may be used again
 * once nothing is left of it. */
void mmu_forget(struct page *table);
