/* SPDX-License-Identifier: MIT */
/* pt_share_internal.h: what the files about shared tables say to each other only. */
#pragma once
#include <mm/page_cache.h>
#include <mm/pt_share.h>
#include "pt_internal.h"

/* What the entries of a table map, and so its name in the index of the object. */
struct share_key {
    u64 first;      /* page of the object that the first byte of the span maps; may be "below 0" */
    u64 from, to;   /* bytes of the span that are mapped at all; page aligned */
    pt_prot_t prot; /* of all its users, where links carry none; else 0 */
    unsigned int level;
};

struct pt_share {
    struct share_key key;
    struct mapping *object; /* NULL: private memory, shared by fork (pt_share_fork.c) */
    struct page *table;
    struct pt_share *next; /* [share_lock] others at the same place of the index */
    bool copied;           /* no object: a user left with a copy, so no page is PG_EXCLUSIVE */
    bool indexed;          /* [S] found by its key; else only below the table that links it */
    u32 seen;              /* links that the check has found */
    u32 nr_anon, nr_file;  /* no object: pages that the table maps, anonymous and of the file */
    u32 moves;             /* [PT of table] no object: how often leaves were changed in place */
    u32 walk;              /* [PT] no object: the last walk of the reverse map that has been here */
    struct rcu_head rcu;
};

static inline struct pt_share *share_of(const struct page *table)
{
    ASSERT(table->kind == PAGE_TABLE && table->pt_shared != 0);
    return (struct pt_share *)(unsigned long)table->spare;
}
/* Private memory, shared since a fork? Does not change while there is a link. */
static inline bool share_is_forked(const struct pt_share *d)
{
    return d->object == NULL;
}
static inline bool links_carry_prot(void)
{
    return mmu_has(MMU_LINK_WRITE) && mmu_has(MMU_LINK_EXEC);
}
/* Which counter of an address space the pages of @m's leaves belong to. */
static inline enum mm_counter object_counter(const struct mapping *m)
{
    if (m->flags & MAPPING_POOL)
        return MM_HUGETLB;
    return m->flags & MAPPING_SHMEM ? MM_SHMEM : MM_FILE;
}

/* Takes the page of an object that the leaf @e, which is no longer in its table, maps, to the
 * batch. True: the batch is full. */
static inline bool share_drop_page(struct tlb_gather *batch, pte_t e, unsigned int level)
{
    struct page *p = pte_page(e, level);

    ASSERT(page_refs(p) > 0 && page_mapcount(p) > 0);
    if ((pte_state(e) & PT_DIRTY) && !page_test(p, PG_DIRTY))
        page_set(p, PG_DIRTY);
    page_map_dec(p);
    return tlb_gather_page(batch, p);
}
/* The level of the smallest tables that areas with leaves like @v's share: parts of spans that they
 * have for themselves are worth while there. */
static inline unsigned int share_smallest_level(const struct vma *v)
{
    return max((unsigned int)v->level, mmu_has(MMU_LINK_ANY) ? 0u : 1u);
}

/* A link to a table of an object, of fork's or of a space, in one of the address space's own. */
struct share_link {
    struct mm *mm;
    struct page *parent, *table;
    pte_t *slot;
    vaddr_t va; /* of the span */
};

/* pt_unshare.c */
/* The first one around or behind *va; *va moves on. False: none before @end. */
bool share_find_link(struct mm *mm, vaddr_t *va, vaddr_t end, struct share_link *l);

/*
 * pt_share_write.c: who may write and pin through a table that fork shares. mmap_lock held for
 * writing, the area write-locked.
 */
/* Of links to such tables. */
#define FORK_LINK_PROT (PT_RWXU & ~PT_W)
/* Nobody may, through the link in @slot of @parent, to the address space's own @table. False: as
 * before, for pages behind it may be pinned. */
bool __must_check fork_share_close(struct page *table, struct page *parent, pte_t *slot);
/* It has just been taken over. */
void fork_share_open(struct page *table, struct page *parent, pte_t *slot);
/* And is to be used on: writes to what was written already need no faults. */
void fork_share_give_back(const struct vma *v, struct page *table);
/* May anybody write through @link, to @table, which is shared? For the checks. */
bool fork_share_is_closed(pte_t link, const struct page *table);

/* pt_share_fork.c: tables without an object. */
/* False: others use the table, too. */
bool fork_share_adopt(const struct share_link *l);
void fork_share_put(struct tlb_gather *batch, struct pt_share *d);

/* pt_space.c: is @table, which a link of @v leads to, one of the space that @v maps? */
bool pt_space_has_table(const struct vma *v, const struct page *table);
/* One link less, flushed. */
void pt_space_put_link(struct page *table);
/* What a table that users link has. */
void pt_space_usage(const struct page *table, struct pt_share_usage *u);
/* As pt_share_check_link. */
const char *pt_space_check_link(const struct vma *v, vaddr_t va, pte_t link,
                                const struct page *table);

/* pt_share.c */
/* A descriptor of nothing yet, counted as a table; NULL. May sleep. */
struct pt_share *share_alloc_empty(void);
unsigned int share_nr_tables(void); /* of all objects */
/* share_lock held. */
void share_index_remove(struct pt_share *d);
void share_free(struct pt_share *d); /* the descriptor only */
/* One link less, whose address space has been flushed. Pages go to @batch, no locks held. */
void share_put(struct tlb_gather *batch, struct page *table);
/* Walks over the tables of @m of @level that may map pages [first, last). share_lock held. */
void share_for_each(struct mapping *m, unsigned int level, u64 first, u64 last,
                    void (*fn)(struct pt_share *d, void *arg), void *arg);
