/* SPDX-License-Identifier: MIT */
/*
 * mmap.c: mmap(2): what may be mapped, where it goes, what it costs, and the new area.
 *
 * Errors come in Linux's order, because programs probe with calls that are wrong in two ways:
 * length and offset, number of areas, address, locking limits, what the file allows, address space
 * and data limits, commit limit, then the object's own objections. The existing contents of a
 * MAP_FIXED range are gone when one of the last three strikes, as on Linux. Flags that older Linux
 * gave a meaning (MAP_DENYWRITE, MAP_EXECUTABLE, MAP_STACK, unknown bits) are ignored.
 *
 * Files are opened, created and put outside mmap_lock.
 *
 * Locks: takes mmap_lock for writing. Invariants: those of vma.c. Checked by
 * tests/kernel/mm/mmap_ktest.c.
 * Source: POSIX.1-2017 mmap; mmap(2), setrlimit(2), proc(5). Read next: vma.c, brk.c, mlock.c
 * (populate).
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include <kernel/vfs.h>
#include <mm/hugetlb.h>
#include <mm/page_cache.h>
#include <mm/pt_share.h>
#include "vma_internal.h"

/* One call on its way through the checks. */
struct map_plan {
    vaddr_t start, end;
    struct vma_attr attr;
    struct vma *next; /* first area above, when the range is free */
    struct vma *dead; /* areas that a fixed mapping replaced */
};

bool mm_may_expand(struct mm *mm, unsigned long flags, unsigned long pages)
{
    if (mm->total_vm + pages > task_rlimit(RLIMIT_AS) >> PAGE_SHIFT)
        return false;
    return !vm_is_data(flags) || mm->data_vm + pages <= task_rlimit(RLIMIT_DATA) >> PAGE_SHIFT;
}

int mm_check_future_lock(struct mm *mm, unsigned long flags, size_t len)
{
    if (!(flags & VM_LOCKED) || has_capability())
        return 0;
    ASSERT(IS_ALIGNED(len, PAGE_SIZE));
    len >>= PAGE_SHIFT;
    return mm->locked_vm + len > task_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT ? -EAGAIN : 0;
}

/* May @addr be used as asked for? Pages near 0 are kept from ordinary users, to make null pointers
 * of the kernel harmless. */
static long check_address(vaddr_t addr, const struct mmap_request *r)
{
    if (addr > user_top() - r->len)
        return -ENOMEM;
    if (!IS_ALIGNED(addr, pt_size(r->level)))
        return -EINVAL;
    if (addr < sysctl_mmap_min_addr && !has_capability())
        return -EPERM;
    return (long)addr;
}

/* A hint is taken when the range is free and does not straddle the end of the window for programs
 * without hints. */
static bool hint_fits(struct mm *mm, vaddr_t addr, size_t len, struct vma **next)
{
    if (len > user_top() || addr > user_top() - len)
        return false;
    if ((addr > USER_WINDOW_TOP) != (addr + len > USER_WINDOW_TOP))
        return false;
    *next = vma_find(mm, addr);
    return !*next || addr + len <= vma_guarded_start(*next);
}

static long search(struct mm *mm, const struct mmap_request *r, struct vma **next)
{
    vaddr_t floor = max(sysctl_mmap_min_addr, PAGE_SIZE);
    struct gap_query q = { .len = r->len,
                           .low = floor,
                           .high = mm->mmap_base,
                           .align_mask = pt_size(r->level) - 1,
                           .topdown = true };
    long at;

#ifdef MAP_32BIT /* only the x86-64 ABI has it */
    if (r->flags & MAP_32BIT) {
        q.low = GIB(1);
        q.high = GIB(2);
        q.topdown = false;
        return vma_tree_find_gap(mm, &q, next);
    }
#endif
    if (r->addr > USER_WINDOW_TOP)
        q.high += user_top() - USER_WINDOW_TOP;
    if (r->flags & MAP_SHARED) /* or _VALIDATE */
        pt_share_place(r->len, r->file ? r->pgoff : 0, &q.align_mask, &q.len);
    at = vma_tree_find_gap(mm, &q, next);
    if (at != -ENOMEM)
        return at;
    q.len = r->len;
    q.align_mask = pt_size(r->level) - 1;
    q.low = ALIGN_DOWN(USER_WINDOW_TOP / 3, PAGE_SIZE);
    q.high = r->addr > USER_WINDOW_TOP ? user_top() : USER_WINDOW_TOP;
    q.topdown = false;
    return vma_tree_find_gap(mm, &q, next);
}

