/* SPDX-License-Identifier: MIT */
/*
 * page_cache.c: the pages of an object by index. include/mm/page_cache.h has the protocol between
 * lookup, fault and truncation.
 *
 * Does not read or write a device and does not evict: memory is the only home of these pages. Does
 * not know VMAs; truncation asks mapping_unmap_range to remove translations, after the pages have
 * left the tree, so that a fault cannot bring them back.
 *
 * Locks: mapping->lock (PAGE_CACHE) for writers of the tree; page_lock for what must not change
 * under the holder.
 * Invariants: I1 a page in the tree has kind PAGE_FILE, this mapping, its slot's index, and at
 * least the tree's reference; I2 nr_pages is the number of items; I3 a page leaves only under its
 * page_lock. Checked by page_cache_check.
 * models/page_move.pml has lookups against moves and truncation.
 * Read next: lib/radix_tree.c; page_lock.c.
 */
#include <kernel/printk.h>
#include <mm/mm.h>
#include <mm/page_cache.h>
#include <asm/quire_page.h>
#include <linux/errno.h>

#define BATCH 16

static atomic_long_t nr_cached, nr_shmem; /* pages, all mappings */

static void count_pages(const struct mapping *m, long n)
{
    if (m->flags & MAPPING_POOL)
        return;
    atomic_long_add(&nr_cached, n);
    if (m->flags & MAPPING_SHMEM)
        atomic_long_add(&nr_shmem, n);
}

void page_cache_init(void)
{
    radix_init();
    page_lock_init();
}

void mapping_init(struct mapping *m, const struct mapping_ops *ops, struct inode *host, u32 flags)
{
    ASSERT(ops == NULL || (ops->charge == NULL) == (ops->uncharge == NULL));
    *m = (struct mapping){
        .lock = SPINLOCK_INIT(LOCK_PAGE_CACHE), .flags = flags, .ops = ops, .host = host};
    rwsem_init(&m->vmas_lock, LOCK_MAPPING);
    spin_init(&m->share_lock, LOCK_PT_SHARE);
    list_init(&m->vmas);
}

void mapping_destroy(struct mapping *m)
{
    (void)mapping_truncate(m, 0, ~0ULL);
    ASSERT(radix_empty(&m->tree) && m->nr_pages == 0 && list_empty(&m->vmas));
    ASSERT(radix_empty(&m->shares[0]) && radix_empty(&m->shares[1]));
}

/* ---- lookup ---- */

/* Takes a reference on @p, found in @m's slot @index, unless it is leaving, or is being moved
 * (mapping_replace). RCU held. */
static __always_inline bool still_there(struct mapping *m, struct page *p, u64 index)
{
    if (unlikely(!page_try_get(p)))
        return false;
    /* The frame may have gone and come back as something else before the reference; what it is now,
     * it stays. */
    if (likely(smp_load_acquire(&p->mapping) == m && READ_ONCE(p->index) == index))
        return true;
    page_put(p);
    return false;
}

/* The second look, when the first met a page that was leaving, or is being moved. Under the lock of
 * the tree each page in it has the tree's reference. */
static __noinline struct page *find_get_locked(struct mapping *m, u64 index)
{
    struct page *p;

    spin_lock(&m->lock);
    p = radix_lookup(&m->tree, index);
    if (p != NULL) {
        ASSERT(page_refs(p) > 0 && p->mapping == m && p->index == index);
        page_get(p);
    }
    spin_unlock(&m->lock);
    return p;
}

struct page *mapping_find_get(struct mapping *m, u64 index)
{
    struct page *p;

    rcu_read_lock();
    p = radix_lookup(&m->tree, index);
    if (unlikely(p != NULL && !still_there(m, p, index)))
        p = find_get_locked(m, index);
    rcu_read_unlock();
    return p;
}

