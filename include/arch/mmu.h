/* SPDX-License-Identifier: MIT */
/*
 * arch/mmu.h: the seam between mm/ and an MMU.
 *
 * The truth about an address space is a software radix tree of page tables, on every machine. One
 * entry type at every level; the level is an argument. Level 0 holds base pages; a leaf may stand
 * wherever pt_level_can_leaf(level) says so. x86-64 and POWER radix give that tree to the hardware;
 * POWER hash keeps a cache of it and fills it in mmu_refill. arch/README.md compares the
 * implementations function by function; tests/kernel/mm/seam_ktest.c is the conformance suite.
 *
 * <asm/quire_mmu.h> (arch/ARCH/include) implements section A as static inlines; arch/ARCH/mm/ the
 * rest.
 */
#pragma once
#include <arch/mmu_const.h>
#include <kernel/atomic.h>
#include <kernel/cpu.h>

typedef struct {
    u64 v;
} pte_t;

/* Permission and memory type of a mapping; arch translates. Also the permission of a link to a
 * lower table. */
typedef u32 pt_prot_t;
#define PT_R  1u
#define PT_W  2u
#define PT_X  4u
#define PT_U  8u   /* user may use it */
#define PT_NC 16u  /* uncached device memory */
#define PT_G  32u  /* same in every address space (kernel half) */
#define PT_RWXU (PT_R | PT_W | PT_X | PT_U)

/* What happened to a leaf since it was last cleared. */
#define PT_YOUNG 1u
#define PT_DIRTY 2u
#define PT_SOFT  4u /* soft-dirty, software only */

/* What an MMU can say (mmu_has). */
enum mmu_ability {
    MMU_LINK_WRITE,   /* a link can take write permission away from everything below it */
    MMU_LINK_EXEC,
    MMU_HW_YOUNG,     /* hardware sets young and dirty by itself */
    MMU_WALKS_TREE,   /* hardware reads the tree: no refill */
    MMU_LINK_ANY,     /* a table of any level may change while several link it; else of level 1 */
};

struct mm;
struct page;
struct bootinfo;

/*
 * B. Cells, the only loads and stores of a live entry. Hardware reads and marks entries at any
 * time: every access is one machine access.
 */
static inline pte_t pte_load(const pte_t *p)
{
    return (pte_t){__atomic_load_n(&p->v, __ATOMIC_RELAXED)};
}
/* A release: a table is filled before it is linked. */
static inline void pte_store(pte_t *p, pte_t e)
{
    __atomic_store_n(&p->v, e.v, __ATOMIC_RELEASE);
}
static inline pte_t pte_xchg(pte_t *p, pte_t e)
{
    return (pte_t){__atomic_exchange_n(&p->v, e.v, __ATOMIC_SEQ_CST)};
}
/* *@old gets what was found. */
static inline bool pte_cmpxchg(pte_t *p, pte_t *old, pte_t e)
{
    u64 found = old->v; /* a local of its own stays in a register */
    bool done =
        __atomic_compare_exchange_n(&p->v, &found, e.v, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);

    old->v = found;
    return done;
}

#include <asm/quire_mmu.h>

/*
 * Geometry, static inlines in <asm/quire_mmu.h> (constants on x86-64):
 *   unsigned pt_top_level(void)                 level of the root table
 *   unsigned pt_shift(unsigned level)           log2 of the bytes that one entry of this level maps
 *   unsigned pt_entries(unsigned level)         entries of a table at this level
 *   unsigned pt_table_order(unsigned level)     allocation order of such a table
 *   bool     pt_level_can_leaf(unsigned level)
 *   unsigned pt_index(vaddr_t va, unsigned level)
 *   bool     mmu_has(enum mmu_ability)
 *
 * A. Entry values, pure:
 *   pte_t pte_none(void); bool pte_is_none(pte_t);
 *   bool  pte_is_leaf(pte_t, unsigned level)    maps memory, also for software only (PROT_NONE)
 *   bool  pte_is_table(pte_t, unsigned level)   links to a table
 *   bool  pte_is_marker(pte_t)     neither: software's own entry (swap, migration, poison)
 *   pte_t pte_make_leaf(paddr_t, unsigned level, pt_prot_t)   clean and old; prot 0 = PROT_NONE
 *   pte_t pte_make_table(paddr_t table, pt_prot_t link)
 *   pte_t pte_make_marker(unsigned type, u64 value)           type < 32, value < 2^50
 *   unsigned pte_marker_type(pte_t); u64 pte_marker_value(pte_t);
 *   paddr_t pte_paddr(pte_t, unsigned level)    of a leaf or a table
 *   pt_prot_t pte_prot(pte_t, unsigned level)   of a leaf or a link
 *   pte_t pte_with_prot(pte_t, unsigned level, pt_prot_t)     keeps address and state
 *   unsigned pte_state(pte_t)                   PT_YOUNG | PT_DIRTY | PT_SOFT
 *   pte_t pte_with_state(pte_t, unsigned state)
 * B. Cells, besides those above; what hardware sets meanwhile is kept, memory order is not:
 *   void  pte_take_write(pte_t *table, bool quiet)   of level 0, leaves and holes: all leaves lose
 *                                                    PT_W. quiet: hardware sets nothing meanwhile
 *   void  pte_give_write(pte_t *)                    a leaf that allows reading gets it
 */

