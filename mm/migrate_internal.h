/* SPDX-License-Identifier: MIT */
/* migrate_internal.h: what the files that move pages say to each other, and to rmap_file.c. */
#pragma once
#include <mm/migrate.h>

struct mapping;
struct vma;

/* migrate_file.c: those of the @n pages that belong to objects. Sets err. */
void migrate_files(struct migration *m, unsigned int n);

/*
 * rmap_file.c: pages of one object, all locked, whose translations are taken away to come back by
 * faults. Areas that are locked in memory (mlock) are read-locked meanwhile, and get theirs back at
 * once: a few such areas at most.
 */
#define MAX_LOCKED_AREAS 8u
struct mapping_unmapped {
    struct mapping *m;
    struct page *const *pages;
    unsigned int nr, nr_locked;
    struct locked_area {
        struct vma *v;
        u32 had, wrote; /* bit per page: mapped there; with the right to write */
    } locked[MAX_LOCKED_AREAS];
};
/* 0; -EAGAIN: a lock is taken; -EBUSY: too many areas are locked in memory; then nothing has
 * changed. One round of calls per address space. Only tries. */
int __must_check mapping_unmap_begin(struct mapping_unmapped *u, struct mapping *m,
                                     struct page *const *pages, unsigned int n);
/* @p, locked, is what the object has now in the place of page @i. */
void mapping_put_back(const struct mapping_unmapped *u, unsigned int i, struct page *p);
void mapping_unmap_end(struct mapping_unmapped *u);
