/* SPDX-License-Identifier: MIT */
/*
 * fault.c: a page fault from the trap to the row and back, as a sequence of steps:
 *
 *   mm_fault          may this address belong to the user at all?                 nothing locked
 *   with_vma_lock     the VMA's own lock, found under RCU                         VMA lock
 *   with_mmap_lock    when that fails: the address space, its stack may grow      mmap_lock (read)
 *   mm_handle_fault   does the VMA allow the access? then the row's fault         either
 *   with_own_table    a page table that is shared is left first                   mmap_lock (write)
 *   finish            a signal, or back to the instruction                        nothing locked
 *
 * It does not look at page tables. A fault in the kernel on a user address takes the same way; when
 * it fails the caller (arch) applies its exception table.
 *
 * Locks: as above; interrupts are on, it may sleep. Invariants: I1 no lock is held when a signal is
 * sent; I2 each fault is counted once (pgfault) and so is its way (vma_lock_success or
 * vma_lock_miss).
 * Checked by tests/kernel/mm/fault_ktest.c. Read next: pt_default.c.
 */
#include <kernel/fail.h>
#include <kernel/task.h>
#include <mm/fault.h>
#include <mm/faulttrace.h>
#include "pt_internal.h"

static inline bool vma_allows(const struct vma *v, unsigned int flags)
{
    if (flags & FAULT_WRITE)
        return (v->flags & VM_WRITE) != 0;
    if (flags & FAULT_EXEC)
        return (v->flags & VM_EXEC) != 0;
    /* No MMU here has memory that is writable or executable only. */
    return (v->flags & VM_ACCESS_FLAGS) != 0;
}

static inline enum fault_result dispatch(struct fault_ctx *f)
{
    ASSERT(f->addr >= f->vma->start && f->addr < f->vma->end && IS_ALIGNED(f->addr, PAGE_SIZE));
    ASSERT(f->vma->pt_ops < NR_PT_OPS);
    if (unlikely(!vma_allows(f->vma, f->flags)))
        return FAULT_SIGSEGV_ACCERR;
    return vma_ops(f->vma)->fault(f);
}

enum fault_result mm_handle_fault_level(struct vma *v, vaddr_t addr, unsigned int flags,
                                        unsigned int *level)
{
    struct fault_ctx f = { .vma = v, .addr = addr & PAGE_MASK, .flags = flags };
    enum fault_result result = dispatch(&f);

    *level = f.level;
    if (likely(result != FAULT_WAIT))
        return result;
    userfault_cancel(&f); /* who holds mmap_lock does not wait for a user */
    return FAULT_SIGBUS;
}

enum fault_result mm_handle_fault(struct vma *v, vaddr_t addr, unsigned int flags)
{
    unsigned int level;

    return mm_handle_fault_level(v, addr, flags, &level);
}

static inline enum fault_result with_vma_lock(struct mm *mm, struct fault_ctx *f)
{
    enum fault_result result;

    f->vma = vma_lock_under_rcu(mm, f->addr);
    if (unlikely(f->vma == NULL))
        return FAULT_RETRY;
    f->vma_locked = true;
    ASSERT(f->vma->mm == mm);
    result = dispatch(f);
    vma_read_unlock(f->vma);
    return result;
}

static __noinline enum fault_result with_mmap_lock(struct mm *mm, struct fault_ctx *f)
{
    bool grown = false;

    f->vma_locked = false;
    for (;;) {
        enum fault_result result;
        int err;

        mmap_read_lock(mm);
        f->vma = vma_lookup(mm, f->addr);
        if (f->vma != NULL) {
            result = dispatch(f);
            mmap_read_unlock(mm);
            if (grown && result == FAULT_OK)
                f->kind = "stack";
            return result;
        }
        mmap_read_unlock(mm);
        if (grown)
            return FAULT_SIGSEGV_MAPERR; /* unmapped again */
        err = vma_grow_stack(mm, f->addr);
        if (err)
            return err == -EINTR ? FAULT_INTR : FAULT_SIGSEGV_MAPERR;
        grown = true;
    }
}