unsigned int mapping_find_batch(struct mapping *m, u64 *index, u64 end, struct page **pages,
                                unsigned int n)
{
    unsigned int got = 0;

    while (got < n && *index < end) {
        void *items[BATCH];
        u64 idx[BATCH];
        unsigned int found;

        rcu_read_lock();
        found =
            radix_lookup_batch(&m->tree, index, end, items, idx, min(n - got, (unsigned int)BATCH));
        for (unsigned int i = 0; i < found; i++) {
            struct page *p = items[i];

            if (unlikely(!still_there(m, p, idx[i])))
                p = find_get_locked(m, idx[i]);
            if (likely(p != NULL))
                pages[got++] = p;
        }
        rcu_read_unlock();
        if (found == 0)
            break;
    }
    return got;
}

/* ---- insert ---- */

/* The tree's half of an insert: 0, -EEXIST, -ENOMEM. */
static int tree_insert(struct mapping *m, struct page *p, u64 index, gfp_t gfp)
{
    struct radix_spare spare = { NULL, 0 };
    int err;

    ASSERT(p->kind == PAGE_FILE && p->mapping == m && p->index == index);
    for (;;) {
        spin_lock(&m->lock);
        err = radix_insert(&m->tree, index, p, &spare);
        if (err == 0)
            m->nr_pages++;
        spin_unlock(&m->lock);
        if (err != -EAGAIN)
            break;
        err = radix_prepare(&m->tree, index, &spare, gfp);
        if (err != 0)
            break;
    }
    if (unlikely(spare.nr != 0))
        radix_spare_free(&spare);
    return err;
}

int mapping_insert(struct mapping *m, struct page *p, u64 index, gfp_t gfp)
{
    u8 kind = p->kind;
    int err = 0;

    ASSERT(page_test(p, PG_LOCKED) && page_refs(p) > 0);
    ASSERT(page_mapcount(p) == 0);
    if (m->ops->charge != NULL)
        err = m->ops->charge(m, 1);
    if (err != 0)
        return err;
    if (kind != PAGE_FILE)
        page_set_kind(p, PAGE_FILE);
    p->index = index;
    smp_store_release(&p->mapping, m); /* a lookup may have read the slot when it was here last */
    page_get(p);
    err = tree_insert(m, p, index, gfp);
    if (err == 0) {
        count_pages(m, 1);
        return 0;
    }
    p->mapping = NULL;
    if (kind != PAGE_FILE)
        page_set_kind(p, kind);
    page_put(p);
    if (m->ops->uncharge != NULL)
        m->ops->uncharge(m, 1);
    return err;
}

/* ---- find or make ---- */

/* Fills @p, locked and in the tree, if nobody has; on error it stays unfilled for the next to
 * try. */
static int make_uptodate(struct mapping *m, struct page *p)
{
    int err = 0;

    ASSERT(page_test(p, PG_LOCKED) && p->mapping == m);
    if (page_test(p, PG_UPTODATE))
        return 0;
    if (m->ops->fill != NULL)
        err = m->ops->fill(m, p);
    else
        clear_page(page_to_virt(p));
    if (err == 0) {
        smp_wmb(); /* contents before the flag, which is read without the lock */
        page_set(p, PG_UPTODATE);
    }
    return err;
}

/* A new page, locked and in the tree; -EEXIST when somebody was faster. */
static int add_new_page(struct mapping *m, u64 index, struct page **out)
{
    struct page *p = page_alloc(PAGE_FILE, GFP_KERNEL | GFP_USER);
    int err;

    if (p == NULL)
        return -ENOMEM;
    page_lock(p);
    err = mapping_insert(m, p, index, GFP_KERNEL);
    if (err != 0) {
        page_unlock(p);
        page_put(p);
        return err;
    }
    *out = p;
    return 0;
}

/* Gets the page, locked and in the mapping. */
static int find_or_add_locked(struct mapping *m, u64 index, struct page **out)
{
    for (;;) {
        struct page *p = mapping_find_get(m, index);
        int err;

        if (p == NULL) {
            err = add_new_page(m, index, out);
            if (err != -EEXIST)
                return err;
            continue;
        }
        page_lock(p);
        if (likely(p->mapping == m && p->index == index)) {
            ASSERT(p->kind == PAGE_FILE);
            *out = p;
            return 0;
        }
        page_unlock(p); /* truncated while we waited */
        page_put(p);
    }
}

