/* SPDX-License-Identifier: MIT */
/*
 * hash.c: from the software tree to the hash table: what a fault finds in the tree is entered, and
 * the kernel's half is entered once and for all.
 *
 * Young and dirty are set in the tree by the refill, before the table allows the access: an entry
 * is made of a leaf that is young, and may be written through only when the leaf is dirty. So the
 * bits that hardware sets in the table's entries say nothing new and are not read back, and whoever
 * clears young or dirty in the tree and flushes gets it back by the next access's refill.
 *
 * A segment whose level-1 table has nothing but 16 MiB leaves has 16 MiB pages: one entry per leaf.
 * Any table below it makes 4 KiB pages of the whole segment, and a leaf of 16 MiB is then entered
 * piece by piece. The change, both ways, is a new segment number.
 *
 * Locks: none of its own; a refill is a walk (hash_walk.c) and takes LEAF locks. Invariants: I1 an
 * entry of a living segment allows no more than leaf and links of the tree did after the last flush
 * that covers it; I2 kernel entries are bolted, so the kernel's addresses never miss.
 * Checked by tests/kernel/mm/seam_ktest.c, tests/kernel/ppc64/hash_ktest.c. Read next:
 * hash_flush.c.
 */
#include <asm/errno.h>
#include <asm/quire_fault.h>
#include <asm/quire_platform.h>
#include <boot/bootinfo.h>
#include <kernel/printk.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "hpt_insert.h"

#define DIRECT_SHIFT 16 /* pages of the direct map */

/* ---- the kernel's half ---- */

static bool is_direct(vaddr_t va)
{
    return va < VMALLOC_START;
}

static struct hpt_key kernel_key(vaddr_t va)
{
    if (is_direct(va))
        return hpt_key(seg_vsid(SEG_DIRECT), va, DIRECT_SHIFT, true);
    return hpt_key(seg_vsid(SEG_VMALLOC), va, PAGE_SHIFT, true);
}

int hash_bolt(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot)
{
    unsigned int shift = is_direct(va) ? DIRECT_SHIFT : PAGE_SHIFT;

    for (size_t off = 0; off < len; off += 1UL << shift) {
        struct hpt_key k = kernel_key(va + off);
        u64 r = hpt_second_word(pa + off, shift, prot, PT_YOUNG | PT_DIRTY);
        unsigned long irq = irq_save();
        long slot = hpt_insert(&k, r, 0);

        irq_restore(irq);
        if (slot < 0)
            return -ENOMEM;
    }
    return 0;
}

void hash_unbolt(vaddr_t va, size_t len)
{
    for (vaddr_t end = va + len; va < end;) {
        struct hpt_batch batch = {.nr = 0};
        unsigned long irq = irq_save();

        for (unsigned int i = 0; i < HPT_SLICE && va < end; i++, va += PAGE_SIZE) {
            struct hpt_key k = kernel_key(va);

            hpt_batch_add(&batch, &k);
        }
        hpt_batch_end(&batch);
        irq_restore(irq);
    }
}

void hash_bolt_protect(vaddr_t va, size_t len, pt_prot_t prot)
{
    for (size_t off = 0; off < len; off += 1UL << DIRECT_SHIFT) {
        struct hpt_key k = kernel_key(va + off);

        hpt_protect(&k, prot);
    }
}

/* ---- the user half ---- */

static bool allows(const struct hash_walk *w, unsigned int flags)
{
    pt_prot_t need = PT_U | (flags & FAULT_WRITE ? PT_W : flags & FAULT_EXEC ? PT_X : PT_R);
    u64 bits = PPC_PTE_LEAF | ppc_leaf_bits(need);

    return w->level <= 1 && (w->entry.v & (bits | PPC_PTE_PRIV)) == bits &&
           (w->segment_link & w->table_link & need) == need;
}

/* The access is recorded in the tree; false when the leaf has changed meanwhile. */
static bool mark(struct hash_walk *w, unsigned int flags)
{
    unsigned int state = pte_state(w->entry),
                 add = flags & FAULT_WRITE ? PT_YOUNG | PT_DIRTY : PT_YOUNG;
    pte_t new = pte_with_state(w->entry, state | add);

    if (new.v != w->entry.v && !pte_cmpxchg(w->slot, &w->entry, new))
        return false;
    w->entry = new;
    return true;
}

/* No entry of the level-1 table is a link. */
static bool has_large_leaves_only(const struct page *table)
{
    const pte_t *base = page_to_virt(table);

    for (unsigned int i = 0; i < pt_entries(1); i++)
        if (pte_is_table(pte_load(base + i), 1))
            return false;
    return true;
}

