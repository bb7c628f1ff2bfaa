/* SPDX-License-Identifier: MIT */
/*
 * slb.c: the CPU's table of segments (SLB): entries 0 and 1 for the kernel at all times, the others
 * for the user half of the address space that is loaded, filled on a miss.
 *
 * What is in it, is remembered per CPU, since reading it back is slow and looking for an address in
 * it is not possible. A miss never fails for a user address: where the tree has no level-1 table
 * (yet), the empty segment is loaded. The access then makes an ordinary fault, which unlike a
 * segment fault says what was wanted; the refill puts the right segment in later.
 *
 * A switch empties it. An address space remembers which segments missed last, by address only
 * (struct mm's arch_root), and a switch loads those at once, from the tree as a miss would: what
 * was unlinked or shared meanwhile cannot come back.
 *
 * Locks: none; a CPU changes its own entries only, with interrupts off. Invariants: I1 an address
 * has at most one entry (hardware stops at two); I2 after a flush of a range no CPU that runs the
 * address space has an entry for it that differs from the tree; I3 slots from end on are free.
 * Checked by tests/kernel/ppc64/slb_ktest.c.
 * Source: Power ISA 3.0B Book III section 5.7.8 (SLB entry), 5.9.3.2 (slbmte, slbie, slbia: the old
 * entry must be invalidated before its slot gets a new one). Read next: hash_walk.c.
 */
#include <asm/errno.h>
#include <asm/quire_cpu.h>
#include <asm/quire_fault.h>
#include <asm/quire_platform.h>
#include <kernel/printk.h>
#include <mm/mm.h>
#include <mm/page.h>
#include "internal.h"

#define SLB_V  0x8000000UL /* RB */
#define SLB_1T (1UL << 62) /* RS, and slbie's RB shifted */

#define SEGMENT_SIZE SLB_SEGMENT_SIZE
#define FIRST_USER   2u

struct slb slbs[NR_CPUS];

/* The segments that an address space remembers: numbers of segments plus 1, the newest lowest. */
#define KEPT_BITS 20u
#define KEPT_MASK ((1UL << KEPT_BITS) - 1)

u64 slb_llp_4k;
static u64 llp_64k, llp_16m;
static u32 nr_slots;

static u64 encoding(unsigned int shift)
{
    for (u32 i = 0; i < ppc_platform.nr_segment_sizes; i++)
        if (ppc_platform.segment_size[i].shift == shift)
            return ppc_platform.segment_size[i].slb;
    return ~0UL;
}

void slb_init(void)
{
    slb_llp_4k = encoding(PAGE_SHIFT);
    llp_64k = encoding(16);
    llp_16m = encoding(24);
    if (slb_llp_4k == ~0UL || llp_64k == ~0UL)
        panic("mmu: the hash MMU here lacks segments with 4 KiB and 64 KiB pages");
    nr_slots = ppc_platform.slb_size != 0 ? min(ppc_platform.slb_size, SLB_SLOTS) : SLB_SLOTS;
    if (llp_16m == ~0UL) {
        pr_warn("mmu: no segments with 16 MiB pages (QEMU: cap-hpt-max-page-size=16M)\n");
        ppc_mmu.leaf_levels = 1;
    }
}

static inline void slbmte(u64 rs, u64 rb)
{
    __asm__ volatile("slbmte %0, %1; isync" : : "r"(rs), "r"(rb) : "memory");
}

static u64 kernel_rs(u64 seg, u64 llp)
{
    return SLB_1T | seg_vsid(seg) << 24 | SLB_KP | llp;
}

/* In one piece: between the two instructions the stack may have no segment. */
static void reset(void)
{
    u64 rs = kernel_rs(SEG_VMALLOC, slb_llp_4k), rb = VMALLOC_START | SLB_V | 1;

    __asm__ volatile("isync; slbia; slbmte %0, %1; isync" : : "r"(rs), "r"(rb) : "memory");
}

void slb_load_kernel(void)
{
    hpt_init_cpu();
    slbmte(kernel_rs(SEG_DIRECT, llp_64k), DIRECT_MAP_START | SLB_V);
    slb_drop_user();
}

void slb_drop_user(void)
{
    struct slb *s = &slbs[smp_processor_id()];

    reset();
    for (unsigned int i = FIRST_USER; i < s->end; i++)
        WRITE_ONCE(s->esid[i], 0);
    s->next = s->last = s->end = FIRST_USER;
}

static u64 user_rs(u64 seg, pt_prot_t link)
{
    u64 rs = seg_vsid(seg) << 12 | (seg & SEG_16M ? llp_16m : slb_llp_4k);

    rs |= link & PT_W ? 0 : SLB_KS | SLB_KP;
    return rs | (link & PT_X ? 0 : SLB_N);
}

static void invalidate(struct slb *s, unsigned int slot)
{
    __asm__ volatile("isync; slbie %0; isync" : : "r"(s->esid[slot] & ~1UL) : "memory");
    s->esid[slot] = 0;
}

