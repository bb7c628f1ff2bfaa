/* SPDX-License-Identifier: MIT */
/*
 * vma_lock.c: the lock of one area, so that page faults need not take mmap_lock.
 *
 * Readers are page faults; they hold an area stable while they work in it. Writers already hold
 * mmap_lock for writing, so there is one at a time. An area is write-locked while v->lock_seq ==
 * mm->lock_seq; mmap_write_unlock moves mm->lock_seq on, which releases all areas of that writer at
 * once. No area is ever unlocked by itself.
 *
 *   reader                                   writer (mmap_lock held for writing)
 *   R1  v->readers++                         W1  v->lock_seq = mm->lock_seq
 *   R2  full barrier                         W2  full barrier
 *   R3  v->lock_seq == mm->lock_seq?         W3  v->readers == 0?  else mark it, sleep on vma_wait
 *       yes: undo R1, take the slow way      W4  change the area
 *   R4  range, detached: still it?           W5  mm->lock_seq++ (release), mmap_lock released
 *   R5  work; v->readers-- (release), and wake the writer when its mark was there
 *
 * Barriers. R1-R3 against W1-W3 is store buffering (Dekker): each side stores, then looks at the
 * other's word. On x86 the locked increment is enough; on POWER nothing weaker than sync on *both*
 * sides forbids that each misses the other (lwsync does not order a store before a later load), so
 * both use smp_mb(), and the increment itself is relaxed. A writer that comes after R1 waits for
 * the reader, so all that R3 must recognise is one that came before; the order of its two loads
 * does not matter. Reading a newer mm->lock_seq, with acquire, pairs with the release in W5, so R4
 * sees all of W4. R5's release and W3's acquire order the fault's work before the change.
 * models/vma_lock.pml checks the protocol under sequential consistency and shows that each of its
 * steps is needed.
 *
 * Memory of areas is freed after an RCU grace period; R1-R3 run under rcu_read_lock, after that the
 * count keeps the area: it leaves the tree only write-locked. R5 does not touch the area after the
 * decrement, except mm, which the caller holds.
 *
 * Invariants: I1 a writer changes start, end, flags, pgoff or membership only after vma_write_lock
 * on that area; I2 a reader that got past R4 sees none of these change until R5; I3 a wrapped
 * lock_seq can only send a reader the slow way.
 * Checked by models/vma_lock.pml, tests/kernel/mm/vma_ktest.c. Read next: fault.c, munmap.c.
 */
#include "vma_internal.h"

void mmap_write_lock(struct mm *mm)
{
    rwsem_write_lock(&mm->mmap_lock);
}

int mmap_write_lock_killable(struct mm *mm)
{
    return rwsem_write_lock_killable(&mm->mmap_lock);
}

static inline void release_vma_locks(struct mm *mm)
{
    ASSERT(rwsem_is_write_locked(&mm->mmap_lock));
    smp_store_release(&mm->lock_seq, mm->lock_seq + 1);
}

void mmap_write_unlock(struct mm *mm)
{
    release_vma_locks(mm);
    rwsem_write_unlock(&mm->mmap_lock);
}

void mmap_write_downgrade(struct mm *mm)
{
    release_vma_locks(mm);
    rwsem_downgrade(&mm->mmap_lock);
}

/* The mark makes the last reader wake us; it is set and seen in the counter's own word, so none can
 * slip through. */
static __noinline void wait_for_readers(struct vma *v)
{
    (void)__atomic_fetch_or(&v->readers, VMA_WRITER_WAITS, __ATOMIC_RELAXED);
    wait_event(&v->mm->vma_wait, smp_load_acquire(&v->readers) == VMA_WRITER_WAITS);
    (void)__atomic_fetch_and(&v->readers, ~VMA_WRITER_WAITS, __ATOMIC_RELAXED);
}

void vma_write_lock(struct vma *v)
{
    u32 seq = v->mm->lock_seq;

    ASSERT(rwsem_is_write_locked(&v->mm->mmap_lock));
    if (v->lock_seq == seq)
        return;
    ASSERT(!v->detached);
    WRITE_ONCE(v->lock_seq, seq);
    smp_mb(); /* W2 */
    if (unlikely(smp_load_acquire(&v->readers) != 0))
        wait_for_readers(v);
    ASSERT((READ_ONCE(v->readers) & VMA_WRITER_WAITS) == 0); /* one writer at a time */
}

/* R1 to R4. RCU read side. */
static inline bool read_trylock(struct mm *mm, struct vma *v, vaddr_t va)
{
    (void)__atomic_fetch_add(&v->readers, 1, __ATOMIC_RELAXED);
    smp_mb(); /* R2 */
    if (likely(READ_ONCE(v->lock_seq) != smp_load_acquire(&mm->lock_seq)) &&
        likely(!v->detached && va >= v->start && va < v->end))
        return true;
    vma_read_unlock(v);
    return false;
}

/* Descends without a lock: child pointers are whole and never form a cycle, ranges may be stale. */
static inline struct vma *find_lockless(struct mm *mm, vaddr_t va)
{
    struct rb_node *n = rcu_dereference(mm->vmas.node);

    while (n) {
        struct vma *v = rb_entry(n, struct vma, node);

        if (va < READ_ONCE(v->start))
            n = rcu_dereference(n->left);
        else if (va >= READ_ONCE(v->end))
            n = rcu_dereference(n->right);
        else
            return v;
    }
    return NULL;
}

struct vma *vma_lock_under_rcu(struct mm *mm, vaddr_t va)
{
    struct vma *v;
    u32 seq;

    rcu_read_lock();
    seq = smp_load_acquire(&mm->vma_seq);
    v = find_lockless(mm, va);
    if (unlikely(!v) && (seq & 1 || ({ smp_rmb(); READ_ONCE(mm->vma_seq) != seq; })))
        v = find_lockless(mm, va); /* the tree moved under the first look; one more is worth it */
    if (v && !read_trylock(mm, v, va))
        v = NULL;
    rcu_read_unlock();
    return v;
}

bool vma_read_trylock(struct vma *v)
{
    return read_trylock(v->mm, v, v->start);
}

void vma_read_unlock(struct vma *v)
{
    struct mm *mm = v->mm;

    ASSERT((READ_ONCE(v->readers) & ~VMA_WRITER_WAITS) != 0);
    if (unlikely(__atomic_sub_fetch(&v->readers, 1, __ATOMIC_RELEASE) == VMA_WRITER_WAITS))
        wake_up_all(&mm->vma_wait);
}