/* The table's segment word, made or replaced as needed; *retired gets the old one, or 0. */
static u64 segment_word(struct page *table, unsigned int leaf_level, u64 *retired)
{
    u64 flags = leaf_level == 1 && has_large_leaves_only(table) ? SEG_16M : 0;
    u64 seg = READ_ONCE(table->pt_private), new;

    if (seg != 0 && (seg & SEG_16M) == flags)
        return seg;
    new = seg_alloc(flags | (READ_ONCE(table->pt_shared) != 0 ? SEG_CHANGED : 0));
    if (cmpxchg(&table->pt_private, seg, new) != seg) {
        *retired =
            new; /* somebody else was faster; his choice is tried, and again if it is wrong */
        return READ_ONCE(table->pt_private);
    }
    if (seg != 0)
        hpt_count(HPT_base_size_change);
    *retired = seg;
    return new;
}

static void enter(const struct hash_walk *w, vaddr_t va, u64 seg)
{
    unsigned int base = seg_base_shift(seg);
    struct hpt_key k = hpt_key(seg_vsid(seg), va, base, false);
    paddr_t pa = pte_paddr(w->entry, w->level) + (va & (pt_size(w->level) - 1));
    unsigned int state = pte_state(w->entry);
    pt_prot_t prot = pte_prot(w->entry, w->level);

    /* Not the links above the segment: they are its SLB entry's, and differ between users. */
    prot &= w->table_link | ~(pt_prot_t)PT_RWXU;
    if (!(state & PT_DIRTY))
        prot &= ~PT_W;
    if (hpt_insert(&k, hpt_second_word(pa, base, prot, state), seg) < 0)
        panic("hash: both groups of 0x%lx are full of the kernel's entries", va);
}

/* The entry's second word for a small leaf of a user. */
static inline u64 small_second_word(pte_t e)
{
    u64 r = e.v & (PPC_PTE_ADDR | HPTE_R | HPTE_C);

    _Static_assert(HPTE_R == PPC_PTE_REF && HPTE_C == PPC_PTE_C, "same places");
    r |= (e.v & (PPC_PTE_W | PPC_PTE_C)) == (PPC_PTE_W | PPC_PTE_C) ? HPTE_PP_RW : HPTE_PP_RO;
    return r | (e.v & PPC_PTE_X ? 0 : HPTE_N) | (e.v & PPC_PTE_NC ? HPTE_IG : HPTE_M);
}

static inline void insert_small(u64 seg, vaddr_t va, pte_t e)
{
    struct hpt_key k = hpt_key(seg_vsid(seg), va, PAGE_SHIFT, false);

    hpt_count(HPT_refill);
    if (unlikely(hpt_insert(&k, small_second_word(e), seg) < 0))
        panic("hash: both groups of 0x%lx are full of the kernel's entries", va);
}

/* As many pages as a read's fault maps around its address, at most. */
#define AROUND 16u

/* A leaf that a user may read and nobody has used. */
static inline bool is_fresh(pte_t e)
{
    return (e.v & (PPC_PTE_LEAF | PPC_PTE_R | PPC_PTE_PRIV | PPC_PTE_REF)) ==
           (PPC_PTE_LEAF | PPC_PTE_R);
}

/* A fault has just mapped what is around @va, whose entry is @slot: the neighbours are entered,
 * too. A leaf that changes meanwhile waits for its own access. */
static __noinline void refill_around(u64 seg, vaddr_t va, pte_t *slot)
{
    unsigned int own = (va >> PAGE_SHIFT) % AROUND;

    for (unsigned int i = 0; i < AROUND; i++) {
        pte_t *s = slot - own + i, e = pte_load(s), new = {.v = e.v | PPC_PTE_REF};

        if (is_fresh(e) && pte_cmpxchg(s, &e, new))
            insert_small(seg, va + ((vaddr_t)i - own) * PAGE_SIZE, new);
    }
}

/* What the walk found is entered. Returns a segment number that is no longer used, or 0. */
static u64 enter_found(struct mm *mm, vaddr_t va, const struct hash_walk *w)
{
    u64 retired = 0, seg = segment_word(w->segment, w->level, &retired);

    hpt_count(HPT_refill);
    if (seg != 0 && (w->level == 1 || !(seg & SEG_16M)))
        enter(w, va, seg);
    if (this_cpu()->active_mm == mm &&
        slb_install(va, seg != 0 ? seg : SEG_EMPTY, w->segment_link))
        hpt_count(HPT_slb_fix);
    return retired;
}

