/* SPDX-License-Identifier: MIT */
/*
 * mutex.h: sleeping locks with a rank: mutex and reader-writer semaphore (writer-preferring, so a stream of
 * readers cannot starve mmap). Neither may be taken in interrupt context or under a spinlock.
 */
#pragma once
#include <kernel/wait.h>

struct mutex {
    atomic_t state; /* 0 free, 1 held, 2 held and somebody waits */
    u8 class;
    struct task *owner;
    struct wait_queue wq;
};

void mutex_init(struct mutex *m, enum lock_class c);
void mutex_lock(struct mutex *m);
void mutex_lock_nested(struct mutex *m); /* second of its class, ordered by address by the caller */
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_is_locked(struct mutex *m);

struct rwsem {
    atomic_long_t count; /* low 32 bits: readers; RWSEM_WRITER when a writer holds it */
    int waiting_writers; /* new readers queue behind these; under wq.lock */
    u8 class;
    struct task *owner; /* the writer */
    struct wait_queue wq;
};

void rwsem_init(struct rwsem *s, enum lock_class c);
void rwsem_read_lock(struct rwsem *s);
bool rwsem_read_trylock(struct rwsem *s);
void rwsem_read_unlock(struct rwsem *s);
void rwsem_write_lock(struct rwsem *s);
void rwsem_write_lock_nested(struct rwsem *s);
int __must_check rwsem_write_lock_killable(struct rwsem *s); /* 0 or -EINTR when a fatal signal is pending */
bool rwsem_write_trylock(struct rwsem *s);
void rwsem_write_unlock(struct rwsem *s);
void rwsem_downgrade(struct rwsem *s); /* writer becomes reader without a gap */
bool rwsem_is_write_locked(struct rwsem *s);