/*
 * C. Coherence. Called after the entries were changed and before a page they mapped is reused. All
 * reach every CPU that runs or ran @mm (mm->cpus), in one round, and return when no CPU can use an
 * old translation.
 */
/* @level: smallest leaf level that was changed. Cached links on the way to the range go too. */
void mmu_flush_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned level);
/* All that lies in @mm's areas; mmap_lock held for writing. */
void mmu_flush_mm(struct mm *mm);
/*
 * Entries of tables that several address spaces link were changed. First, for bytes [start, end) of
 * the span of @table, what the MMU's cache has under the table's name goes (static inline or
 * function of <asm/quire_mmu.h>; empty where hardware walks the tree):
 *   void mmu_flush_table(struct page *table, u64 start, u64 end)
 * then, in one round, translations of all address spaces that link some such table
 * (mm_cpu_shares); it reaches every CPU, and who walks without a lock there is waited for.
 */
void mmu_flush_sharers(void);
/*
 * The halves of mmu_flush_range, for one round that serves several address spaces (tlb_batch_add):
 * first what one CPU can do for all, which says who must take part in the round; then, on each of
 * those, interrupts off, what concerns its own TLB. The range may cover more than was begun with.
 */
cpumask_t mmu_flush_begin(struct mm *mm, vaddr_t start, vaddr_t end, unsigned level);
void mmu_flush_local(vaddr_t start, vaddr_t end, unsigned level);
/* Only this CPU's stale entry for a spurious fault, or after permissions grew. */
void mmu_update_hint(struct mm *mm, vaddr_t va, pte_t entry, unsigned level);
/* Waits until no lockless walker can hold a pointer read before the call. Comes before a flush: a
 * walker that fills a software cache could put an old translation back behind it. Walkers of mm/
 * (gup.c) have interrupts off on a CPU of mm->cpus; for them it may be the flush that waits, and
 * only tables must not be freed earlier. */
void mmu_quiesce_walkers(struct mm *mm);
/*
 * A table dies (static inline or function of <asm/quire_mmu.h>): unlinked and flushed, it is about
 * to be freed; what the MMU's cache still has under its name must not be found by the next table of
 * that name. Empty where hardware walks the tree.
 *   void mmu_forget(struct page *table)
 */

/* D. Address spaces and faults. */
/* Allocates the root table, links the kernel half; 0 or -ENOMEM. */
int __must_check mmu_mm_init(struct mm *mm);
void mmu_mm_destroy(struct mm *mm); /* frees the root; user half already empty */
/* Makes @mm's tables current on this CPU (interrupts off); NULL = kernel tables only. */
void mmu_switch(struct mm *mm);

/* One decoded fault. */
#define FAULT_WRITE   1u
#define FAULT_EXEC    2u
#define FAULT_USER    4u  /* the CPU was in user mode */
#define FAULT_PRESENT 8u  /* a translation was found: permission fault */
#define FAULT_RSVD    16u /* malformed entry */
struct fault_info {
    vaddr_t addr;
    unsigned int flags;
};
/* Fills the MMU's cache from the tree when the tree allows the access: 0 = retry the access,
 * -EFAULT = a real fault. */
int mmu_refill(struct mm *mm, const struct fault_info *fi);

/* E. The kernel's own half. */
/* Final kernel tables: W^X image, NX direct map. Boot CPU, after memblock. */
void mmu_boot_map(const struct bootinfo *bi);
void mmu_init_cpu(void); /* every CPU: control bits, loads the kernel tables */
void mmu_protect_ro_after_init(void);
int __must_check kernel_map(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot); /* 0 or -ENOMEM */
void kernel_unmap(vaddr_t va, size_t len); /* one flush round */
/* Frames that kernel_map took for tables since boot. They stay, for the same addresses. */
u64 kernel_nr_tables(void);
/* Entry that maps @va in the kernel half, for checks and panic; level in *level; none when
 * unmapped. */
pte_t kernel_lookup(vaddr_t va, unsigned *level);
