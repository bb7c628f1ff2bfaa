/* SPDX-License-Identifier: MIT */
/*
 * kmalloc.c: memory of any size. Up to 8 KiB it comes from the slab cache of the next larger class;
 * beyond that it is a block of frames.
 *
 * Classes are powers of two with 96 and 192 between, where most structures lie. An object is
 * aligned to 16 bytes and to nothing more: who needs more makes a cache. Does not move objects
 * (there is no krealloc).
 *
 * Locks: none of its own. Invariants: I1 class_of[] names the smallest class that holds the size.
 * Checked by tests/kernel/mm/slab_ktest.c and tests/host/mm/slab_test.c.
 * Read next: slab.c.
 */
#include "slab_internal.h"

#define KMALLOC_MAX_CACHED 8192
#define KMALLOC_ALIGN 16

static const struct {
    u32 size;
    const char *name;
} classes[] = {
    {8, "kmalloc-8"},       {16, "kmalloc-16"},     {32, "kmalloc-32"},     {64, "kmalloc-64"},
    {96, "kmalloc-96"},     {128, "kmalloc-128"},   {192, "kmalloc-192"},   {256, "kmalloc-256"},
    {512, "kmalloc-512"},   {1024, "kmalloc-1024"}, {2048, "kmalloc-2048"}, {4096, "kmalloc-4096"},
    {8192, "kmalloc-8192"},
};

#define SMALL_MAX 256 /* sizes up to here are looked up, larger ones are a power of two */
#define FIRST_LARGE_CLASS 8

static struct kmem_cache *caches[ARRAY_SIZE(classes)];
static u8 class_of[SMALL_MAX / 8 + 1]; /* by DIV_ROUND_UP(size, 8) */

void kmalloc_init(void)
{
    unsigned int k = 0;

    _Static_assert(ARRAY_SIZE(classes) < 256, "class_of is u8");
    for (unsigned int i = 0; i < ARRAY_SIZE(classes); i++) {
        caches[i] = kmem_cache_create(classes[i].name, classes[i].size,
                                      classes[i].size < KMALLOC_ALIGN ? 8 : KMALLOC_ALIGN, NULL);
        if (caches[i] == NULL)
            panic("no memory for the kmalloc caches");
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(class_of); i++) {
        while (classes[k].size < i * 8)
            k++;
        ASSERT(k < FIRST_LARGE_CLASS && classes[k].size >= i * 8);
        class_of[i] = (u8)k;
    }
}

static __always_inline struct kmem_cache *cache_for(size_t size)
{
    ASSERT(size <= KMALLOC_MAX_CACHED);
    if (likely(size <= SMALL_MAX))
        return caches[class_of[DIV_ROUND_UP(size, 8)]];
    /* 257..512 is class 8, and so on */
    return caches[FIRST_LARGE_CLASS + (8 * sizeof(long) - (unsigned int)__builtin_clzl(size - 1)) -
                  9];
}

static unsigned int order_for(size_t size)
{
    unsigned int order = 0;

    while (PAGE_SIZE << order < size)
        order++;
    return order;
}

static __noinline void *alloc_large(size_t size, gfp_t gfp)
{
    struct page *p;

    if (size > PAGE_SIZE << BUDDY_MAX_ORDER)
        return NULL;
    p = alloc_pages(order_for(size), gfp);
    return p != NULL ? page_to_virt(p) : NULL;
}

void *kmalloc_gfp(size_t size, gfp_t gfp)
{
    if (unlikely(size > KMALLOC_MAX_CACHED))
        return alloc_large(size, gfp);
    ASSERT(cache_for(size)->object_size >= size); /* I1 */
    return slab_alloc(cache_for(size), size, gfp, __builtin_return_address(0));
}

static __noinline void free_large(struct page *p, const void *obj)
{
    if (p->kind != PAGE_KERNEL || page_to_virt(p) != obj)
        panic("kfree of %p, which is in a frame of kind %u", obj, p->kind);
    free_pages(p, p->order);
}

void kfree(const void *obj)
{
    struct page *p;

    if (obj == NULL)
        return;
    p = virt_to_page(obj);
    ASSERT(pfn_valid(page_to_pfn(p)));
    if (likely(p->kind == PAGE_SLAB))
        slab_free(p->slab_cache, (void *)obj, __builtin_return_address(0));
    else
        free_large(p, obj);
}

size_t ksize(const void *obj)
{
    const struct page *p = virt_to_page(obj);

    ASSERT(p->kind == PAGE_SLAB || p->kind == PAGE_KERNEL);
    return p->kind == PAGE_SLAB ? slab_debug_size(p->slab_cache, obj) : PAGE_SIZE << p->order;
}

char *kstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = kmalloc(n);

    return copy != NULL ? memcpy(copy, s, n) : NULL;
}