int mapping_get_page(struct mapping *m, u64 index, unsigned int how, struct page **out)
{
    struct page *p;
    int err;

    if (how == 0) {
        p = mapping_find_get(m, index);
        if (likely(p != NULL && page_test(p, PG_UPTODATE))) {
            smp_rmb(); /* pairs with make_uptodate */
            *out = p;
            return 0;
        }
        if (p != NULL)
            page_put(p);
    }
    err = find_or_add_locked(m, index, &p);
    if (err != 0)
        return err;
    if (!(how & MAPPING_NOFILL))
        err = make_uptodate(m, p);
    if (err != 0 || how == 0)
        page_unlock(p);
    if (err != 0) {
        page_put(p);
        return err;
    }
    *out = p;
    return 0;
}

/* ---- remove ---- */

static void remove_from_tree(struct mapping *m, struct page *p)
{
    void *item;

    ASSERT(page_test(p, PG_LOCKED) && p->mapping == m);
    spin_lock(&m->lock);
    item = radix_remove(&m->tree, p->index);
    ASSERT(m->nr_pages != 0);
    m->nr_pages--;
    WRITE_ONCE(p->mapping, NULL);
    spin_unlock(&m->lock);
    BUG_ON(item != p);
}

/* The new page is found from now on, even before it is in the tree: a lookup may have read the slot
 * when it was here last. So contents come before the flag, and the flag before the mapping. */
static void make_findable(struct mapping *m, const struct page *old, struct page *new)
{
    new->index = old->index;
    smp_wmb(); /* pairs with those who read PG_UPTODATE without the page's lock */
    page_set(new, READ_ONCE(old->flags) & (PG_DIRTY | PG_UPTODATE | PG_REFERENCED));
    smp_store_release(&new->mapping, m);
}

/*
 * The word is 0 while the contents are copied: nobody finds the old page meanwhile, and who holds
 * it would have made the exchange fail. So what was written to it is in the copy, and what is
 * written later is written to the new one. models/page_move.pml.
 */
