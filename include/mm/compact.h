/* SPDX-License-Identifier: MIT */
/* compact.h: large free blocks are made by moving pages out of them. */
#pragma once
#include <mm/buddy.h>

/* For the page allocator: no block of 2^@order frames is free. Moves pages until one is, or was:
 * true when another try is worth while. Only tries locks; may sleep. Does nothing when it failed
 * often lately and @gfp says that the caller can do without (GFP_USER). */
bool compact_direct(unsigned int order, gfp_t gfp);
/* The same soon, by a kernel thread. */
void compact_later(unsigned int order);
/* For who finds no memory: frames that a run has taken out of the allocator go back at once, and
 * the run gives up. True: there were some. */
bool compact_give_way(void);
/* As many free blocks of a huge page's size as can be had. How many became free. May sleep. */
unsigned long compact_all(void);
/* Thousandths of free memory that is no use for a block of 2^@order frames, and why an allocation
 * of one would fail now: 0 for want of memory, 1000 for fragmentation, -1000: it would not. */
int compact_unusable_index(unsigned int order);
int compact_fragmentation_index(unsigned int order);
/* Boot: /sys/kernel/debug/extfrag. */
void compact_init(void);
