/* SPDX-License-Identifier: MIT */
/*
 * kstack.c: kernel stacks. They are the only areas of vmalloc.c that come and go quickly, so free
 * ones stay mapped: some per CPU, more in a common pool, which vmalloc_shrink empties.
 *
 * Locks: pool_lock (LEAF) for the pool; a CPU's own stacks with interrupts off. Invariants: I1 a
 * page of guard lies below each stack. Checked by tests/kernel/mm/vmalloc_ktest.c. Read next:
 * vmalloc.c.
 */
#include <kernel/printk.h>
#include <kernel/smp.h>
#include <kernel/spinlock.h>
#include <kernel/task.h>
#include <mm/vmalloc.h>
#include "internal.h"

#define STACKS_PER_CPU 8
#define POOL_MAX 64

/* A free stack; lies at its lowest address. */
struct free_stack {
    struct free_stack *next;
};

struct stack_cache {
    unsigned int nr;
    void *stacks[STACKS_PER_CPU];
};

static DEFINE_PER_CPU(struct stack_cache, stack_caches); /* own CPU, interrupts off */
static spinlock_t pool_lock = SPINLOCK_INIT(LOCK_LEAF);
static struct free_stack *pool; /* pool_lock */
static unsigned int pool_nr;    /* pool_lock */
static atomic_long_t nr_stacks_used;

static void *stack_cache_take(void)
{
    unsigned long flags = irq_save();
    struct stack_cache *c = &this_cpu_var(stack_caches);
    void *stack;

    ASSERT(c->nr <= STACKS_PER_CPU);
    stack = c->nr != 0 ? c->stacks[--c->nr] : NULL;
    irq_restore(flags);
    return stack;
}

static bool stack_cache_give(void *stack)
{
    unsigned long flags = irq_save();
    struct stack_cache *c = &this_cpu_var(stack_caches);
    bool room = c->nr < STACKS_PER_CPU;

    ASSERT(IS_ALIGNED((vaddr_t)stack, PAGE_SIZE) && (c->nr == 0 || c->stacks[c->nr - 1] != stack));
    if (room)
        c->stacks[c->nr++] = stack;
    irq_restore(flags);
    return room;
}

void *kstack_pool_take(void)
{
    unsigned long flags = spin_lock_irqsave(&pool_lock);
    struct free_stack *s = pool;

    if (s != NULL) {
        ASSERT(pool_nr != 0);
        pool = s->next;
        pool_nr--;
    }
    spin_unlock_irqrestore(&pool_lock, flags);
    return s;
}

/* How many there are now. */
static unsigned int pool_give(void *stack)
{
    unsigned long flags = spin_lock_irqsave(&pool_lock);
    struct free_stack *s = stack;
    unsigned int n = ++pool_nr;

    ASSERT(s != pool);
    s->next = pool;
    pool = s;
    spin_unlock_irqrestore(&pool_lock, flags);
    return n;
}

/* What kstack_free may not do itself, since it must not sleep: the pool is cut here. */
static void pool_trim(unsigned int keep)
{
    while (READ_ONCE(pool_nr) > keep)
        vfree(kstack_pool_take());
}

void *kstack_alloc(void)
{
    void *stack = stack_cache_take();

    if (stack == NULL) {
        pool_trim(POOL_MAX);
        stack = kstack_pool_take();
    }
    if (stack == NULL)
        stack = vmalloc_guarded(KSTACK_SIZE);
    if (stack == NULL)
        return NULL;
    atomic_long_inc(&nr_stacks_used);
    return stack;
}

void kstack_free(void *stack)
{
    if (stack == NULL)
        return;
    ASSERT((vaddr_t)stack >= VMALLOC_START && (vaddr_t)stack < VMALLOC_END);
    ASSERT(atomic_long_read(&nr_stacks_used) > 0);
    atomic_long_dec(&nr_stacks_used);
    if (!stack_cache_give(stack))
        (void)pool_give(stack);
}

u64 kstack_nr_used(void)
{
    return (u64)atomic_long_read(&nr_stacks_used);
}

/* On the CPU whose cache it is. */
static void stack_cache_to_pool(void *unused)
{
    void *stack;

    while ((stack = stack_cache_take()) != NULL)
        (void)pool_give(stack);
}

void kstack_empty_caches(void)
{
    smp_call_on(online_cpus(), stack_cache_to_pool, NULL);
}
