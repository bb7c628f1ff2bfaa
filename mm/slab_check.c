/* SPDX-License-Identifier: MIT */
/*
 * slab_check.c: what the caches of objects have, and whether they are what slab.c says.
 *
 * Locks: SLAB_CREATE for the list of caches; SLAB of the cache that is looked at. Counts are read
 * while others allocate. Checks invariants I1 to I4 of slab.c, after each test. Read next: slab.c.
 */
#include "internal.h"
#include "slab_internal.h"

static u64 cache_nr_objects(const struct kmem_cache *c)
{
    s64 n = (s64)READ_ONCE(c->nr_out);

    for (unsigned int i = 0; i < NR_CPUS; i++)
        n -= READ_ONCE(READ_ONCE(c->cpu[i])->nr);
    return n < 0 ? 0 : (u64)n; /* read while others allocate */
}

unsigned int slab_stats(struct slab_stat *out, unsigned int n)
{
    struct kmem_cache *c;
    unsigned int i = 0;

    mutex_lock(&slab_caches_lock);
    list_for_each_entry(c, &slab_caches, link) {
        if (i < n)
            out[i] = (struct slab_stat){ .name = c->name,
                                         .object_size = c->object_size,
                                         .nr_objects = cache_nr_objects(c),
                                         .nr_pages = READ_ONCE(c->nr_slabs) << c->order };
        i++;
    }
    mutex_unlock(&slab_caches_lock);
    return i;
}

static u64 sum_over_caches(u64 (*count)(struct kmem_cache *))
{
    struct kmem_cache *c;
    u64 n = 0;

    mutex_lock(&slab_caches_lock);
    list_for_each_entry(c, &slab_caches, link)
        n += count(c);
    mutex_unlock(&slab_caches_lock);
    return n;
}

static u64 nr_lasting_objects(struct kmem_cache *c)
{
    /* how many CPUs have touched a cache is nobody's leak */
    return c != &slab_cpu_cache ? cache_nr_objects(c) : 0;
}

u64 slab_nr_objects(void)
{
    return sum_over_caches(nr_lasting_objects);
}

static u64 cache_nr_used_pages(struct kmem_cache *c)
{
    unsigned long flags = spin_lock_irqsave(&c->lock);
    u64 n = (u64)(c->nr_slabs - c->nr_empty) << c->order;

    spin_unlock_irqrestore(&c->lock, flags);
    return n;
}

u64 slab_nr_used_pages(void)
{
    return sum_over_caches(cache_nr_used_pages);
}

u64 slab_nr_pages(void)
{
    return page_nr_kind(PAGE_SLAB);
}

/* Cache lock held. I1, I4 and that the free list stays inside the slab. */
static int check_slab(struct kmem_cache *c, struct page *slab)
{
    char *base = page_to_virt(slab);
    unsigned int nr_free = 0;
    int bad = 0;

    for (void *obj = slab->slab_free; obj != NULL && nr_free <= slab->slab_total;
         obj = *slab_link_of(c, obj)) {
        size_t at = (size_t)((char *)obj - base);

        if (at >= PAGE_SIZE << c->order || (at - c->lead) % c->stride != 0) {
            pr_err("slab: %s: free list of slab %p leads to %p\n", c->name, (void *)base, obj);
            return bad + 1;
        }
        nr_free++;
    }
    for (u32 i = 0; i < (1u << c->order); i++)
        bad += slab[i].kind != PAGE_SLAB || slab[i].slab_cache != c || slab[i].private != i ||
               slab[i].word != 0;
    bad += slab->slab_inuse + nr_free != slab->slab_total || slab->slab_total != c->per_slab;
    if (bad != 0)
        pr_err("slab: %s: slab %p: %u in use, %u free, %u in all\n", c->name, (void *)base,
               slab->slab_inuse, nr_free, slab->slab_total);
    return bad;
}

/* Cache lock held. I2 for one list: slab_inuse of its slabs is in [low, high]. */
static int check_list(struct kmem_cache *c, struct list_head *list, unsigned int low,
                      unsigned int high, u64 sums[2])
{
    struct page *slab;
    int bad = 0;

    list_for_each_entry(slab, list, link) {
        bad += check_slab(c, slab);
        if (slab->slab_inuse < low || slab->slab_inuse > high) {
            pr_err("slab: %s: a slab with %u objects in use is on the wrong list\n", c->name,
                   slab->slab_inuse);
            bad++;
        }
        sums[0]++;
        sums[1] += slab->slab_inuse;
    }
    return bad;
}

static int check_cache(struct kmem_cache *c)
{
    u64 sums[2] = { 0, 0 }; /* slabs, objects out */
    unsigned long flags = spin_lock_irqsave(&c->lock);
    int bad = check_list(c, &c->empty, 0, 0, sums);

    if (sums[0] != c->nr_empty)
        bad++;
    bad += check_list(c, &c->partial, 1, c->per_slab - 1, sums);
    bad += check_list(c, &c->full, c->per_slab, c->per_slab, sums);
    if (sums[0] != c->nr_slabs || sums[1] != c->nr_out) {
        pr_err("slab: %s: %llu slabs with %llu objects out, counted %llu and %llu\n", c->name,
               (unsigned long long)sums[0], (unsigned long long)sums[1],
               (unsigned long long)c->nr_slabs, (unsigned long long)c->nr_out);
        bad++;
    }
    spin_unlock_irqrestore(&c->lock, flags);
    return bad;
}

int slab_check(void)
{
    struct kmem_cache *c;
    int bad = 0;

    mutex_lock(&slab_caches_lock);
    list_for_each_entry(c, &slab_caches, link)
        bad += check_cache(c);
    mutex_unlock(&slab_caches_lock);
    return bad;
}
