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
#include <asm/quire_platform.h>
#include <boot/bootinfo.h>
#include <kernel/printk.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "internal.h"

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

        if (hpt_insert(&k, r, true) < 0)
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

    return pte_is_leaf(w->entry, w->level) && w->level <= 1 &&
           (pte_prot(w->entry, w->level) & w->segment_link & w->table_link & need) == need;
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
    if (hpt_insert(&k, hpt_second_word(pa, base, prot, state), false) < 0)
        panic("hash: both groups of 0x%lx are full of the kernel's entries", va);
}

int hash_refill(struct mm *mm, vaddr_t va, unsigned int flags)
{
    unsigned long irq = irq_save();
    u64 retired = 0, seg;
    struct hash_walk w;
    bool ok;

    hash_walk_begin();
    do {
        hash_walk(mm, va, &w);
        ok = allows(&w, flags);
    } while (ok && !mark(&w, flags));
    if (ok) {
        hpt_count(HPT_refill);
        seg = segment_word(w.segment, w.level, &retired);
        if (seg != 0 && (w.level == 1 || !(seg & SEG_16M)))
            enter(&w, va, seg);
        if (this_cpu()->active_mm == mm &&
            slb_install(va, seg != 0 ? seg : SEG_EMPTY, w.segment_link))
            hpt_count(HPT_slb_fix);
    }
    hash_walk_end();
    irq_restore(irq);
    if (retired != 0)
        seg_retire(retired);
    return ok ? 0 : -EFAULT;
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
