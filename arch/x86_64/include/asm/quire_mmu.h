/* SPDX-License-Identifier: MIT */
/*
 * quire_mmu.h: x86-64's entry format. Source: Intel SDM volume 3 section 4.5 (4-level and 5-level
 * paging), tables 4-15 to 4-20.
 *
 *   bit  0 present   1 writable   2 user   4 cache disable   5 accessed   6 dirty
 *        7 large page (levels 1, 2)
 *        8 global when present; NONE when not: a leaf that only software sees (PROT_NONE)
 *       11 soft-dirty (ours)      12..51 address      63 no-execute
 * An entry that is not present keeps its address inverted, so that a CPU with L1TF finds no
 * cacheable memory behind it. A marker has present and NONE clear and bit 1 set: bits 2..6 its
 * type, bits 12..61 its value inverted.
 */
#pragma once
#include <kernel/types.h>

#define X86_PTE_P    0x001UL
#define X86_PTE_RW   0x002UL
#define X86_PTE_US   0x004UL
#define X86_PTE_PCD  0x010UL
#define X86_PTE_A    0x020UL
#define X86_PTE_D    0x040UL
#define X86_PTE_PS   0x080UL
#define X86_PTE_G    0x100UL
#define X86_PTE_NONE 0x100UL
#define X86_PTE_SOFT 0x800UL
#define X86_PTE_ADDR 0x000ffffffffff000UL
#define X86_PTE_NX   (1UL << 63)

#define X86_MARKER       0x002UL
#define X86_MARKER_VALUE 0x3ffffffffffff000UL

extern unsigned int x86_pt_top; /* level of the root: 3, or 4 with LA57; set once at boot */
extern bool x86_gb_leaves;      /* CPU has 1 GiB pages */

#define PT_MAX_LEVELS 5

static inline unsigned int pt_top_level(void)
{
    return x86_pt_top;
}
static inline unsigned int pt_shift(unsigned int level)
{
    return PAGE_SHIFT + 9 * level;
}
static inline unsigned int pt_entries(unsigned int level)
{
    (void)level;
    return 512;
}
static inline unsigned int pt_table_order(unsigned int level)
{
    (void)level;
    return 0;
}
static inline bool pt_level_can_leaf(unsigned int level)
{
    return level < 2 || (level == 2 && x86_gb_leaves);
}
static inline unsigned int pt_index(vaddr_t va, unsigned int level)
{
    return (va >> pt_shift(level)) & 511;
}
static inline bool mmu_has(enum mmu_ability a)
{
    (void)a; /* links carry W and NX, the walk sets A and D, and the hardware does it */
    return true;
}

static inline pte_t pte_none(void)
{
    return (pte_t){ 0 };
}
static inline bool pte_is_none(pte_t e)
{
    return e.v == 0;
}
static inline bool pte_is_leaf(pte_t e, unsigned int level)
{
    return (e.v & (X86_PTE_P | X86_PTE_NONE)) != 0 && (level == 0 || (e.v & X86_PTE_PS) != 0);
}
static inline bool pte_is_table(pte_t e, unsigned int level)
{
    bool link = level != 0 && (e.v & (X86_PTE_P | X86_PTE_PS)) == X86_PTE_P;

    if (link && (e.v & X86_PTE_P) == 0)
        __builtin_unreachable(); /* lets the compiler drop pte_paddr's other form on the way down */
    return link;
}
static inline bool pte_is_marker(pte_t e)
{
    return e.v != 0 && (e.v & (X86_PTE_P | X86_PTE_NONE)) == 0;
}

static inline u64 x86_prot_bits(pt_prot_t prot)
{
    _Static_assert(PT_W == X86_PTE_RW && PT_NC == X86_PTE_PCD, "these need no shift");
    return (prot & (PT_W | PT_NC)) | (prot & PT_U) >> 1 | (u64)(prot & PT_G) << 3 |
           (u64)!(prot & PT_X) << 63;
}
/* @v: address and bits to keep, upright. Without branches, so that a loop computes what depends on
 * @prot once. */
