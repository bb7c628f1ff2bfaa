/* SPDX-License-Identifier: MIT */
/*
 * quire_mmu.h: the seam in plain memory: the living specification of <arch/mmu.h>. No machine reads
 * these entries; what a TLB would do with them is played by arch/host/mm/mmu.c.
 *
 * The geometry can be changed before the first address space is made, so that one program tests
 * trees of any shape.
 *
 *   bits 0..1 kind: none, table, leaf, marker    2..7 PT_ permissions    8..10 PT_ state
 *   12..63 address of table or leaf, or a marker's value; a marker's type is in bits 2..6
 */
#pragma once
#include <kernel/types.h>

#define PT_MAX_LEVELS 6

struct host_geometry {
    unsigned int top;                 /* level of the root */
    unsigned int bits[PT_MAX_LEVELS]; /* log2 of a table's entries, by level */
    unsigned int leaf_levels;         /* bit n: leaves at level n */
    unsigned int abilities;           /* bit n: enum mmu_ability n */
};
extern struct host_geometry host_geometry;

#define HOST_PTE_TABLE  1u
#define HOST_PTE_LEAF   2u
#define HOST_PTE_MARKER 3u
#define HOST_PTE_KIND   3u
#define HOST_PTE_PROT   (63u << 2)
#define HOST_PTE_STATE  (7u << 8)
#define HOST_PTE_ADDR   (~0ULL << PAGE_SHIFT)

static inline unsigned int pt_top_level(void)
{
    return host_geometry.top;
}
static inline unsigned int pt_shift(unsigned int level)
{
    unsigned int shift = PAGE_SHIFT;

    for (unsigned int l = 0; l < level; l++)
        shift += host_geometry.bits[l];
    return shift;
}
static inline unsigned int pt_entries(unsigned int level)
{
    return 1u << host_geometry.bits[level];
}
static inline unsigned int pt_table_order(unsigned int level)
{
    unsigned int bytes_shift = host_geometry.bits[level] + 3;

    return bytes_shift > PAGE_SHIFT ? bytes_shift - PAGE_SHIFT : 0;
}
static inline bool pt_level_can_leaf(unsigned int level)
{
    return (host_geometry.leaf_levels >> level) & 1;
}
static inline unsigned int pt_index(vaddr_t va, unsigned int level)
{
    return (va >> pt_shift(level)) & (pt_entries(level) - 1);
}
static inline bool mmu_has(enum mmu_ability a)
{
    return (host_geometry.abilities >> a) & 1;
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
    return (e.v & HOST_PTE_KIND) == HOST_PTE_LEAF;
}
static inline bool pte_is_table(pte_t e, unsigned int level)
{
    return (e.v & HOST_PTE_KIND) == HOST_PTE_TABLE;
}
static inline bool pte_is_marker(pte_t e)
{
    return (e.v & HOST_PTE_KIND) == HOST_PTE_MARKER;
}
static inline pte_t pte_make_leaf(paddr_t pa, unsigned int level, pt_prot_t prot)
{
    return (pte_t){ pa | (u64)prot << 2 | HOST_PTE_LEAF };
}
static inline pte_t pte_make_table(paddr_t table, pt_prot_t link)
{
    return (pte_t){ table | (u64)link << 2 | HOST_PTE_TABLE };
}
static inline pte_t pte_make_marker(unsigned int type, u64 value)
{
    return (pte_t){ value << PAGE_SHIFT | (u64)(type & 31) << 2 | HOST_PTE_MARKER };
}
static inline unsigned int pte_marker_type(pte_t e)
{
    return (e.v >> 2) & 31;
}
static inline u64 pte_marker_value(pte_t e)
{
    return e.v >> PAGE_SHIFT;
}
static inline paddr_t pte_paddr(pte_t e, unsigned int level)
{
    return e.v & HOST_PTE_ADDR;
}
static inline pt_prot_t pte_prot(pte_t e, unsigned int level)
{
    return (e.v & HOST_PTE_PROT) >> 2;
}
static inline pte_t pte_with_prot(pte_t e, unsigned int level, pt_prot_t prot)
{
    return (pte_t){ (e.v & ~(u64)HOST_PTE_PROT) | (u64)prot << 2 };
}
static inline unsigned int pte_state(pte_t e)
{
    return (e.v & HOST_PTE_STATE) >> 8;
}
static inline pte_t pte_with_state(pte_t e, unsigned int state)
{
    return (pte_t){ (e.v & ~(u64)HOST_PTE_STATE) | (u64)state << 8 };
}

static inline void pte_take_write(pte_t *table, bool quiet)
{
    (void)quiet;
    for (unsigned int i = 0; i < pt_entries(0); i++)
        (void)__atomic_fetch_and(&table[i].v, ~((u64)PT_W << 2), __ATOMIC_RELAXED);
}
static inline void pte_give_write(pte_t *p)
{
    (void)__atomic_fetch_or(&p->v, (u64)PT_W << 2, __ATOMIC_RELAXED);
}

static inline void mmu_flush_table(struct page *table, u64 start, u64 end)
{
    (void)table, (void)start, (void)end;
}
void mmu_forget(struct page *table);
