/* SPDX-License-Identifier: MIT */
/*
 * futex.c: sleeping until a word of user memory changes: names of words, waiting, waking. Does not
 * do requeueing (requeue.c) or robust lists (robust.c). Priority inheritance is not offered
 * (ENOSYS). Source: futex(2).
 *
 * No wake-up is lost: a waiter reads the word and queues under the lock of the word's bucket; a
 * waker changes the word first, then takes that lock. The read must not sleep there, so it runs
 * with page faults off; when the page is not there, the lock is dropped, the page is fetched and
 * all starts again.
 *
 * Locks: FUTEX, one per bucket; two in the order of addresses.
 * Invariants: I1 w->bucket names the bucket whose list w is on, NULL when on none; I2 a waker takes
 * a reference to the thread before it stores NULL there, for then the waiter, on its own stack, may
 * be gone. Checked by tests/kernel/futex/.
 * Read next: requeue.c.
 */
#include "internal.h"
#include <kernel/futex.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <mm/mm.h>
#include <asm/errno.h>

#define FUTEX_BUCKETS 256

static struct futex_bucket buckets[FUTEX_BUCKETS];

void futex_init(void)
{
    for (int i = 0; i < FUTEX_BUCKETS; i++) {
        spin_init(&buckets[i].lock, LOCK_FUTEX);
        list_init(&buckets[i].waiters);
    }
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The area's flags are stable while it is locked. */
static int key_of_area(struct futex_key *key, const struct vma *v, vaddr_t va)
{
    if ((v->flags & (VM_READ | VM_WRITE)) == 0)
        return -EFAULT;
    if ((v->flags & VM_MAYSHARE) != 0 && v->mapping != NULL) {
        key->object = v->mapping;
        key->page = v->pgoff + ((va - v->start) >> PAGE_SHIFT);
    }
    return 0;
}

static int shared_key(struct futex_key *key, vaddr_t va)
{
    struct mm *mm = current->mm;
    struct vma *v = vma_lock_under_rcu(mm, va);
    int err = -EFAULT;

    if (v != NULL) {
        err = key_of_area(key, v, va);
        vma_read_unlock(v);
        return err;
    }
    mmap_read_lock(mm);
    v = vma_lookup(mm, va);
    if (v != NULL)
        err = key_of_area(key, v, va);
    mmap_read_unlock(mm);
    return err;
}

int futex_get_key(struct futex_key *key, u32 __user *uaddr, unsigned int flags)
{
    vaddr_t va = (vaddr_t)uaddr;

    if ((va & 3) != 0)
        return -EINVAL;
    if (!access_ok(uaddr, sizeof(*uaddr)))
        return -EFAULT;
    key->object = current->mm;
    key->page = va >> PAGE_SHIFT;
    key->offset = (u32)(va & ~PAGE_MASK);
    return (flags & FUTEX_SHARED) != 0 ? shared_key(key, va) : 0;
}

struct futex_bucket *futex_bucket_of(const struct futex_key *key)
{
    u64 h = (u64)(uintptr_t)key->object ^ key->page << 10 ^ key->offset;

    /* Fibonacci hashing (Knuth, TAOCP 3, 6.4): the product's upper bits depend on all of h. */
    return &buckets[(h * 0x9e3779b97f4a7c15ULL) >> 56];
}
_Static_assert(FUTEX_BUCKETS == 256, "the hash gives 8 bits");

void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
    struct futex_bucket *first = a < b ? a : b;

    spin_lock(&first->lock);
    if (a != b)
        spin_lock_nested(first == a ? &b->lock : &a->lock);
}

void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
    spin_unlock(&a->lock);
    if (a != b)
        spin_unlock(&b->lock);
}

int futex_read_locked(u32 *value, u32 __user *uaddr)
{
    int err;

    current->pagefault_disabled++;
    barrier();
    err = get_user_u32(value, uaddr);
    barrier();
    current->pagefault_disabled--;
    return err;
}