static inline pte_t x86_pte_finish(u64 v, pt_prot_t prot)
{
    u64 none = (u64)((prot & (PT_R | PT_W | PT_X)) != 0) - 1; /* all ones: PROT_NONE */
    u64 bits = ((x86_prot_bits(prot) | X86_PTE_P) & ~none) | (X86_PTE_NONE & none);

    return (pte_t){ (v ^ (X86_PTE_ADDR & none)) | bits };
}
static inline pte_t pte_make_leaf(paddr_t pa, unsigned int level, pt_prot_t prot)
{
    return x86_pte_finish(pa | (level ? X86_PTE_PS : 0), prot);
}
static inline pte_t pte_make_table(paddr_t table, pt_prot_t link)
{
    return (pte_t){ table | x86_prot_bits(link & ~PT_G) | X86_PTE_P };
}
static inline pte_t pte_make_marker(unsigned int type, u64 value)
{
    return (pte_t){ X86_MARKER | (u64)(type & 31) << 2 | (~value << 12 & X86_MARKER_VALUE) };
}
static inline unsigned int pte_marker_type(pte_t e)
{
    return (e.v >> 2) & 31;
}
static inline u64 pte_marker_value(pte_t e)
{
    return (~e.v & X86_MARKER_VALUE) >> 12;
}
static inline paddr_t pte_paddr(pte_t e, unsigned int level)
{
    (void)level;
    /* Two forms rather than arithmetic: behind a test for present the compiler keeps only the
     * first. */
    return likely(e.v & X86_PTE_P) ? e.v & X86_PTE_ADDR : ~e.v & X86_PTE_ADDR;
}
static inline pt_prot_t pte_prot(pte_t e, unsigned int level)
{
    (void)level;
    if (!(e.v & X86_PTE_P))
        return 0;
    return PT_R | (e.v & (X86_PTE_RW | X86_PTE_PCD)) | (e.v & X86_PTE_US) << 1 |
           (e.v & X86_PTE_G) >> 3 | ((e.v & X86_PTE_NX) ? 0 : PT_X);
}
static inline pte_t pte_with_prot(pte_t e, unsigned int level, pt_prot_t prot)
{
    u64 keep = X86_PTE_A | X86_PTE_D | X86_PTE_SOFT | X86_PTE_ADDR | (level ? X86_PTE_PS : 0);

    return x86_pte_finish((likely(e.v & X86_PTE_P) ? e.v : e.v ^ X86_PTE_ADDR) & keep, prot);
}
static inline unsigned int pte_state(pte_t e)
{
    _Static_assert(PT_YOUNG << 5 == X86_PTE_A && PT_DIRTY << 5 == X86_PTE_D &&
                       PT_SOFT << 9 == X86_PTE_SOFT,
                   "shifts");
    return (unsigned int)((e.v >> 5 & (PT_YOUNG | PT_DIRTY)) | (e.v >> 9 & PT_SOFT));
}
static inline pte_t pte_with_state(pte_t e, unsigned int state)
{
    u64 bits = (u64)(state & (PT_YOUNG | PT_DIRTY)) << 5 | (u64)(state & PT_SOFT) << 9;

    return (pte_t){ (e.v & ~(X86_PTE_A | X86_PTE_D | X86_PTE_SOFT)) | bits };
}

static inline void pte_take_write(pte_t *table, bool quiet)
{
    (void)quiet;
    for (unsigned int i = 0; i < pt_entries(0); i++)
        (void)__atomic_fetch_and(&table[i].v, ~X86_PTE_RW, __ATOMIC_RELAXED);
}
static inline void pte_give_write(pte_t *p)
{
    (void)__atomic_fetch_or(&p->v, X86_PTE_RW, __ATOMIC_RELAXED);
}

/* Nothing: a TLB knows addresses, not tables. */
static inline void mmu_flush_table(struct page *table, u64 start, u64 end)
{
    (void)table, (void)start, (void)end;
}

/* Nothing: the TLB is the only cache, and it is flushed. */
static inline void mmu_forget(struct page *table)
{
    (void)table;
}
