/* SPDX-License-Identifier: MIT */
/*
 * rmap.h: from a page of anonymous memory to the leaf entries that map it.
 *
 * Address spaces that descend from each other by fork without exec are a family, and only in a
 * family is an anonymous page shared. The page knows its family and its index; an area's pages have
 * the indexes from its pgoff on, wherever mremap has put it. So a walk looks in each address space
 * of the family at those areas whose indexes contain the page's, and nothing has to be kept right
 * when areas are cut, merged or moved.
 */
#pragma once
#include <mm/mm.h>
#include <mm/page.h>

struct vma;

void rmap_init(void); /* the cache; before the first address space */
/* A family with one member to come, or NULL. */
struct anon_family *rmap_family_alloc(void);
void rmap_family_free(struct anon_family *f); /* of no member */
/* @mm becomes a member: of a new family, whose one reference it takes over, or of its parent's. */
void rmap_family_found(struct mm *mm, struct anon_family *f);
void rmap_family_join(struct mm *mm, struct anon_family *f);
/* @mm maps nothing any more. */
void rmap_family_leave(struct mm *mm);

struct rmap_place {
    struct mm *mm;
    struct vma *v;
    vaddr_t va;           /* of the page */
    struct page *table;   /* locked */
    pte_t *slot;
    unsigned int level;
};
/*
 * Calls @visit (may be NULL) for each leaf that maps @p, a page of kind PAGE_ANON on which the
 * caller holds a reference; how many there were. Takes mmap_lock of each address space for reading:
 * the caller holds none, may sleep. Leaves that come and go meanwhile may be missed; a child that
 * is forked during the walk is met, or its parent is met behind the fork.
 */
unsigned int rmap_walk_anon(struct page *p, void (*visit)(const struct rmap_place *at, void *arg),
                            void *arg);
/* The same for who holds locks, mmap_lock of some address space perhaps: an address space whose
 * mmap_lock is not free at once is passed by. */
unsigned int rmap_try_walk_anon(struct page *p,
                                void (*visit)(const struct rmap_place *at, void *arg), void *arg);
/*
 * Leaves for [start, end) were changed in a table that several of @mm's family have, whose lock the
 * caller holds: on return no CPU and no client of any of them can use what they were before. One
 * round. @mm, which has users, is one of those who have the table.
 */
void rmap_flush_family(struct mm *mm, vaddr_t start, vaddr_t end);
