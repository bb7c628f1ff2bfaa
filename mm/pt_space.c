/* SPDX-License-Identifier: MIT */
/*
 * pt_space.c: row PT_SHARED_SPACE: an area that maps a space, a span at a time by a link to a table
 * of the space's host.
 *
 * The row has no leaves of its own. A fault is made in the host, through whatever row the memory
 * inside has, and then the link is made, if it is missing; so one user's fault serves all. What one
 * user changes is his links: munmap, mremap, MADV_DONTNEED, mlock and exit drop them (pt_unshare),
 * the next fault makes them again; mprotect changes their permission. What is inside changes for
 * all, by space.c.
 *
 * Locks: the host's mmap_lock for reading, inside the user's mmap_lock or area lock; PT of the
 * user's table for a link. The host's lock keeps the table from being freed until it has the link.
 * Invariants: I1 pt_shared of a host's table is the number of links to it, those cleared but not
 * yet flushed included; I2 a link lies in an area of the space, at the place of its table, and
 * allows what the area does, or the MMU has no permission there and the area allows what the space
 * may. Checked by pt_check, pt_space_check, tests/kernel/mm/space_ktest.c. Read next: space.c.
 */
#include <mm/pt_space.h>
#include "pt_share_internal.h"

static u64 offset_of(const struct vma *v, vaddr_t va)
{
    ASSERT(va >= v->start && va < v->end);
    return (v->pgoff << PAGE_SHIFT) + (va - v->start);
}

/* ---- what an area may be ---- */

int pt_space_may_map(const struct vma *v, unsigned long flags)
{
    unsigned long ceiling = pt_space_of(v->mapping)->ceiling, access = flags & VM_ACCESS_FLAGS;

    if (!(flags & VM_MAYSHARE))
        return -EINVAL;
    if (access & ~ceiling)
        return -EACCES;
    /* Without permissions in links nobody can have less than the others, but nothing. */
    if (!links_carry_prot() && access != 0 && ((access ^ ceiling) & ~VM_READ))
        return -EOPNOTSUPP;
    return 0;
}

int pt_space_setup(struct vma *v, struct pt_space *s)
{
    if (!(v->flags & VM_MAYSHARE) || !IS_ALIGNED(v->start | v->end, SPACE_SPAN) ||
        !IS_ALIGNED(v->pgoff << PAGE_SHIFT, SPACE_SPAN))
        return -EINVAL;
    v->pt_ops = PT_SHARED_SPACE;
    v->mapping = &s->users;
    /* Shared with those who write, also for who may not; and no pages of a pool. */
    v->flags = (v->flags | VM_SHARED) & ~VM_POOL;
    v->flags &= ~((~s->ceiling & VM_ACCESS_FLAGS) << 4);
    return 0;
}

int pt_space_may_split(struct vma *v, vaddr_t addr)
{
    (void)v;
    return IS_ALIGNED(addr, SPACE_SPAN) ? 0 : -EINVAL;
}

/* ---- faults ---- */

/* Makes the link to @table, which the host's lock keeps, for the span around @va. False: no memory.
 */
static bool link_span(struct vma *v, vaddr_t va, struct page *table)
{
    pt_prot_t prot = links_carry_prot() ? vma_prot(v) | PT_R | PT_U : PT_RWXU;
    struct page *parent;
    unsigned int level;
    pte_t *slot = pt_get_slot(v->mm, va, SPACE_LEVEL + 1, &parent, &level);

    if (slot == NULL)
        return false;
    ASSERT(level == SPACE_LEVEL + 1 && parent->pt_mm == v->mm);
    WRITE_ONCE(v->has_shared, true); /* who changes the area looks for links then */
    pt_lock(parent);
    if (pte_is_none(pte_load(slot))) {
        (void)__atomic_fetch_add(&table->pt_shared, 1, __ATOMIC_RELAXED);
        atomic_long_add(&v->mm->nr_shared, 1); /* before the link: mm_cpu_shares */
        pte_store(slot, pte_make_table(page_to_phys(table), prot));
        parent->pt_used++;
        vmstat_inc(VMSTAT_pt_share_link);
    }
    ASSERT(pt_table_page(pt_link_table(pte_load(slot), level)) == table);
    pt_unlock(parent);
    return true;
}

/* The area of the host for byte @off of the space, or NULL and why. The host is locked. */
static struct vma *inside(struct pt_space *s, u64 off, enum fault_result *why)
{
    /* Truncation lowers the size before it takes the lock. */
    bool beyond = off >= READ_ONCE(s->users.host->size);
    struct vma *v = beyond ? NULL : vma_lookup(s->host, SPACE_BASE + off);

    *why = beyond ? FAULT_SIGBUS : v == NULL ? FAULT_SIGSEGV_MAPERR : FAULT_OK;
    return v;
}

