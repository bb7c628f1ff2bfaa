/* SPDX-License-Identifier: MIT */
/*
 * hugetlb.h: huge pages that were set aside: the pools, what has been promised out of them, and the
 * objects whose memory they are.
 *
 * A pool exists for each leaf size above the base page. Of its pages, nr are there, nr_free have no
 * user, and nr_reserved of the free ones are promised: to a mapping or an object that was told yes,
 * or to a file system with min_size. A page that nobody was promised may be taken only while more
 * are free than reserved. Surplus pages came from the page allocator on demand and go back there as
 * soon as they are neither used nor promised.
 *
 * A huge page is an aligned block of frames of kind PAGE_HUGETLB. The head's word holds all
 * references; the others' is PAGE_TAIL. It is never taken apart while it has a user.
 *
 * Locks: pool->lock (HUGETLB) for all counters of the pool and its subpools. Objects: the mapping's
 * lock for both trees.
 */
#pragma once
#include <mm/page_cache.h>

struct vma;
struct file;

struct huge_pool {
    spinlock_t lock;
    unsigned int level, order; /* of its leaves; of its blocks of frames. Set once */
    struct list_head free;     /* [lock] heads, through page->link */
    /* [lock] Pages. nr counts persistent and surplus ones. nr_kept are on their way to the free
     * list and promised again already: nr_reserved <= nr_free + nr_kept. */
    u64 nr, nr_free, nr_reserved, nr_surplus, nr_kept;
    u64 max_surplus;           /* nr_overcommit_hugepages */
    struct list_head subpools; /* [lock] */
    struct mutex resize;       /* one change of the persistent pages at a time */
};

/* Limits of one mounted file system. Counts pages promised and pages in use. */
struct huge_subpool {
    struct huge_pool *pool;
    u64 max, min, used; /* [pool->lock]; max ~0: no limit. max(min - used, 0) pages are reserved */
    bool dead;          /* [pool->lock] unmounted: freed with the last page */
    struct list_head link;
};

/* page->private of the head of a page in use: who has it. */
#define HUGE_OBJECTS 0u /* an object, or nobody yet */
#define HUGE_KEPT    1u /* nobody any more, and promised again already */
#define HUGE_PRIVATE 2u /* private mappings: found by their leaves only */
static inline bool huge_is_private(const struct page *head)
{
    return head->private == HUGE_PRIVATE;
}

/* Boot: before buddy_init, sets aside what is larger than any block that would be left later. */
void hugetlb_reserve_boot(void);
void hugetlb_init(void); /* fills the pools as the command line says; after page_cache_init */
/* By leaf size in bytes; 0: the default one. NULL: no such leaves. */
struct huge_pool *huge_pool_by_size(u64 bytes);
/* By log2 of the size as MAP_HUGE_SHIFT and friends encode it; 0: the default one. NULL. */
struct huge_pool *huge_pool_by_log(unsigned int log);
struct huge_pool *huge_pool_by_level(unsigned int level); /* NULL: the level has no leaves */
static inline u64 huge_size(const struct huge_pool *pool) /* bytes */
{
    return PAGE_SIZE << pool->order;
}
/* Persistent pages become @want, or as near as memory and users allow. May sleep. */
void huge_pool_resize(struct huge_pool *pool, u64 want);
/* A snapshot for reports. */
struct huge_counts {
    u64 nr, nr_free, nr_reserved, nr_surplus, max_surplus;
};
struct huge_counts huge_pool_counts(struct huge_pool *pool);

/* min pages are reserved at once. ERR_PTR(-EINVAL: min > max, -ENOMEM). May sleep. */
struct huge_subpool *huge_subpool_create(struct huge_pool *pool, u64 max, u64 min);
void huge_subpool_destroy(struct huge_subpool *sub); /* lives on until its last page is free */
u64 huge_subpool_used(struct huge_subpool *sub);
/* What is reserved for file systems with min_size now. */
u64 huge_pool_subpool_reserves(struct huge_pool *pool);