/* The access needs a table of the address space's own; then it is looked at again. */
static __noinline enum fault_result with_own_table(struct mm *mm, struct fault_ctx *f)
{
    enum fault_result result;

    do {
        int err = pt_leave_at(mm, f->addr);

        if (err)
            return err == -ENOMEM ? FAULT_OOM : FAULT_INTR;
        result = with_vma_lock(mm, f);
        if (result == FAULT_RETRY)
            result = with_mmap_lock(mm, f);
    } while (result == FAULT_SHARED); /* another thread has forked meanwhile */
    return result;
}

/* What cannot be repaired: tells the user. The address is the one that was used, not its page's. */
static __noinline void finish_failed(const struct fault_info *fi, enum fault_result result)
{
    ASSERT(result != FAULT_OK && (fi->flags & FAULT_USER));
    ASSERT(lockcheck_nr_held() == 0); /* I1 */
    switch (result) {
    case FAULT_SIGSEGV_MAPERR:
        signal_send_fault(SIGSEGV, SEGV_MAPERR, fi->addr, -1, 0);
        break;
    case FAULT_SIGSEGV_ACCERR:
        signal_send_fault(SIGSEGV, SEGV_ACCERR, fi->addr, -1, 0);
        break;
    case FAULT_SIGBUS:
        fail_check_signal(SIGBUS);
        signal_send_fault(SIGBUS, BUS_ADRERR, fi->addr, -1, 0);
        break;
    case FAULT_OOM: /* the allocator killed somebody, or a test made it fail: tried again */
    case FAULT_INTR:  /* the signal is pending */
    case FAULT_RETRY:
    case FAULT_WAIT:
    case FAULT_SHARED:
    case FAULT_OK:
        break;
    }
}

static const char *kind_of(const struct fault_ctx *f, enum fault_result result)
{
    static const char *const failed[] = {
        [FAULT_SIGSEGV_MAPERR] = "segv", [FAULT_SIGSEGV_ACCERR] = "segv", [FAULT_SIGBUS] = "bus",
        [FAULT_OOM] = "oom", [FAULT_INTR] = "intr", [FAULT_WAIT] = "user",
    };

    if (result != FAULT_OK && failed[result] != NULL)
        return failed[result];
    return f->kind != NULL ? f->kind : "none";
}

static __noinline void trace(const struct fault_info *fi, const struct fault_ctx *f,
                             enum fault_result result, u64 start)
{
    struct fault_event e = {
        .addr = fi->addr, .flags = fi->flags, .kind = kind_of(f, result), .level = f->level};

    e.cost = start != 0 ? cycle_counter() - start : 0;
    faulttrace_record(&e);
}

bool mm_fault(const struct fault_info *fi)
{
    struct mm *mm = current->mm;
    bool user = (fi->flags & FAULT_USER) != 0;
    u64 start = unlikely(READ_ONCE(faulttrace_on)) ? cycle_counter() : 0;
    enum fault_result result;
    struct fault_ctx f; /* the rest is the row's to fill */

    f.addr = fi->addr & PAGE_MASK;
    f.flags = fi->flags;
    f.kind = NULL;
    f.level = 0;
    ASSERT(irqs_enabled());
    if (unlikely(fi->flags & FAULT_RSVD))
        panic("malformed page table entry for 0x%lx", fi->addr);
    if (unlikely(!user && (mm == NULL || current->pagefault_disabled || (fi->flags & FAULT_EXEC))))
        return false;
    vmstat_inc(VMSTAT_pgfault);
    if (unlikely(fi->addr >= user_top())) {
        result = FAULT_SIGSEGV_MAPERR;
    } else {
        result = with_vma_lock(mm, &f);
        if (likely(result != FAULT_RETRY)) {
            vmstat_inc(VMSTAT_vma_lock_success);
        } else {
            vmstat_inc(VMSTAT_vma_lock_miss);
            result = with_mmap_lock(mm, &f);
        }
        if (unlikely(result == FAULT_SHARED))
            result = with_own_table(mm, &f);
    }
    if (unlikely(READ_ONCE(faulttrace_on)))
        trace(fi, &f, result, start);
    if (likely(result == FAULT_OK)) {
        current->min_flt++;
        return true;
    }
    if (result == FAULT_WAIT && userfault_wait(&f))
        return true; /* the access is tried again */
    if (user)
        finish_failed(fi, result);
    return false;
}