/* The slot that has the segment of @va, or nr_slots. */
static inline unsigned int find(struct slb *s, vaddr_t va)
{
    u64 esid = ALIGN_DOWN(va, SEGMENT_SIZE) | 1;
    unsigned int slot = FIRST_USER;

    if (likely(s->esid[s->last] == esid))
        return s->last;
    while (slot < s->end && s->esid[slot] != esid)
        slot++;
    if (slot == s->end)
        return nr_slots;
    s->last = slot;
    return slot;
}

void slb_look_for(vaddr_t va)
{
    (void)find(&slbs[smp_processor_id()], va);
}

static inline void write_slot(struct slb *s, unsigned int slot, vaddr_t va, u64 rs)
{
    if (s->esid[slot] != 0)
        invalidate(s, slot);
    s->esid[slot] = ALIGN_DOWN(va, SEGMENT_SIZE) | 1;
    s->rs[slot] = rs;
    s->last = slot;
    slbmte(rs, ALIGN_DOWN(va, SEGMENT_SIZE) | SLB_V | slot);
}

/* An entry for @va, which has none. */
static inline void add(struct slb *s, vaddr_t va, u64 rs)
{
    unsigned int slot = s->next;

    s->next = slot + 1 < nr_slots ? slot + 1 : FIRST_USER;
    s->end = max(s->end, slot + 1);
    write_slot(s, slot, va, rs);
}

bool slb_install(vaddr_t va, u64 seg, pt_prot_t link)
{
    struct slb *s = &slbs[smp_processor_id()];
    unsigned int slot = find(s, va);
    u64 rs = user_rs(seg, link);

    if (likely(slot < nr_slots && s->rs[slot] == rs))
        return false;
    if (slot < nr_slots)
        write_slot(s, slot, va, rs);
    else
        add(s, va, rs);
    return true;
}

/* What the tree says about the segment of @va. */
static u64 wanted(const struct hash_walk *w)
{
    u64 seg = w->segment != NULL ? READ_ONCE(w->segment->pt_private) : 0;

    return seg != 0 ? seg : SEG_EMPTY;
}

bool slb_check_one(vaddr_t va, u64 seg, pt_prot_t link)
{
    struct slb *s = &slbs[smp_processor_id()];
    unsigned int slot = find(s, va);

    if (slot == nr_slots || s->rs[slot] == user_rs(seg, link))
        return false;
    invalidate(s, slot);
    return true;
}

void slb_check(struct mm *mm, vaddr_t start, vaddr_t end)
{
    struct slb *s = &slbs[smp_processor_id()];
    vaddr_t first = ALIGN_DOWN(start, SEGMENT_SIZE);

    hash_walk_begin();
    for (unsigned int i = FIRST_USER; i < s->end; i++) {
        vaddr_t va = s->esid[i] & ~1UL;
        struct hash_walk w;

        if (s->esid[i] == 0 || va < first || va >= end)
            continue;
        hash_walk(mm, va, &w);
        (void)slb_check_one(va, wanted(&w), w.segment_link);
    }
    hash_walk_end();
}

/* The segment of @va missed: the next switch to @mm loads it. A segment that somebody else notes at
 * the same time may be lost. */
static inline void keep(struct mm *mm, vaddr_t va)
{
    u64 kept = READ_ONCE(mm->arch_root), own = (va >> 28) + 1;

    for (u64 k = kept; k != 0; k >>= KEPT_BITS)
        if ((k & KEPT_MASK) == own)
            return;
    WRITE_ONCE(mm->arch_root, (kept << KEPT_BITS | own) & ~(~0UL << 3 * KEPT_BITS));
}

/* @mm's bit in mm->cpus is set, so a flush that these walks do not see asks this CPU. */
void slb_switch(struct mm *mm)
{
    struct slb *s = &slbs[smp_processor_id()];

    slb_drop_user();
    if (mm == NULL)
        return;
    hash_walk_begin();
    for (u64 k = READ_ONCE(mm->arch_root); k != 0; k >>= KEPT_BITS) {
        vaddr_t va = ((k & KEPT_MASK) - 1) << 28;
        struct hash_walk w;

        hash_walk(mm, va, &w);
        if (w.segment != NULL)
            add(s, va, user_rs(wanted(&w), w.segment_link));
    }
    hash_walk_end();
}

/*
 * Real mode. The kernel's two segments never miss. Without an address space every user segment is
 * empty, so that a kernel thread's stray access is reported with a complete DSISR.
 */
int ppc_slb_miss(vaddr_t ea)
{
    struct slb *s = &slbs[smp_processor_id()];
    struct mm *mm = this_cpu()->active_mm;
    struct hash_walk w;

    if (ppc_mmu.radix || ea >= user_top())
        return -EFAULT;
    hpt_count(HPT_slb_miss);
    if (mm == NULL) {
        (void)slb_install(ea, SEG_EMPTY, PT_R | PT_W | PT_X);
        return 0;
    }
    hash_walk_begin();
    hash_walk(mm, ea, &w);
    ASSERT(find(s, ea) == nr_slots);
    add(s, ea, user_rs(wanted(&w), w.segment_link));
    hash_walk_end();
    keep(mm, ea);
    return 0;
}
