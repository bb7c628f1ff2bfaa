/* SPDX-License-Identifier: MIT */
/*
 * page_cache.h: struct mapping, the pages of one object (file, memfd, shared anonymous memory) by
 * index.
 *
 * A page in the tree has kind PAGE_FILE, page->mapping and page->index set, and one reference held
 * by the tree. Lookup takes no lock: RCU, page_try_get, then a second look at page->mapping and
 * page->index; where that fails, as for a page that is just being moved, it looks again under the
 * tree's lock. Whoever needs the page to stay in the object (fault that installs an entry, write)
 * holds page_lock and checks page->mapping == m afterwards; mapping_truncate takes the same lock.
 *
 * Faults against truncation: the size is lowered first, then mapping_truncate runs. A fault checks
 * index < size under page_lock and installs its entry under page_lock; so either truncation sees
 * the entry or the fault sees the size.
 *
 * Locks: vmas_lock (MAPPING), page_lock (PAGE), lock (PAGE_CACHE), in this order.
 */
#pragma once
#include <kernel/mutex.h>
#include <kernel/radix_tree.h>
#include <mm/buddy.h>

struct inode;

struct mapping_ops {
    /* Fills a new page: locked, not PG_UPTODATE, already in the tree. 0 or -errno. NULL: the page
     * is cleared. */
    int (*fill)(struct mapping *m, struct page *p);
    /* Before @nr pages join: 0 or -ENOSPC (quota of the file system). NULL: no limit. Any context
     * that may sleep. */
    int (*charge)(struct mapping *m, u64 nr);
    /* after @nr pages left. NULL goes with charge NULL */
    void (*uncharge)(struct mapping *m, u64 nr);
};

#define MAPPING_SHMEM (1u << 0) /* memory is the only copy: counted as Shmem, never dropped */
#define MAPPING_POOL  (1u << 1) /* pages of a pool (hugetlb.h), which counts them itself */

struct mapping {
    spinlock_t lock;         /* LOCK_PAGE_CACHE: writers of tree, nr_pages */
    u32 flags;               /* MAPPING_*, set at creation */
    struct radix_tree tree;
    u64 nr_pages;            /* lock; read without it for statistics */
    const struct mapping_ops *ops;
    struct inode *host;      /* owner, or NULL */
    struct rwsem vmas_lock;  /* LOCK_MAPPING */
    struct list_head vmas;   /* vmas_lock: VMAs by vma->mapping_link */
    atomic_t nr_cuts;        /* truncations that wait for users of tables that fork shared */
    atomic_t nr_writable;    /* > 0: shared mappings that may write; < 0: seals that forbid them */
    struct spinlock share_lock; /* LOCK_PT_SHARE: the next, and links to what is in it */
    struct radix_tree shares[2]; /* page tables of the object by place, per level (pt_share.h) */
    void *private;
};

void page_cache_init(void); /* once, after slab_init */
void mapping_init(struct mapping *m, const struct mapping_ops *ops, struct inode *host, u32 flags);
/* Drops all pages; nobody uses the mapping any more (no VMA, no lookup). */
void mapping_destroy(struct mapping *m);

/* The page at @index with a reference, or NULL. Never sleeps; the page may be unfilled (PG_UPTODATE
 * clear) or leave at once. */
struct page *mapping_find_get(struct mapping *m, u64 index);
/* Up to @n pages of [*index, end), ascending, with a reference each; *index is set behind the last,
 * or to @end. */
unsigned int mapping_find_batch(struct mapping *m, u64 *index, u64 end, struct page **pages,
                                unsigned int n);

#define MAPPING_LOCK (1u << 0) /* mapping_get_page: return it locked, page->mapping == m */
/* caller overwrites all of it: not filled, returned locked, PG_UPTODATE maybe clear */
#define MAPPING_NOFILL (1u << 1)
/* Finds or makes the page at @index; *out has a reference and is up to date. 0, -ENOMEM, -ENOSPC,
 * or fill's error. May sleep. */
int __must_check mapping_get_page(struct mapping *m, u64 index, unsigned int how,
                                  struct page **out);
/* Puts @p (locked by the caller, own reference kept, kind PAGE_FILE or PAGE_KERNEL) at @index; the
 * tree takes a reference. 0, -EEXIST, -ENOMEM, -ENOSPC; on error nothing changed. */
int __must_check mapping_insert(struct mapping *m, struct page *p, u64 index, gfp_t gfp);
/*
 * @new, locked, of the same kind and without a mapping, takes the place of @old, which is locked,
 * in @m and in no page table. False, and nothing has changed, unless the tree and the caller have
 * the only references to @old. @copied: the contents are the same already, and only page tables or
 * the holder of a pin could have changed them. The tree takes a reference; @old keeps the caller's.
 */
bool __must_check mapping_replace(struct mapping *m, struct page *old, struct page *new,
                                  bool copied);
/* Takes @p (locked, in @m) out and drops the tree's reference; the caller still holds its own. */
void mapping_remove(struct mapping *m, struct page *p);
/* Removes the pages of [first, last) and, where they were mapped, their translations
 * (mapping_unmap_range). May sleep. Pass last = ~0ULL for "to the end". Returns how many pages
 * left. */
u64 mapping_truncate(struct mapping *m, u64 first, u64 last);
static inline u64 mapping_nr_pages(const struct mapping *m)
{
    return READ_ONCE(m->nr_pages);
}

/* PG_LOCKED as a sleeping lock (class PAGE, mm/page_lock.c). The holder has a reference. */
void page_lock_init(void); /* page_cache_init calls it */
void page_lock_slow(struct page *p);
void page_unlock_slow(struct page *p);
static inline bool page_trylock(struct page *p)
{
    if (__atomic_fetch_or(&p->flags, PG_LOCKED, __ATOMIC_ACQUIRE) & PG_LOCKED)
        return false;
    lockcheck_acquire(p, LOCK_PAGE, false, true);
    return true;
}
static inline void page_lock(struct page *p)
{
    might_sleep();
    lockcheck_acquire(p, LOCK_PAGE, false, false);
    if (unlikely(__atomic_fetch_or(&p->flags, PG_LOCKED, __ATOMIC_ACQUIRE) & PG_LOCKED))
        page_lock_slow(p);
}
static inline void page_unlock(struct page *p)
{
    lockcheck_release(p, LOCK_PAGE);
    if (unlikely(__atomic_fetch_and(&p->flags, ~(PG_LOCKED | PG_WAITERS), __ATOMIC_RELEASE) &
                 PG_WAITERS))
        page_unlock_slow(p);
}

/* Seals (memfd F_SEAL_WRITE) against writable shared mappings. map: 0 or -EPERM; deny: 0 or
 * -EBUSY. */
int __must_check mapping_map_writable(struct mapping *m);
void mapping_unmap_writable(struct mapping *m);
int __must_check mapping_deny_writable(struct mapping *m);
void mapping_allow_writable(struct mapping *m);

/* Whole system, pages: for /proc/meminfo. */
u64 page_cache_nr_pages(void); /* all, with shmem */
u64 page_cache_nr_shmem(void);
int page_cache_check(struct mapping *m); /* invariant walker of one mapping */
