/* SPDX-License-Identifier: MIT */
/*
 * mm.c: the life of address spaces: made by exec, copied by fork, given up by exit.
 *
 * Two counts: users are the tasks that live in it (and who looks at its memory); when the last
 * goes, everything is unmapped. refs keep the structure for those who only look at its fields; all
 * users together hold one. The structure is freed by RCU, so that task->mm may be followed under
 * TASKLIST or RCU (oom.c).
 *
 * fork copies the list of areas in order, copies the entries of those that hold private pages,
 * builds the balanced tree over the list in one go, and flushes the parent's TLB once at the end.
 * An area whose every page can be faulted in again (shared, or private without an own page) is not
 * walked at all.
 *
 * Locks: fork holds the parent's mmap_lock and the child's (nested; nobody waits for the child's)
 * for writing, and the lock of each area it copies entries of, since faults in the parent make new
 * ones. MM_LIST guards the list of all address spaces.
 *
 * Invariants: I1 an address space is on the list exactly while it has users; I2 a child's area
 * comes behind the parent's in mapping->vmas: truncation removes the parent's entries first and so
 * cannot miss one that fork carries over; I3 a child is charged for every area with VM_ACCOUNT that
 * it has, also after a failed fork (which the normal tear-down then gives back).
 * Checked by vma_check, tests/kernel/mm/vma_ktest.c. Read next: munmap.c (mm_unmap_all), tlb.c
 * (mm_switch).
 */
#include <asm/errno.h>
#include <kernel/string.h>
#include <kernel/vfs.h>
#include <kernel/workqueue.h>
#include <mm/pt_share.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include "vma_internal.h"

static struct kmem_cache *mm_cache;
static spinlock_t mm_list_lock = SPINLOCK_INIT(LOCK_MM_LIST);
static LIST_HEAD(mm_list);

void mm_init(void)
{
    mm_cache = kmem_cache_create("mm", sizeof(struct mm), 64, NULL);
    if (!mm_cache)
        panic("no memory for the cache of address spaces");
    vma_cache_init();
    rmap_init();
    pt_share_init();
    shm_init();
}

/* Without a family yet. */
static struct mm *alloc_member(void)
{
    struct mm *mm = kmem_cache_alloc(mm_cache, GFP_KERNEL | GFP_ZERO);

    if (!mm)
        return NULL;
    rwsem_init(&mm->mmap_lock, LOCK_MMAP);
    wait_queue_init(&mm->vma_wait);
    spin_init(&mm->notify_lock, LOCK_NOTIFIER);
    list_init(&mm->notifiers);
    ASSERT(mm->first_vma == NULL && mm->root == NULL); /* GFP_ZERO */
    mm->lock_seq = 1;
    mm->mmap_base = USER_WINDOW_TOP - MIB(128);
    mm->dumpable = true;
    mm->share_off = current->proc != NULL ? current->proc->pt_share_off : 0;
    mm->thp_disable = current->proc != NULL && current->proc->thp_disable;
    atomic_set(&mm->users, 1);
    atomic_set(&mm->refs, 1);
    if (mmu_mm_init(mm)) {
        kmem_cache_free(mm_cache, mm);
        return NULL;
    }
    spin_lock(&mm_list_lock);
    list_add_tail(&mm->all_link, &mm_list);
    spin_unlock(&mm_list_lock);
    return mm;
}

struct mm *mm_alloc(void)
{
    struct anon_family *f = rmap_family_alloc();
    struct mm *mm = f ? alloc_member() : NULL;

    if (mm)
        rmap_family_found(mm, f);
    else if (f)
        rmap_family_free(f);
    return mm;
}

void mm_get(struct mm *mm)
{
    ASSERT(atomic_read(&mm->users) > 0);
    atomic_inc(&mm->users);
}

void mm_grab(struct mm *mm)
{
    ASSERT(atomic_read(&mm->refs) > 0);
    atomic_inc(&mm->refs);
}

static void mm_free_rcu(struct rcu_head *head)
{
    kmem_cache_free(mm_cache, container_of(head, struct mm, rcu));
}

