/* SPDX-License-Identifier: MIT */
/*
 * quire_hpt.h: what others may ask about the hash table: tests, the page table's dump, the
 * debugger. All of it only when the hash MMU was chosen.
 */
#pragma once
#include <arch/mmu.h>

/* One address as the hash MMU sees it. */
struct hpt_info {
    u64 esid; /* number of the 256 MiB segment of the address */
    u64 vsid; /* its segment's number; 0: the segment has none, nothing else is set */
    unsigned int base_shift; /* log2 of the segment's base page size */
    u64 hash;
    u64 group[2];        /* primary, secondary */
    long slot;           /* in the table, -1 when it is not there: 8 * group + place */
    bool secondary;      /* found in the secondary group */
    u64 second_word;     /* address, permissions, R and C; 0 when not there */
    u32 segment_entries; /* entries of the whole segment */
};
/* @va of the user half of @mm, whose tables the caller keeps. False: there is no table for it. */
bool hpt_explain(struct mm *mm, vaddr_t va, struct hpt_info *info);

/* Groups by the number of their entries, and what the entries are. */
struct hpt_occupancy {
    u64 groups[9];
    u64 entries, bolted, secondary, dead;
};
/* The whole table, or (@vsid other than 0) the entries of one user segment alone. */
void hpt_occupancy(struct hpt_occupancy *o, u64 vsid);
/* Sum over the CPUs of an event by its name in /proc/hpt; ~0 when there is no such name. */
u64 hpt_event_sum(const char *name);
/* Retired segment numbers come back now. */
void hpt_sweep(void);
u64 hpt_nr_groups(void);
