/* SPDX-License-Identifier: MIT */
/*
 * workqueue.h: functions to be called soon by a kernel thread, from contexts that must not sleep.
 * One thread serves all work in order. Locks: LEAF, inside.
 */
#pragma once
#include <kernel/list.h>

struct work {
    struct list_head link; /* LEAF */
    void (*fn)(struct work *); /* may sleep, may free its work, may queue it again */
    bool pending;          /* LEAF: queued and not yet started */
};

static inline void work_init(struct work *w, void (*fn)(struct work *))
{
    list_init(&w->link);
    w->fn = fn;
    w->pending = false;
}

/* Queues @w; false when it was pending already. Any context below rank LEAF. */
bool work_queue(struct work *w);
/*
 * Takes @w back when it has not started, and waits for it when it runs; true when it was pending.
 * May sleep.
 */
bool work_cancel(struct work *w);
/* Sleeps until all work queued before has been done. Not from a work function. */
void work_flush(void);
/* Starts the thread; work queued before waits for it. */
void workqueue_start(void);
