/* SPDX-License-Identifier: MIT */
/*
 * vma_internal.h: what the files about address spaces share with each other and with nobody else.
 *
 * Every function here expects mmap_lock held for writing unless it says otherwise.
 */
#pragma once
#include <kernel/printk.h>
#include <kernel/task.h>
#include <mm/pt_ops.h>

#define VM_LOCKED_MASK  (VM_LOCKED | VM_LOCKONFAULT)
#define VM_SPECIAL      (VM_IO | VM_PFNMAP | VM_DONTEXPAND)
#define VMA_WRITER_WAITS (1u << 31) /* in vma->readers: a writer sleeps on mm->vma_wait */

/* Protection of a call as VM_ flags: the numbers of Linux's PROT_ bits are the same as ours. */
_Static_assert(PROT_READ == VM_READ && PROT_WRITE == VM_WRITE && PROT_EXEC == VM_EXEC,
               "vm_prot_flags copies them");
static inline unsigned long vm_prot_flags(unsigned long prot)
{
    return prot & VM_ACCESS_FLAGS;
}

/* Everything about an area but its place. */
struct vma_attr {
    unsigned long flags;
    u64 pgoff; /* of the first page */
    struct file *file;
    struct mapping *mapping;
    void *private;
    u8 pt_ops, level;
};

static inline struct vma_attr vma_attr_at(const struct vma *v, vaddr_t at)
{
    ASSERT(at >= v->start && at <= v->end);
    return (struct vma_attr){ .flags = v->flags,
                              .pgoff = v->pgoff + ((at - v->start) >> PAGE_SHIFT),
                              .file = v->file,
                              .mapping = v->mapping,
                              .private = v->private,
                              .pt_ops = v->pt_ops,
                              .level = v->level };
}

/* A user who fills holes does so for the area that was registered, not for a child's or one that
 * moved, as on Linux without the features that ask for it. */
static inline void vma_attr_drop_userfault(struct vma_attr *a)
{
    if (unlikely(a->flags & VM_USERFAULT)) {
        a->flags &= ~VM_USERFAULT;
        a->private = NULL;
    }
}

/* Start of what a new area above the previous one must leave free: the guard gap below a stack
 * belongs to it. */
static inline vaddr_t vma_guarded_start(const struct vma *v)
{
    if (likely(!(v->flags & VM_GROWSDOWN)))
        return v->start;
    return v->start > STACK_GUARD_GAP ? v->start - STACK_GUARD_GAP : 0;
}

/* vma_tree.c: the set of areas. */
void vma_tree_insert(struct mm *mm, struct vma *v, struct vma *prev, struct vma *next);
void vma_tree_remove(struct mm *mm, struct vma *v);
/* Moves the borders of areas that are in the tree. @v keeps its place in the order. */
void vma_tree_set_range(struct vma *v, vaddr_t start, vaddr_t end, u64 pgoff);
/* @upper takes the part of @v from upper->start on. */
void vma_tree_split(struct vma *v, struct vma *upper);
/* @into, a neighbour that touches @v, takes its range; @v leaves the tree. */
void vma_tree_absorb(struct vma *into, struct vma *v);
/* Moves the border between @low and its neighbour @low->next, which touch. */
void vma_tree_shift_border(struct vma *low, vaddr_t border);
/* fork: list from mm->first_vma on is complete and nr_vmas right; builds the balanced tree over
 * it. */
void vma_tree_build(struct mm *mm);
struct gap_query {
    size_t len;
    vaddr_t low, high; /* the hole lies in [low, high) */
    vaddr_t align_mask; /* bits that are 0 in the address */
    bool topdown;
};
/* Address, or -ENOMEM; *next is the area above the hole (NULL: none). */
long vma_tree_find_gap(struct mm *mm, const struct gap_query *q, struct vma **next);

/* vma.c: life, merge, split. */
void vma_cache_init(void);
/* Not in the tree, write-locked, no range; NULL when out of memory. */
struct vma *vma_alloc(struct mm *mm);
/* Gives a vma that never was in the tree back at once; its file reference too. */
void vma_free_new(struct vma *v);
/* Areas that left the tree, chained through ->next: memory goes back after a grace period, file
 * references now. No mmap_lock held: putting a file may run its release function. */