long mm_choose_address(struct mm *mm, const struct mmap_request *r, struct vma **next)
{
    vaddr_t addr = r->level ? ALIGN_UP(r->addr, pt_size(r->level)) : r->addr & PAGE_MASK;
    long at;

    ASSERT(r->len != 0 && IS_ALIGNED(r->len, PAGE_SIZE));
    if (r->len > user_top())
        return -ENOMEM;
    if (r->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        *next = vma_find(mm, r->addr);
        return check_address(r->addr, r);
    }
    if (addr != 0 && addr < sysctl_mmap_min_addr)
        addr = PAGE_ALIGN(sysctl_mmap_min_addr);
    if (addr != 0 && hint_fits(mm, addr, r->len, next))
        return check_address(addr, r);
    at = search(mm, r, next);
    return at < 0 && at >= -MAX_ERRNO ? at : check_address((vaddr_t)at, r);
}

/* What the file's mode and kind allow; adjusts the MAY bits. */
static int check_file(const struct mmap_request *r, unsigned long *flags)
{
    struct file *f = r->file;
    u64 max_pages = ~0UL >> 1 >> PAGE_SHIFT; /* offsets in files are signed */

    if (r->len >> PAGE_SHIFT > max_pages || r->pgoff > max_pages - (r->len >> PAGE_SHIFT))
        return -EOVERFLOW;
    switch (r->flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
        if (r->flags & MAP_SYNC)
            return -EOPNOTSUPP;
        __fallthrough;
    case MAP_SHARED:
        if (r->prot & PROT_WRITE && !(f->f_mode & FMODE_WRITE))
            return -EACCES;
        *flags |= VM_SHARED | VM_MAYSHARE;
        if (!(f->f_mode & FMODE_WRITE))
            *flags &= ~(VM_MAYWRITE | VM_SHARED);
        break;
    case MAP_PRIVATE:
        break;
    default:
        return -EINVAL;
    }
    if (!(f->f_mode & FMODE_READ))
        return -EACCES;
    if (!f->op->mmap)
        return -ENODEV;
    return *flags & VM_GROWSDOWN ? -EINVAL : 0;
}

static int check_anon(const struct mmap_request *r, unsigned long *flags)
{
    switch (r->flags & MAP_TYPE) {
    case MAP_SHARED:
        if (*flags & VM_GROWSDOWN)
            return -EINVAL;
        *flags |= VM_SHARED | VM_MAYSHARE;
        return 0;
    case MAP_PRIVATE:
        return 0;
    default:
        return -EINVAL;
    }
}

/* Strict accounting leaves nobody out. */
static unsigned long noreserve(const struct mmap_request *r)
{
    return r->flags & MAP_NORESERVE && sysctl_overcommit_memory != 2 ? VM_NORESERVE : 0;
}

/* VM_ flags of the new area, or -errno in *@err. */
static unsigned long plan_flags(struct mm *mm, const struct mmap_request *r, int *err)
{
    unsigned long flags = vm_prot_flags(r->prot) | mm->def_flags | VM_MAYREAD | VM_MAYWRITE |
                          VM_MAYEXEC | VM_SOFTDIRTY;

    if (r->flags & MAP_GROWSDOWN)
        flags |= VM_GROWSDOWN;
    if (r->flags & MAP_LOCKED) {
        flags |= VM_LOCKED;
        if (task_rlimit(RLIMIT_MEMLOCK) == 0 && !has_capability())
            *err = -EPERM;
    }
    if (!*err)
        *err = mm_check_future_lock(mm, flags, r->len);
    if (!*err)
        *err = r->file ? check_file(r, &flags) : check_anon(r, &flags);
    if (r->level > 0)
        flags |= VM_POOL;
    ASSERT(!(flags & VM_SHARED) || (flags & VM_MAYSHARE));
    return flags | noreserve(r);
}

/* Limits, room, charge. On success the range is free and p->attr.flags says whether it is
 * charged. */
