/* SPDX-License-Identifier: MIT */
/* huge_internal.h: what huge.c, rmap_huge.c, split.c say to each other only. */
#pragma once
#include <mm/huge.h>

/*
 * The step after which the frame is small: false when it already is, or becomes so by somebody
 * else. *found is the word before. The leaf entries' references are the caller's to hand out, and
 * when there are leaf entries the frame is BUSY, the caller's. Preemption off, interrupts on.
 */
bool __must_check huge_take_whole(struct page *head, u64 *found);
/* Takes PAGE_TAIL out of each word, adds @worth, frees what becomes 0. */
void huge_release_pages(struct page *head, u64 worth);
/* The list's leaf entries one after the other: the first behind NULL, NULL behind the last; returns
 * the table that the entry owns. The frame is BUSY, the caller's. */
struct page *huge_next(struct page *head, struct page *table, struct huge_place *at);
/* First leaf entry of the list, taken off; its table is the caller's. NULL at the end. The frame is
 * BUSY, the caller's. */
struct page *huge_pop(struct page *head, struct huge_place *at);