static enum fault_result fault_inside(struct fault_ctx *f, struct vma *v, vaddr_t at)
{
    unsigned int flags = f->flags & ~FAULT_UNSHARE, level;
    enum fault_result result = mm_handle_fault_level(v, at, flags, &f->level);
    struct page *table;

    if (result != FAULT_OK)
        return result == FAULT_RETRY ? FAULT_OK : result; /* the access is tried again */
    (void)pt_find_slot(v->mm, at, SPACE_LEVEL, &table, &level);
    ASSERT(level == SPACE_LEVEL && table->level == SPACE_LEVEL && table->pt_mm == v->mm);
    return link_span(f->vma, f->addr, table) ? FAULT_OK : FAULT_OOM;
}

enum fault_result pt_space_fault(struct fault_ctx *f)
{
    struct pt_space *s = pt_space_of(f->vma->mapping);
    u64 off = offset_of(f->vma, f->addr);
    enum fault_result result;
    struct vma *v;

    f->kind = "space";
    rwsem_read_lock_nested(&s->host->mmap_lock);
    v = inside(s, off, &result);
    if (v != NULL)
        result = fault_inside(f, v, SPACE_BASE + off);
    mmap_read_unlock(s->host);
    return result;
}

struct page *pt_space_pin(struct vma *user, vaddr_t va, bool write)
{
    struct pt_space *s = pt_space_of(user->mapping);
    u64 off = offset_of(user, va);
    enum fault_result why;
    struct page *p = NULL;
    struct vma *v;

    rwsem_read_lock_nested(&s->host->mmap_lock);
    v = inside(s, off, &why);
    if (v != NULL && !(v->flags & (write ? VM_WRITE : VM_READ)))
        p = ERR_PTR(-EFAULT); /* a fault would not change that */
    else if (v != NULL)
        p = vma_ops(v)->pin(v, SPACE_BASE + off, write);
    mmap_read_unlock(s->host);
    return p;
}

/* ---- one user's changes ---- */

/* A child makes its links by faults. */
int pt_space_copy(struct mm *dst, struct vma *dst_vma, struct vma *src)
{
    (void)dst, (void)dst_vma, (void)src;
    return 0;
}

/* Links are gone before (pt_unshare), and there is nothing else. */
void pt_space_zap(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end)
{
    (void)tlb, (void)v, (void)start, (void)end;
}

void pt_space_protect(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end)
{
    pt_share_protect(tlb, v, start, end);
}

/* Links go with the old area, and come by faults in the new one. */
int pt_space_move(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                  size_t len, size_t *moved)
{
    (void)v, (void)old_start, (void)new_vma, (void)new_start;
    *moved = len;
    return 0;
}

/* ---- links, seen from the files about links ---- */

bool pt_space_has_table(const struct vma *v, const struct page *table)
{
    return v->pt_ops == PT_SHARED_SPACE && pt_space_of(v->mapping)->host == table->pt_mm;
}

void pt_space_put_link(struct page *table)
{
    ASSERT(table->pt_mm->space != NULL && table->pt_shared != 0); /* it may go right after */
    (void)__atomic_fetch_sub(&table->pt_shared, 1, __ATOMIC_RELEASE);
}

void pt_space_usage(const struct page *table, struct pt_share_usage *u)
{
    const pte_t *base = page_to_virt(table);

    u->tables += 1UL << pt_table_order(SPACE_LEVEL);
    for (unsigned int i = 0; i < pt_entries(SPACE_LEVEL); i++) {
        pte_t e = pte_load(base + i);

        if (pte_is_table(e, SPACE_LEVEL)) {
            u->tables += 1UL << pt_table_order(SPACE_LEVEL - 1);
            u->rss[MM_SHMEM] += READ_ONCE(pt_table_page(pt_link_table(e, SPACE_LEVEL))->pt_used);
        } else if (pte_is_leaf(e, SPACE_LEVEL)) {
            u->rss[MM_HUGETLB] += pt_leaf_pages(SPACE_LEVEL);
        }
    }
}

const char *pt_space_check_link(const struct vma *v, vaddr_t va, pte_t link,
                                const struct page *table)
{
    pt_prot_t want = links_carry_prot() ? vma_prot(v) | PT_R | PT_U : PT_RWXU;
    struct page *there = NULL;
    unsigned int level;

    if (!pt_space_has_table(v, table))
        return "link to a table of a space that is not mapped there";
    if (!v->has_shared || table->pt_shared == 0)
        return "link to a table of a space that nobody counts";
    if (va < v->start || v->end - va < SPACE_SPAN)
        return "link to a table of a space reaches out of its area";
    (void)pt_find_slot(table->pt_mm, SPACE_BASE + offset_of(v, va), SPACE_LEVEL, &there, &level);
    if (there != table)
        return "link to another part of the space";
    if ((pte_prot(link, SPACE_LEVEL + 1) & PT_RWXU) != want)
        return "link to a table of a space with other permissions than its area's";
    return NULL;
}