void mm_drop(struct mm *mm)
{
    ASSERT(atomic_read(&mm->refs) > 0);
    if (!atomic_dec_and_test(&mm->refs))
        return;
    ASSERT(atomic_read(&mm->users) == 0 && mm->first_vma == NULL && mm->nr_vmas == 0);
    mmu_mm_destroy(mm);
    call_rcu(&mm->rcu, mm_free_rcu);
}

/* The last user has gone, and @mm is on no list. */
static void end_of_life(struct mm *mm)
{
    if (READ_ONCE(mm->nr_notifiers) != 0) /* no flush will come any more */
        mm_notify(mm, 0, user_top());
    mm_unmap_all(mm);
    rmap_family_leave(mm);
    if (mm->exe)
        file_put(mm->exe);
    mm->exe = NULL;
    ASSERT(mm->total_vm == 0 || mm->first_vma == NULL);
    mm_drop(mm);
}

void mm_put(struct mm *mm)
{
    ASSERT(atomic_read(&mm->users) > 0);
    if (!atomic_dec_and_test(&mm->users))
        return;
    might_sleep();
    spin_lock(&mm_list_lock);
    list_del(&mm->all_link);
    spin_unlock(&mm_list_lock);
    end_of_life(mm);
}

static LIST_HEAD(ending); /* mm_list_lock; by all_link */

static void end_some(struct work *unused)
{
    for (;;) {
        struct mm *mm = NULL;

        spin_lock(&mm_list_lock);
        if (!list_empty(&ending)) {
            mm = list_first_entry(&ending, struct mm, all_link);
            list_del(&mm->all_link);
        }
        spin_unlock(&mm_list_lock);
        if (!mm)
            return;
        end_of_life(mm);
    }
}

void mm_put_later(struct mm *mm)
{
    static struct work work = {.fn = end_some};

    ASSERT(atomic_read(&mm->users) > 0);
    if (!atomic_dec_and_test(&mm->users))
        return;
    spin_lock(&mm_list_lock);
    list_move_tail(&mm->all_link, &ending);
    spin_unlock(&mm_list_lock);
    (void)work_queue(&work);
}

struct mm *mm_next(struct mm *prev)
{
    struct mm *found = NULL;
    struct list_head *p;

    spin_lock(&mm_list_lock);
    for (p = prev ? prev->all_link.next : mm_list.next; p != &mm_list; p = p->next) {
        struct mm *mm = list_entry(p, struct mm, all_link);

        if (atomic_inc_not_zero(&mm->users)) {
            found = mm;
            break;
        }
    }
    spin_unlock(&mm_list_lock);
    if (prev)
        mm_put(prev);
    return found;
}

struct mm *mm_next_lazyfree(void)
{
    struct mm *mm, *found = NULL;

    spin_lock(&mm_list_lock);
    list_for_each_entry(mm, &mm_list, all_link) {
        if (!READ_ONCE(mm->has_lazyfree) || mm->lazyfree_tried)
            continue;
        mm->lazyfree_tried = true;
        mm_grab(mm); /* on the list: has users, who hold one */
        found = mm;
        break;
    }
    spin_unlock(&mm_list_lock);
    return found;
}

void mm_end_lazyfree(void)
{
    struct mm *mm;

    spin_lock(&mm_list_lock);
    list_for_each_entry(mm, &mm_list, all_link)
        mm->lazyfree_tried = false;
    spin_unlock(&mm_list_lock);
}

void mm_set_current(struct mm *mm)
{
    struct task *t = current;
    struct mm *old = t->mm;
    unsigned long flags;

    ASSERT(mm == NULL || atomic_read(&mm->users) > 0);
    spin_lock(&t->lock);
    flags = irq_save();
    t->mm = mm;
    mm_switch(old, mm);
    irq_restore(flags);
    spin_unlock(&t->lock);
    if (old)
        mm_put(old);
}