static int make_room(struct mm *mm, struct map_plan *p)
{
    unsigned long pages = (p->end - p->start) >> PAGE_SHIFT, replaced = 0;
    int err;

    ASSERT(rwsem_is_write_locked(&mm->mmap_lock));
    ASSERT(p->start < p->end && p->end <= user_top());
    if (unlikely(!mm_may_expand(mm, p->attr.flags, pages))) {
        for (struct vma *v = p->next; v && v->start < p->end; v = v->next)
            replaced += (min(v->end, p->end) - max(v->start, p->start)) >> PAGE_SHIFT;
        if (!mm_may_expand(mm, p->attr.flags, pages - replaced))
            return -ENOMEM;
    }
    if (p->next && p->next->start < p->end) {
        err = mm_unmap_locked(mm, p->start, p->end, &p->dead);
        if (err)
            return err;
        p->next = vma_find(mm, p->start);
    }
    ASSERT(!p->next || p->next->start >= p->end); /* the range is free */
    if (vm_is_accountable(p->attr.flags)) {
        if (vm_commit(mm, pages))
            return -ENOMEM;
        p->attr.flags |= VM_ACCOUNT;
    }
    return 0;
}

static struct vma *prev_of(struct mm *mm, struct vma *next)
{
    return next ? next->prev : mm->last_vma;
}

static int add_anon(struct mm *mm, const struct map_plan *p)
{
    struct vma *prev = prev_of(mm, p->next), *v;
    int err;

    ASSERT(p->attr.file == NULL && p->attr.mapping == NULL);
    if (vma_merge_new(mm, prev, p->start, p->end, &p->attr))
        return 0;
    v = vma_alloc(mm);
    if (!v)
        return -ENOMEM;
    vma_set_attr(v, p->start, p->end, &p->attr);
    err = vma_ops(v)->may_map(v, v->flags);
    if (err) {
        vma_free_new(v);
        return err;
    }
    vma_link(mm, v, prev, p->next);
    return 0;
}

/* The object fills in its mapping and row, and may refuse. */
static int prepare_file_area(struct vma *v, const struct map_plan *p)
{
    int err;

    vma_set_attr(v, p->start, p->end, &p->attr);
    err = v->file->op->mmap(v->file, v);
    if (!err)
        err = vma_ops(v)->may_map(v, v->flags);
    ASSERT(v->start == p->start && v->end == p->end && v->pt_ops < NR_PT_OPS);
    if (v->flags & VM_SPECIAL)
        v->flags &= ~VM_LOCKED_MASK;
    return err;
}

static int add_file(struct mm *mm, const struct map_plan *p)
{
    struct mapping *m = p->attr.flags & VM_SHARED ? p->attr.file->mapping : NULL;
    struct vma *prev = prev_of(mm, p->next), *v = vma_alloc(mm);
    int err;

    if (!v)
        return -ENOMEM;
    err = m ? mapping_map_writable(m) : 0; /* our own count until the area has one */
    if (err) {
        vma_free_new(v);
        return err;
    }
    err = prepare_file_area(v, p);
    if (!err) {
        struct vma_attr a = vma_attr_at(v, v->start);

        if (vma_merge_new(mm, prev, p->start, p->end, &a))
            vma_free_new(v);
        else
            vma_link(mm, v, prev, p->next);
    } else {
        vma_free_new(v);
    }
    if (m)
        mapping_unmap_writable(m);
    return err;
}

/* mmap_lock held for writing. Address or -errno. */
static long map_locked(struct mm *mm, const struct mmap_request *r, struct file *shmem,
                       struct map_plan *p)
{
    long addr;
    int err = 0;

    ASSERT(!r->file || !shmem); /* one object at most */
    if (mm->nr_vmas > sysctl_max_map_count)
        return -ENOMEM;
    addr = mm_choose_address(mm, r, &p->next);
    if (unlikely(IS_ERR((void *)addr)))
        return addr;
    ASSERT(IS_ALIGNED(addr, PAGE_SIZE) && (vaddr_t)addr <= user_top() - r->len);
    p->start = (vaddr_t)addr;
    p->end = p->start + r->len;
    if (r->flags & MAP_FIXED_NOREPLACE && p->next && p->next->start < p->end)
        return -EEXIST;
    p->attr.flags = plan_flags(mm, r, &err);
    if (err)
        return err;
    p->attr.pt_ops = PT_DEFAULT;
    p->attr.level = (u8)r->level;
    p->attr.pgoff = r->file ? r->pgoff : p->attr.flags & VM_SHARED ? 0 : p->start >> PAGE_SHIFT;
    err = make_room(mm, p);
    if (err)
        return err;
    if (IS_ERR(shmem)) {
        err = -ENOMEM;
    } else if (r->file || shmem) {
        p->attr.file = r->file ? r->file : shmem;
        p->attr.mapping = p->attr.file->mapping;
        err = add_file(mm, p);
    } else {
        err = add_anon(mm, p);
    }
    if (err && p->attr.flags & VM_ACCOUNT)
        vm_uncommit((p->end - p->start) >> PAGE_SHIFT);
    return err ? err : addr;
}