void vma_free_chain(struct vma *v);
/* Fills in an area that will be inserted; takes a reference on the file. */
void vma_set_attr(struct vma *v, vaddr_t start, vaddr_t end, const struct vma_attr *a);
/* Into the tree, the object's list and the counters of the address space. */
void vma_link(struct mm *mm, struct vma *v, struct vma *prev, struct vma *next);
/* The object's list only. @after: area of the same object that rmap must visit first, or NULL. */
void vma_mapping_link(struct vma *v, struct vma *after);
void vma_mapping_unlink(struct vma *v);
/* Extends a neighbour over the free range [start, end); NULL when no neighbour fits. *dead gets an
 * area that was swallowed. */
struct vma *vma_merge_new(struct mm *mm, struct vma *prev, vaddr_t start, vaddr_t end,
                          const struct vma_attr *a);
/* Cuts @v at @addr; the lower part stays @v, the upper one is returned. ERR_PTR(-ENOMEM), or the
 * row's -EINVAL. */
struct vma *vma_split(struct vma *v, vaddr_t addr);
/* Gives [start, end) of @v the flags @flags, by splitting or merging; returns the area that
 * contains the range now, or ERR_PTR(-ENOMEM, -EINVAL) with nothing changed in any flags (a split
 * may have happened). Counters follow. */
struct vma *vma_modify_flags(struct vma *v, vaddr_t start, vaddr_t end, unsigned long flags);
/* Adds @pages (may be negative) of an area with @flags to mm's counters. */
void vma_account(struct mm *mm, unsigned long flags, long pages);
/* Data for RLIMIT_DATA: private, writable, not the stack. */
static inline bool vm_is_data(unsigned long flags)
{
    return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
}
static inline bool vm_is_accountable(unsigned long flags)
{
    return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE | VM_POOL)) == VM_WRITE;
}

/* mmap.c */
/* RLIMIT_AS and RLIMIT_DATA leave room for @pages more? */
bool mm_may_expand(struct mm *mm, unsigned long flags, unsigned long pages);
/* RLIMIT_MEMLOCK: 0 or -EAGAIN. */
int mm_check_future_lock(struct mm *mm, unsigned long flags, size_t len);
/* A place for @len bytes as mmap would choose it; *next as above. Address or -errno. */
long mm_choose_address(struct mm *mm, const struct mmap_request *r, struct vma **next);
/* brk, exec: private anonymous memory at a free fixed place. Checks limits and commits. 0 or
 * -ENOMEM. */
int mm_add_anon(struct mm *mm, vaddr_t start, vaddr_t end, unsigned long flags, struct vma *next);

void shm_init(void);

/* munmap.c */
/* Unmaps [start, end), page aligned. Removed areas are chained to *dead. 0, -ENOMEM, or a row's
 * -EINVAL; nothing was unmapped then. */
int mm_unmap_locked(struct mm *mm, vaddr_t start, vaddr_t end, struct vma **dead);
/* Last user gone: everything. No lock. */
void mm_unmap_all(struct mm *mm);

/* overcommit.c: charges without asking. */
void vm_commit_unchecked(unsigned long pages);

/* process_vm.c: the address space of a process, through any of its threads, with a users reference;
 * NULL: none. */
struct mm *process_mm_get(struct process *p);

/* mlock.c */
/* Faults in every page of [start, end) as the areas' own protection allows; holes and special areas
 * are passed over. */
int mm_populate_areas(struct mm *mm, vaddr_t start, vaddr_t end, bool ignore_errors);

/* lazyfree.c: MADV_FREE on [start, end) of private anonymous @v. mmap_lock for reading. */
void lazyfree_mark(struct vma *v, vaddr_t start, vaddr_t end);
/* Memory is out: some marked pages that are still clean, or all of @mm's; returns how many went.
 * May be called with locks held down to PAGE. */
unsigned long lazyfree_reclaim(void);
unsigned long lazyfree_reclaim_mm(struct mm *mm);

/* Is it memory with a struct page per frame, which may be dropped, faulted in and pinned? Device
 * memory is not. */
static inline bool vma_has_pages(const struct vma *v)
{
    return !(v->flags & (VM_IO | VM_PFNMAP));
}
static inline bool vma_is_accessible(const struct vma *v)
{
    return (v->flags & VM_ACCESS_FLAGS) != 0;
}

/* mempolicy.c: the node set of a call: do node 0 and others belong to it? 0, -EFAULT, -EINVAL. No
 * locks. */
int mempolicy_read_nodes(const unsigned long __user *mask, unsigned long maxnode, bool *node0,
                         bool *others);