/* Everything that is neither areas nor counters of them. */
static void copy_layout(struct mm *mm, const struct mm *old)
{
    mm->def_flags = old->def_flags & ~VM_LOCKED_MASK;
    mm->mmap_base = old->mmap_base;
    mm->start_code = old->start_code;
    mm->end_code = old->end_code;
    mm->start_data = old->start_data;
    mm->end_data = old->end_data;
    mm->start_brk = old->start_brk;
    mm->brk = old->brk;
    mm->start_stack = old->start_stack;
    mm->arch_code = old->arch_code;
    mm->arg_start = old->arg_start;
    mm->arg_end = old->arg_end;
    mm->env_start = old->env_start;
    mm->env_end = old->env_end;
    mm->auxv_words = old->auxv_words;
    memcpy(mm->auxv, old->auxv, old->auxv_words * sizeof(mm->auxv[0]));
    mm->exe = old->exe ? file_get(old->exe) : NULL;
    mm->dumpable = old->dumpable;
    mm->membarrier = old->membarrier;
    mm->has_lazyfree = old->has_lazyfree;
}

/* A copy of @src at the end of @mm's list, on its object's list behind @src. NULL when memory or
 * the commit limit is out. */
static struct vma *copy_area(struct mm *mm, struct vma *src)
{
    struct vma_attr a = vma_attr_at(src, src->start);
    struct vma *v;

    ASSERT(rwsem_is_write_locked(&mm->mmap_lock) && !src->detached);
    ASSERT(!mm->last_vma || mm->last_vma->end <= src->start);
    if (src->flags & VM_ACCOUNT && vm_commit(mm, vma_pages(src)))
        return NULL;
    v = vma_alloc(mm);
    if (!v) {
        if (src->flags & VM_ACCOUNT)
            vm_uncommit(vma_pages(src));
        return NULL;
    }
    a.flags &= ~VM_LOCKED_MASK;
    vma_attr_drop_userfault(&a);
    vma_set_attr(v, src->start, src->end, &a);
    v->detached = false;
    v->prev = mm->last_vma;
    v->next = NULL;
    *(v->prev ? &v->prev->next : &mm->first_vma) = v;
    mm->last_vma = v;
    mm->nr_vmas++;
    vma_account(mm, v->flags, (long)vma_pages(v));
    vma_mapping_link(v, src);
    return v;
}

/* Does fork have to copy entries? What an object holds, or nobody ever wrote, comes back by
 * faulting. */
static bool has_own_pages(const struct vma *v)
{
    return (v->has_anon && !(v->flags & VM_WIPEONFORK)) || !vma_has_pages(v);
}

/* Copies all areas; *copied tells whether entries were looked at, so that the parent must be
 * flushed. */
static int copy_areas(struct mm *mm, struct mm *old, bool *copied)
{
    for_each_vma(src, old) {
        struct vma *v;

        vma_write_lock(src); /* no fault makes page tables before they are flushed */
        if (src->flags & VM_DONTCOPY)
            continue;
        v = copy_area(mm, src);
        if (!v)
            return -ENOMEM;
        if (!has_own_pages(src))
            continue;
        ASSERT(v->start == src->start && v->end == src->end && !v->has_anon);
        v->has_anon = src->has_anon;
        *copied = true;
        if (vma_ops(src)->copy(mm, v, src))
            return -ENOMEM;
    }
    return 0;
}

struct mm *mm_fork(struct mm *old)
{
    struct mm *mm = alloc_member();
    bool copied = false;
    int err;

    if (!mm)
        return ERR_PTR(-ENOMEM);
    rmap_family_join(mm, old->family);
    err = mmap_write_lock_killable(old);
    if (err) {
        mm_put(mm);
        return ERR_PTR(err);
    }
    rwsem_write_lock_nested(&mm->mmap_lock);
    copy_layout(mm, old);
    err = copy_areas(mm, old, &copied);
    vma_tree_build(mm);
    if (copied)
        mm_flush_all(old);
    mmap_write_unlock(mm);
    mmap_write_unlock(old);
    if (err) {
        mm_put(mm);
        return ERR_PTR(err);
    }
    return mm;
}