long mm_mmap(struct mm *mm, const struct mmap_request *req)
{
    struct mmap_request r = *req;
    struct map_plan p = { 0 };
    struct file *shmem = NULL;
    long ret;

    if (r.len == 0)
        return -EINVAL;
    if (r.file && r.file->op->map_level)
        r.level = r.file->op->map_level(r.file, &r.len);
    r.len = PAGE_ALIGN(r.len);
    if (r.len == 0)
        return -ENOMEM;
    if (r.pgoff + (r.len >> PAGE_SHIFT) < r.pgoff)
        return -EOVERFLOW;
    if (!r.file && (r.flags & MAP_TYPE) == MAP_SHARED)
        shmem = shmem_file_create("dev/zero", r.len, noreserve(&r));
    ret = mmap_write_lock_killable(mm);
    if (!ret) {
        ret = map_locked(mm, &r, shmem, &p);
        mmap_write_unlock(mm);
    }
    vma_free_chain(p.dead);
    if (shmem && !IS_ERR(shmem))
        file_put(shmem);
    if (!IS_ERR((void *)ret) &&
        (p.attr.flags & VM_LOCKED || (r.flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE))
        /* the mapping stands, whatever could not be read in */
        (void)mm_populate_areas(mm, p.start, p.end, true);
    return ret;
}

int mm_add_anon(struct mm *mm, vaddr_t start, vaddr_t end, unsigned long flags, struct vma *next)
{
    struct map_plan p = { .start = start, .end = end, .next = next };
    int err;

    ASSERT(IS_ALIGNED(start | end, PAGE_SIZE) && (!next || next->start >= end));
    ASSERT(!(flags & VM_SHARED));
    p.attr.flags = flags | VM_SOFTDIRTY;
    p.attr.pgoff = start >> PAGE_SHIFT;
    p.attr.pt_ops = PT_DEFAULT;
    if (mm->nr_vmas > sysctl_max_map_count)
        return -ENOMEM;
    err = make_room(mm, &p);
    if (err)
        return err;
    err = add_anon(mm, &p);
    if (err && p.attr.flags & VM_ACCOUNT)
        vm_uncommit((end - start) >> PAGE_SHIFT);
    return err;
}

int mm_map_anon_fixed(struct mm *mm, vaddr_t start, size_t len, unsigned long vm_flags)
{
    vaddr_t end;
    int err;

    if (!IS_ALIGNED(start, PAGE_SIZE) || len == 0 || start > user_top() ||
        PAGE_ALIGN(len) > user_top() - start)
        return -EINVAL;
    end = start + PAGE_ALIGN(len);
    err = mmap_write_lock_killable(mm);
    if (err)
        return err;
    if (vma_find_intersection(mm, start, end))
        err = -EEXIST;
    else
        err = mm_add_anon(mm, start, end, vm_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC,
                          vma_find(mm, start));
    mmap_write_unlock(mm);
    return err;
}

/* MAP_HUGETLB without a file: an object of its own, as large as the mapping. */
static long mmap_huge(struct mmap_request *r)
{
    struct huge_pool *pool = huge_pool_by_log((r->flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK);
    long ret;

    if (!pool || r->len == 0 || ALIGN_UP(r->len, huge_size(pool)) < r->len)
        return -EINVAL;
    r->file = hugetlb_file_create("anon_hugepage", pool, ALIGN_UP(r->len, huge_size(pool)), false);
    if (IS_ERR(r->file))
        return PTR_ERR(r->file);
    ret = mm_mmap(current->mm, r);
    file_put(r->file);
    return ret;
}

SYSCALL6(mmap, vaddr_t, addr, size_t, len, unsigned long, prot, unsigned long, flags, int, fd, u64,
         offset)
{
    struct mmap_request r = {
        .addr = addr, .len = len, .prot = prot, .flags = flags, .pgoff = offset >> PAGE_SHIFT};
    long ret;

    if (!IS_ALIGNED(offset, PAGE_SIZE))
        return -EINVAL;
    if (flags & MAP_ANONYMOUS)
        return flags & MAP_HUGETLB ? mmap_huge(&r) : mm_mmap(current->mm, &r);
    r.file = fd_get(fd);
    if (!r.file)
        return -EBADF;
    /* A file decides by itself about the size of its pages. */
    ret = flags & MAP_HUGETLB && !(r.file->op && r.file->op->map_level)
              ? -EINVAL
              : mm_mmap(current->mm, &r);
    file_put(r.file);
    return ret;
}