/* ---- waking ---------------------------------------------------------------------------------- */

void futex_wake_waiter(struct futex_waiter *w)
{
    struct task *t = w->task;

    list_del(&w->link);
    task_get(t);
    smp_store_release(&w->bucket, NULL);
    wake_up_task(t);
    task_put(t);
}

int futex_wake_bucket(struct futex_bucket *b, const struct futex_key *key, int nr, u32 bitset)
{
    struct futex_waiter *w, *tmp;
    int woken = 0;

    list_for_each_entry_safe(w, tmp, &b->waiters, link) {
        if (!futex_key_equal(&w->key, key) || (w->bitset & bitset) == 0)
            continue;
        futex_wake_waiter(w);
        if (++woken >= nr)
            break;
    }
    return woken;
}

int futex_wake(u32 __user *uaddr, unsigned int flags, int nr, u32 bitset)
{
    struct futex_bucket *b;
    struct futex_key key;
    int err;

    if (bitset == 0)
        return -EINVAL;
    err = futex_get_key(&key, uaddr, flags);
    if (err != 0)
        return err;
    b = futex_bucket_of(&key);
    smp_mb(); /* the caller's store to the word, before the look at the list */
    if (list_empty(&b->waiters))
        return 0;
    spin_lock(&b->lock);
    nr = futex_wake_bucket(b, &key, nr, bitset);
    spin_unlock(&b->lock);
    return nr;
}

void futex_wake_user(u32 __user *uaddr)
{
    (void)futex_wake(uaddr, FUTEX_SHARED, 1, FUTEX_ANY_BIT);
}

/* ---- waiting --------------------------------------------------------------------------------- */

bool futex_unqueue(struct futex_waiter *w)
{
    for (;;) {
        struct futex_bucket *b = smp_load_acquire(&w->bucket);

        if (b == NULL)
            return false;
        spin_lock(&b->lock);
        if (w->bucket == b) {
            list_del(&w->link);
            spin_unlock(&b->lock);
            return true;
        }
        spin_unlock(&b->lock); /* requeued meanwhile */
    }
}

/*
 * The list's insertion is ordered before the read by the lock for those who take it; a waker that
 * only peeks at the list needs the full barrier.
 */
int futex_enqueue(struct futex_waiter *w, u32 __user *uaddr, unsigned int flags, u32 expected)
{
    int err = futex_get_key(&w->key, uaddr, flags);

    while (err == 0) {
        struct futex_bucket *b = futex_bucket_of(&w->key);
        u32 value;

        spin_lock(&b->lock);
        w->bucket = b;
        list_add_tail(&w->link, &b->waiters);
        smp_mb();
        err = futex_read_locked(&value, uaddr);
        if (err == 0 && value == expected) {
            spin_unlock(&b->lock);
            return 0;
        }
        list_del(&w->link);
        spin_unlock(&b->lock);
        if (err == 0)
            return -EAGAIN;
        if (get_user_u32(&value, uaddr) != 0)
            return -EFAULT;
        err = futex_get_key(&w->key, uaddr, flags);
    }
    return err;
}

int futex_wait(u32 __user *uaddr, unsigned int flags, u32 expected, u64 deadline_ns, u32 bitset)
{
    struct futex_waiter w = { .task = current, .bitset = bitset };
    int err;

    if (bitset == 0)
        return -EINVAL;
    err = futex_enqueue(&w, uaddr, flags, expected);
    if (err != 0)
        return err;
    for (;;) {
        task_set_state(TASK_INTERRUPTIBLE);
        if (READ_ONCE(w.bucket) == NULL)
            break;
        err = wait_step(TASK_INTERRUPTIBLE, deadline_ns);
        if (err != 0)
            break;
    }
    WRITE_ONCE(current->state, TASK_RUNNING);
    if (!futex_unqueue(&w))
        return 0;
    return err == -ETIME ? -ETIMEDOUT : -ERESTARTSYS;
}
