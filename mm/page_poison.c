/* SPDX-License-Identifier: MIT */
/*
 * page_poison.c: finds writes to free memory. Debug kernels only.
 *
 * A frame that is freed is filled with a pattern; when it is allocated again the pattern must be
 * intact. Frames that were free since boot carry no pattern and no PG_POISONED, because filling all
 * of memory would cost more than the boot.
 *
 * Locks: none; the caller owns the frame, it is on no list.
 * Invariants: I1 PG_POISONED set => the frame is free and filled. Checked by page_unpoison at every
 * allocation.
 * Read next: pcp.c, which calls it.
 */
#ifdef CONFIG_DEBUG
#include <kernel/printk.h>
#include <kernel/string.h>
#include <mm/page.h>
#include "internal.h"

#define POISON_WORD 0xaaaaaaaaaaaaaaaaULL
#define WORDS       (PAGE_SIZE / sizeof(u64))
#define AT_ONCE     8u /* words: all of the memory that comes and goes passes here, twice */

static void fill(u64 *w)
{
    for (unsigned int i = 0; i < WORDS; i += AT_ONCE, w += AT_ONCE) {
        w[0] = POISON_WORD;
        w[1] = POISON_WORD;
        w[2] = POISON_WORD;
        w[3] = POISON_WORD;
        w[4] = POISON_WORD;
        w[5] = POISON_WORD;
        w[6] = POISON_WORD;
        w[7] = POISON_WORD;
    }
}

void page_poison(struct page *p, unsigned int order)
{
    ASSERT(order <= BUDDY_MAX_ORDER);
    for (unsigned int f = 0; f < (1u << order); f++) {
        ASSERT(!(p[f].flags & PG_POISONED)); /* else it is free already: I1 */
        fill(page_to_virt(p + f));
        p[f].flags = PG_POISONED;
    }
}

long page_poison_damage(const struct page *p)
{
    const u8 *b = page_to_virt(p), *damaged = memchr_inv(b, (u8)POISON_WORD, PAGE_SIZE);

    return damaged ? damaged - b : -1;
}

void page_unpoison(struct page *p, unsigned int order)
{
    for (unsigned int f = 0; f < (1u << order); f++) {
        long at;

        if (!(p[f].flags & PG_POISONED))
            continue;
        at = page_poison_damage(&p[f]);
        if (at >= 0)
            panic("free frame 0x%lx was written to: byte 0x%lx is 0x%02x", page_to_pfn(&p[f]),
                  (unsigned long)at, ((const u8 *)page_to_virt(&p[f]))[at]);
        p[f].flags = 0;
    }
}
#endif