/* Any leaf, any links. A walk is under way and ends here; @irq is what it began with. */
static __noinline int refill_any(struct mm *mm, vaddr_t va, unsigned int flags, unsigned long irq)
{
    struct hash_walk w;
    u64 retired = 0;
    bool ok;

    do {
        hash_walk(mm, va, &w);
        ok = allows(&w, flags);
    } while (ok && !mark(&w, flags));
    if (ok)
        retired = enter_found(mm, va, &w);
    hash_walk_end();
    irq_restore(irq);
    if (retired != 0)
        seg_retire(retired);
    return ok ? 0 : -EFAULT;
}

static __noinline int insert_last_any(u64 v, u64 hash, u64 r, unsigned long irq)
{
    hpt_insert_user(v, hash, r);
    hash_walk_end();
    irq_restore(irq);
    return 0;
}

/* The end of a walk: the translation of a small leaf. */
static __always_inline int insert_last(u64 seg, vaddr_t va, pte_t e, unsigned long irq)
{
    struct hpt_key k = hpt_key(seg_vsid(seg), va, PAGE_SHIFT, false);
    u64 r = small_second_word(e);

    hpt_count(HPT_refill);
    if (unlikely(hpt_insert_free(k.v, k.hash, r, seg, false) < 0))
        return insert_last_any(k.v, k.hash, r, irq);
    hash_walk_end();
    irq_restore(irq);
    return 0;
}

static __noinline int refill_with_others(u64 seg, vaddr_t va, pte_t e, unsigned long irq,
                                         pte_t *slot)
{
    refill_around(seg, va, slot);
    return insert_last(seg, va, e, irq);
}

/* The leaf is marked for the access. */
static __always_inline int enter_small(u64 seg, vaddr_t va, unsigned int flags, pte_t e, unsigned long irq,
                              pte_t *slot)
{
    if ((flags & (PPC_FAULT_ANSWERED | FAULT_WRITE | FAULT_EXEC)) == PPC_FAULT_ANSWERED &&
        unlikely(is_fresh(pte_load(slot + (va & PAGE_SIZE ? -1 : 1)))))
        return refill_with_others(seg, va, e, irq, slot);
    return insert_last(seg, va, e, irq);
}

static __noinline int refill_unmarked(struct mm *mm, vaddr_t va, unsigned int flags,
                                      unsigned long irq, u64 seg, pte_t *slot, pte_t old)
{
    pte_t new = {old.v | PPC_PTE_REF | (flags & FAULT_WRITE ? PPC_PTE_C : 0)};

    if (unlikely(!pte_cmpxchg(slot, &old, new)))
        return refill_any(mm, va, flags, irq);
    return enter_small(seg, va, flags, new, irq, slot);
}

static inline bool forbid(u64 links, unsigned int flags)
{
    return ((links & PPC_LINK_NOW) && (flags & FAULT_WRITE)) ||
           ((links & PPC_LINK_NOX) && (flags & FAULT_EXEC));
}

static int refill_small(struct mm *mm, vaddr_t va, unsigned int flags, unsigned long irq,
                        const pte_t *table, u64 links, pte_t *slot, u64 entry);

/* In another segment than the last one: if the SLB has it, it is the last one from now on. */
static __noinline int refill_elsewhere(struct mm *mm, vaddr_t va, unsigned int flags,
                                       unsigned long irq, const pte_t *table, u64 links,
                                       pte_t *slot, u64 entry)
{
    u64 seg = READ_ONCE(pt_table_page(table)->pt_private);

    slb_look_for(va);
    if (seg != 0 && !(seg & SEG_16M) && slb_has_small(va, seg, links))
        return refill_small(mm, va, flags, irq, table, links, slot, entry);
    return refill_any(mm, va, flags, irq);
}

/*
 * The same where the tree has a small leaf, @entry at @slot, that allows the access. If links to
 * the segment's table do not, the segment has no number or is not loaded, or the leaf changes
 * meanwhile, it is any leaf. What is ordinary needs no stack frame.
 */
static __noinline int refill_small(struct mm *mm, vaddr_t va, unsigned int flags, unsigned long irq,
                                   const pte_t *table, u64 links, pte_t *slot, u64 entry)
{
    u64 mark = PPC_PTE_REF | (flags & FAULT_WRITE ? PPC_PTE_C : 0);
    u64 seg = READ_ONCE(pt_table_page(table)->pt_private);

    if (unlikely(!slb_has_small(va, seg, links)) && seg != 0)
        return refill_elsewhere(mm, va, flags, irq, table, links, slot, entry);
    if (unlikely(seg == 0 || (seg & SEG_16M) ||
                 ((links & (PPC_LINK_NOW | PPC_LINK_NOX)) && forbid(links, flags))))
        return refill_any(mm, va, flags, irq);
    if ((~entry & mark) != 0)
        return refill_unmarked(mm, va, flags, irq, seg, slot, (pte_t){entry});
    return enter_small(seg, va, flags, (pte_t){entry}, irq, slot);
}

