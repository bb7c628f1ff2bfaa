/* SPDX-License-Identifier: MIT */
/*
 * rcu.h: a simple RCU. A reader runs with preemption off; a grace period has passed when every
 * online CPU has gone through a context switch, user mode or idle. Callbacks run in task context of
 * the rcu kernel thread.
 */
#pragma once
#include <kernel/preempt.h>

struct rcu_head {
    struct rcu_head *next;
    void (*func)(struct rcu_head *);
};

static inline void rcu_read_lock(void)
{
    preempt_disable();
}
static inline void rcu_read_unlock(void)
{
    preempt_enable();
}
/*
 * What the pointer leads to is read after the pointer, as its address depends on it: every machine
 * here keeps that order (Power ISA 3.0B Book II section 1.7.1). The compiler's "consume" would add
 * the barrier of an acquire.
 */
#define rcu_dereference(p)       __atomic_load_n(&(p), __ATOMIC_RELAXED)
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), v, __ATOMIC_RELEASE)

/* Calls @func(@head) after a grace period. Any context. */
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *));
/* Sleeps for a grace period. */
void synchronize_rcu(void);
/* Sleeps until all callbacks queued before it have run; used by leak checks. */
void rcu_barrier(void);
/* Scheduler hook: this CPU is in a quiescent state. */
void rcu_note_quiescent(void);
/* Timer tick, in its interrupt: the context that it interrupted may be a quiescent state. */
void rcu_tick(bool from_user);
/* Starts the thread that runs the callbacks; those queued before wait for it. */
void rcu_start(void);
/* kfree after a grace period. @member lies within the first RCU_KFREE_SPAN bytes of the object. */
#define RCU_KFREE_SPAN 4096
#define kfree_rcu(ptr, member) call_rcu_kfree(&(ptr)->member, ptr)
void call_rcu_kfree(struct rcu_head *head, void *ptr);