/* Promises @n pages: 0, or -ENOMEM with nothing changed. @sub may be NULL. May sleep. */
int __must_check huge_reserve(struct huge_pool *pool, struct huge_subpool *sub, u64 n);
/* One page, and only out of what is free now: does not sleep. */
bool huge_try_reserve_one(struct huge_pool *pool, struct huge_subpool *sub);
/* Takes back what nobody will ask for any more. Does not sleep. */
void huge_unreserve(struct huge_pool *pool, struct huge_subpool *sub, u64 n);
/*
 * A page with one reference, contents undefined, flags and mapcount 0, no mapping. @promised: in
 * exchange for one page of a reserve; NULL then means that another thread holds the page for a
 * moment and will give it back, so look again. Not promised: NULL when all pages are in use,
 * promised, or beyond the limits. May sleep (surplus pages) when not @promised.
 */
struct page *huge_take(struct huge_pool *pool, struct huge_subpool *sub, bool promised);
/* Undoes huge_take: the page was never seen by anybody. */
void huge_give_back(struct page *p, bool promised);
/* Called by who removes the last leaf of a page of which he holds the last reference, to be put
 * soon: when it comes back, it is promised as before huge_take. */
void huge_keep(struct page *p);
/*
 * A free page, whatever was promised, for the contents of a page in use that is to be moved: one
 * reference, fields as of huge_take; NULL when none is free. huge_exchange makes it the page in
 * use, so that @used is free again with its last reference; without that, the borrowed one is.
 */
struct page *huge_borrow(struct huge_pool *pool);
void huge_exchange(struct page *borrowed, struct page *used);
/* For page_free_last. Any context, also under page-table locks. */
void huge_page_free(struct page *p);

/* The page of zeroes at @level: made when first asked for, kept while there are users. */
void huge_zero_get(void);
void huge_zero_put(void);
struct page *huge_zero_page(unsigned int level); /* NULL: switched off, or no memory. May sleep */

/*
 * An object: a hugetlbfs file, memfd, segment, or one open /dev/page-huge. Its mapping has the
 * pages at multiples of their size, and mapping->private points here. Each number of a page is in
 * one of three states: nothing; promised; present.
 */
struct huge_object {
    struct mapping m;
    struct huge_pool *pool;
    struct huge_subpool *sub;   /* or NULL */
    struct radix_tree promised; /* [m.lock] by number of huge page */
    u64 nr_promised;            /* [m.lock] */
    struct list_head link;      /* of all objects, for the checker */
};
void huge_object_init(struct huge_object *o, struct huge_pool *pool, struct huge_subpool *sub,
                      struct inode *host);
void huge_object_destroy(struct huge_object *o); /* no VMA maps it any more */
static inline struct huge_object *huge_object_of(const struct mapping *m)
{
    return m->private;
}
/* Promises those of the pages [first, last) that are neither promised nor present. 0 or -ENOMEM
 * with nothing changed. May sleep. */
int __must_check huge_object_promise(struct huge_object *o, u64 first, u64 last);
/* Takes the promises of [first, last) back; pages stay. */
void huge_object_unpromise(struct huge_object *o, u64 first, u64 last);
/* Is the page with number @i inside the object, as large as it is now? */
bool huge_object_contains(const struct huge_object *o, u64 i);
/* The page with number @i, made and cleared when it is missing; locked and with a reference. 0,
 * -ENOMEM (no memory for the tree), -ENOSPC (no huge page), -ENXIO (beyond the size, unless
 * @beyond: then the caller keeps the size from changing), -EINTR. May sleep. */
int __must_check huge_object_get_page(struct huge_object *o, u64 i, bool beyond, struct page **out);
/* Pages and promises of [first, last) go, and all translations, private copies included. */
void huge_object_drop(struct huge_object *o, u64 first, u64 last);

/* Invariant walker: what is reserved is the sum of what objects, private mappings and file systems
 * were promised. Nothing may run that changes promises. */
int hugetlb_promises_check(void);

/* hugetlbfs (fs/hugetlbfs): a file without a name: for MAP_HUGETLB, SHM_HUGETLB, MFD_HUGETLB. Not
 * @promise: pages are promised when it is mapped. ERR_PTR(-ENOMEM). May sleep. */
struct file *hugetlb_file_create(const char *name, struct huge_pool *pool, u64 size, bool promise);

/* mm/pt_hugetlb.c, for the mmap of files whose memory is a huge object: row @row, level, flags;
 * promises private mappings their pages. 0, -EINVAL (offset or address not aligned), -ENOMEM. */
int __must_check hugetlb_setup_vma(struct vma *v, struct huge_object *o, u8 row);
/* Promises that private mappings of @pool's pages hold now, all address spaces: for the checker. */
u64 hugetlb_private_promises(struct huge_pool *pool);