/* The walk ends without an answer. */
static inline int refill_nothing(unsigned long irq)
{
    hash_walk_end();
    irq_restore(irq);
    return -EFAULT;
}

/* The same where @link, to the table of small leaves, allows no writing: since a fork several
 * address spaces have that table (mm/pt_share_fork.c), and each its entries under its own number.
 */
static __noinline int refill_forked(struct mm *mm, vaddr_t va, unsigned int flags,
                                    unsigned long irq, const pte_t *table, u64 links, pte_t link)
{
    const u64 want = PPC_PTE_LEAF | PPC_PTE_R, limits = PPC_LINK_NOW | PPC_LINK_NOX;
    pte_t *slot = (pte_t *)hash_below(link) + hash_index(va, PAGE_SHIFT, HASH_BITS_0);
    pte_t old = pte_load(slot), new = {old.v | PPC_PTE_REF};
    u64 seg = READ_ONCE(pt_table_page(table)->pt_private);

    if ((flags & FAULT_WRITE) && (link.v & PPC_LINK_NOW))
        return refill_nothing(irq);
    if ((flags & FAULT_EXEC) || (links & limits) || (link.v & PPC_LINK_NOX) || seg == 0 ||
        (seg & SEG_16M) || !slb_has_small(va, seg, links) ||
        (old.v & (want | PPC_PTE_PRIV)) != want ||
        (new.v != old.v && !pte_cmpxchg(slot, &old, new)))
        return refill_any(mm, va, flags, irq);
    new.v &= ~PPC_PTE_W;
    return insert_last(seg, va, new, irq);
}

/* Most first looks find that the tree does not allow the access: they cost no stack frame. */
static inline int refill(struct mm *mm, const struct fault_info *fi)
{
    unsigned int flags = fi->flags;
    u64 links, need = PPC_PTE_R | (flags & FAULT_WRITE ? PPC_PTE_W : 0);
    unsigned long irq = irq_save();
    vaddr_t va = fi->addr;
    const pte_t *table;
    pte_t e, *slot;

    need |= flags & FAULT_EXEC ? PPC_PTE_X : 0;
    hash_walk_begin();
    table = hash_walk_segment(mm->root, va, &links);
    if (unlikely(table == NULL))
        return refill_any(mm, va, flags, irq);
    e = pte_load(table + hash_index(va, HASH_SHIFT_1, HASH_BITS_1));
    if (unlikely(!pte_is_table(e, 1)))
        return refill_any(mm, va, flags, irq);
    if (unlikely(e.v & (PPC_LINK_NOW | PPC_LINK_NOX)))
        return refill_forked(mm, va, flags, irq, table, links, e);
    slot = (pte_t *)hash_below(e) + hash_index(va, PAGE_SHIFT, HASH_BITS_0);
    e = pte_load(slot);
    if ((e.v & PPC_PTE_LEAF) && ((~e.v & need) | (e.v & PPC_PTE_PRIV)) == 0)
        return refill_small(mm, va, flags, irq, table, links, slot, e.v);
    return refill_nothing(irq);
}

/* Not with the radix MMU, where there is nothing to fill (MMU_WALKS_TREE). */
int mmu_refill(struct mm *mm, const struct fault_info *fi)
{
    ASSERT(!ppc_mmu.radix);
    if (mm == NULL || fi->addr >= user_top())
        return -EFAULT;
    return refill(mm, fi);
}

bool hpt_explain(struct mm *mm, vaddr_t va, struct hpt_info *info)
{
    unsigned long irq = irq_save();
    struct hash_walk w;
    struct hpt_key k;
    u64 seg;

    *info = (struct hpt_info){.esid = va >> 28, .slot = -1};
    hash_walk_begin();
    hash_walk(mm, va, &w);
    seg = w.segment != NULL ? READ_ONCE(w.segment->pt_private) : 0;
    hash_walk_end();
    irq_restore(irq);
    if (seg == 0)
        return w.segment != NULL;
    k = hpt_key(seg_vsid(seg), va, seg_base_shift(seg), false);
    info->vsid = seg_vsid(seg);
    info->base_shift = seg_base_shift(seg);
    info->hash = k.hash;
    info->group[0] = k.hash & (hpt_nr_groups() - 1);
    info->group[1] = ~k.hash & (hpt_nr_groups() - 1);
    info->slot = hpt_find(&k, &info->second_word);
    info->secondary = info->slot >= 0 && (u64)info->slot / HPT_GROUP != info->group[0];
    info->segment_entries = seg_nr_entries(seg);
    return true;
}