bool mapping_replace(struct mapping *m, struct page *old, struct page *new, bool copied)
{
    u64 word = 2 * PAGE_REF;
    void *item = old;
    bool done;

    ASSERT(page_test(old, PG_LOCKED) && page_test(new, PG_LOCKED) && old->mapping == m);
    ASSERT(new->kind == old->kind && page_refs(new) >= 1 && page_mapcount(new) == 0);
    ASSERT(new->mapping == NULL && !page_test(new, PG_UPTODATE));
    spin_lock(&m->lock);
    done = __atomic_compare_exchange_n(&old->word, &word, 0, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
    if (done) {
        if (!copied)
            copy_page(page_to_virt(new), page_to_virt(old));
        page_get(new);
        make_findable(m, old, new);
        item = radix_replace(&m->tree, old->index, new);
        WRITE_ONCE(old->mapping, NULL);
        __atomic_store_n(&old->word, PAGE_REF, __ATOMIC_RELEASE);
    }
    spin_unlock(&m->lock);
    BUG_ON(item != old);
    return done;
}

static void removed(struct mapping *m, u64 n)
{
    ASSERT(n != 0);
    ASSERT(m->flags & MAPPING_POOL || atomic_long_read(&nr_cached) >= (long)n);
    count_pages(m, -(long)n);
    if (m->ops->uncharge != NULL)
        m->ops->uncharge(m, n);
}

void mapping_remove(struct mapping *m, struct page *p)
{
    remove_from_tree(m, p);
    removed(m, 1);
    page_put(p);
}

/*
 * Pages leave the tree first, each under its lock, and lose their translations after. A fault that
 * found a page before holds its lock while it installs the entry, so it comes either before
 * (mapping_unmap_range finds the entry) or after (it sees page->mapping changed and gives up).
 */
static unsigned int truncate_batch(struct mapping *m, struct page **pages, unsigned int n)
{
    unsigned int nr_removed = 0;
    bool mapped = false;

    ASSERT(n <= BATCH);
    for (unsigned int i = 0; i < n; i++) {
        page_lock(pages[i]);
        if (pages[i]->mapping == m) {
            remove_from_tree(m, pages[i]);
            mapped |= page_mapcount(pages[i]) > 0;
            pages[nr_removed++] = pages[i];
            page_unlock(pages[i]);
        } else {
            page_unlock(pages[i]);
            page_put(pages[i]);
        }
    }
    if (mapped)
        mapping_unmap_range(m, pages[0]->index, pages[nr_removed - 1]->index + 1, false);
    for (unsigned int i = 0; i < nr_removed; i++)
        page_put_units(pages[i], 2 * PAGE_REF); /* the tree's reference and the search's */
    if (nr_removed != 0)
        removed(m, nr_removed);
    return nr_removed;
}

u64 mapping_truncate(struct mapping *m, u64 first, u64 last)
{
    struct page *pages[BATCH];
    u64 index = first, sum = 0;
    unsigned int n;

    might_sleep();
    ASSERT(first <= last);
    while ((n = mapping_find_batch(m, &index, last, pages, BATCH)) != 0)
        sum += truncate_batch(m, pages, n);
    return sum;
}

/* ---- seals ---- */

static int move_count(atomic_t *a, int step)
{
    int n = atomic_read(a);

    ASSERT(step == 1 || step == -1);
    /* The count never crosses 0 in one step: positive belongs to the mappings, negative to the
     * seals. */
    while (step > 0 ? n >= 0 : n <= 0) {
        int found = atomic_cmpxchg(a, n, n + step);

        if (found == n)
            return 0;
        n = found;
    }
    return step > 0 ? -EPERM : -EBUSY;
}

int mapping_map_writable(struct mapping *m)
{
    return move_count(&m->nr_writable, 1);
}

void mapping_unmap_writable(struct mapping *m)
{
    ASSERT(atomic_read(&m->nr_writable) > 0);
    atomic_dec(&m->nr_writable);
}

int mapping_deny_writable(struct mapping *m)
{
    return move_count(&m->nr_writable, -1);
}

void mapping_allow_writable(struct mapping *m)
{
    ASSERT(atomic_read(&m->nr_writable) < 0);
    atomic_inc(&m->nr_writable);
}

/* ---- counts and checks ---- */

u64 page_cache_nr_pages(void)
{
    return (u64)max(atomic_long_read(&nr_cached), 0L);
}

u64 page_cache_nr_shmem(void)
{
    return (u64)max(atomic_long_read(&nr_shmem), 0L);
}

/* Lock held: no page can leave. */
static int check_pages(struct mapping *m)
{
    void *items[BATCH];
    u64 idx[BATCH], index = 0;
    unsigned int n;
    int bad = 0;

    while ((n = radix_lookup_batch(&m->tree, &index, ~0ULL, items, idx, BATCH)) != 0) {
        for (unsigned int i = 0; i < n; i++) {
            const struct page *p = items[i];

            if (p->kind == PAGE_FILE && p->mapping == m && p->index == idx[i] && page_refs(p) > 0 &&
                page_mapcount(p) >= 0)
                continue;
            pr_err("page cache: slot %llu holds frame 0x%lx: kind %u, index %llu, %u references\n",
                   (unsigned long long)idx[i], page_to_pfn(p), p->kind,
                   (unsigned long long)p->index, page_refs(p));
            bad++;
        }
    }
    return bad;
}

int page_cache_check(struct mapping *m)
{
    u64 nr_items;
    int bad;

    spin_lock(&m->lock);
    bad = radix_check(&m->tree, &nr_items);
    if (nr_items != m->nr_pages) {
        pr_err("page cache: %llu pages in the tree, %llu counted\n", (unsigned long long)nr_items,
               (unsigned long long)m->nr_pages);
        bad++;
    }
    bad += check_pages(m);
    spin_unlock(&m->lock);
    return bad;
}
