/* SPDX-License-Identifier: MIT */
/*
 * slab.h: object caches and kmalloc. Source: Bonwick, "The Slab Allocator", USENIX 1994; per-CPU
 * free lists in front. Debug kernels poison free objects (0x6b), fill new ones (0x5a), keep red
 * zones, and catch double free and wrong cache.
 */
#pragma once
#include <mm/buddy.h>

struct kmem_cache;

void slab_init(void);
/* align: power of two, at least 8 is kept. ctor runs when memory joins the cache, not at each
 * allocation; freed objects must be in the state that it makes. NULL when out of memory. */
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
                                     void (*ctor)(void *));
void kmem_cache_destroy(struct kmem_cache *c); /* panics in debug when objects remain */
/* Any context with GFP_ATOMIC, else may sleep. GFP_ZERO only without ctor. kmem_cache_free: any
 * context. */
void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp) __must_check;
void kmem_cache_free(struct kmem_cache *c, void *obj);

/* Physically contiguous, aligned to 16 bytes (a cache gives more). NULL when there is no memory. */
void *kmalloc_gfp(size_t size, gfp_t gfp) __must_check;
static inline void *kmalloc(size_t size)
{
    return kmalloc_gfp(size, GFP_KERNEL);
}
static inline void *kzalloc(size_t size)
{
    return kmalloc_gfp(size, GFP_KERNEL | GFP_ZERO);
}
void kfree(const void *obj); /* NULL is fine */
/* bytes that may be used; in debug kernels exactly what was asked for */
size_t ksize(const void *obj);
char *kstrdup(const char *s);

struct slab_stat {
    const char *name;
    size_t object_size;
    u64 nr_objects, nr_pages; /* in use, frames held */
};
/* Fills up to n; returns how many caches exist. */
unsigned int slab_stats(struct slab_stat *out, unsigned int n);
u64 slab_nr_objects(void); /* in use, all caches */
u64 slab_nr_pages(void);
u64 slab_nr_used_pages(void); /* of slabs with an object in use or on a CPU's stack */
void slab_shrink(void);    /* gives empty slabs and per-CPU lists back; may sleep */
int slab_check(void);      /* invariant walker */
