/* SPDX-License-Identifier: MIT */
/*
 * pt_ops.h: the pagetable-operations table. Each VMA carries an index into this fixed, read-only
 * table; ordinary memory goes through it too. A new kind of mapping is one row here and its
 * functions in one file; drivers can set an index to a row that exists and nothing else.
 *
 * Rows carry policy. Walking, zapping, protecting and copying are done by the one walker
 * (pt_walk.h) which the rows call. Dispatch happens once per range, never per entry. No slot is
 * NULL.
 */
#pragma once
#include <mm/mm.h>
#include <mm/pt_walk.h>

enum pt_ops_index {
    PT_DEFAULT, /* anonymous, private and shared file memory */
    PT_PFNMAP,  /* device memory, no struct page */
    PT_HUGETLB_FS,   /* huge pages of a pool: hugetlbfs, MAP_HUGETLB, memfd, shm */
    PT_HUGETLB_CHAR, /* /dev/page-huge: the same, private, zeroes shared until they are written */
    PT_SHARED_SPACE, /* a space of msharefs: mappings that are changed once for all its users */
    PT_EXPERIMENT,   /* /dev/experiment: what make EXPERIMENT=row.c says; else as PT_DEFAULT */
    NR_PT_OPS
};

struct fault_ctx {
    struct vma *vma;
    vaddr_t addr;       /* page-aligned down */
    unsigned int flags; /* FAULT_* plus the two below */
    bool vma_locked;    /* only the VMA lock is held: mmap_lock is not */
    unsigned int level; /* level of the leaf that was installed, for statistics */
    const char *kind;   /* what the fault was, for the trace: "anon", "cow", … */
    /* Where the entry is; set by the row's fault. */
    pte_t *slot;
    struct page *table;
    pte_t entry; /* as it was when the fault was decided; looked at again under the table's lock */
    struct userfaultfd *user; /* FAULT_WAIT: who fills the hole, with a reference */
    u64 user_seq;             /* as userfault_begin found it */
};
#define FAULT_REMOTE   0x100u /* on behalf of another process (ptrace, process_vm) */
#define FAULT_UNSHARE  0x200u

/* Result of a fault, as rows give it and callers see it. */
enum fault_result {
    FAULT_OK,
    FAULT_RETRY, /* take mmap_lock and come again: the row needs more than the VMA's lock */
    FAULT_SIGSEGV_MAPERR,
    FAULT_SIGSEGV_ACCERR,
    FAULT_SIGBUS, /* beyond the end of the object */
    FAULT_OOM,    /* no memory; the caller lets the OOM killer run and retries or dies */
    FAULT_INTR,   /* fatal signal */
    FAULT_WAIT,   /* userfault_begin has taken note: userfault_wait, without locks */
    FAULT_SHARED, /* the area must leave the page tables that it shares first: pt_leave_at */
};

struct pt_ops {
    const char *name;
    unsigned long page_sizes; /* bit n: leaves at level n are possible */
    /* May @v have these VM_ flags, its own when it is new, others by mprotect? Called before
     * anything changed; 0 or -errno. */
    int (*may_map)(const struct vma *v, unsigned long flags);
    enum fault_result (*fault)(struct fault_ctx *f);
    /* fork: entries of [v->start, v->end) from @src to @dst's same VMA. 0 or -ENOMEM (caller zaps
     * dst). */
    int (*copy)(struct mm *dst, struct vma *dst_vma, struct vma *src);
    /* Removes translations of [start, end); pages go to the gather. */
    void (*zap)(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end);
    /* v->flags already changed; adjusts entries to @prot. */
    void (*protect)(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end);
    /* mremap: moves entries old_start.. of @v to new_start.. of @new_vma; 0 or -ENOMEM with a part
     * moved (*moved bytes). */
    int (*move)(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                size_t len, size_t *moved);
    /* Takes a pin (with a reference) on the page at va if the entry allows the access. NULL: a
     * fault must come first. ERR_PTR(-EFAULT): such memory is never pinned. */
    struct page *(*pin)(struct vma *v, vaddr_t va, bool write);
    /* May the VMA be cut at @addr? 0 or -EINVAL. */
    int (*may_split)(struct vma *v, vaddr_t addr);
    /* Frees tables of [start,end) that lie in the hole [floor, ceiling); ceiling 0: no limit. */
    void (*free_tables)(struct tlb_gather *tlb, vaddr_t start, vaddr_t end, vaddr_t floor,
                        vaddr_t ceiling);
    /* May the tables of this VMA be shared between processes? (used when sharing is built) */
    bool (*may_share)(const struct vma *v);
};

/* What row PT_EXPERIMENT has to tell, for reads of /dev/experiment. */
struct seq;
void pt_experiment_show(struct seq *s);

extern const struct pt_ops pt_ops_table[NR_PT_OPS];
static inline const struct pt_ops *vma_ops(const struct vma *v)
{
    return &pt_ops_table[v->pt_ops];
}

/* Bytes of the smallest leaf that may be in @v, which may be cut at larger steps only. */
static inline size_t vma_leaf_size(const struct vma *v)
{
    return vma_ops(v)->page_sizes & BIT(0) ? PAGE_SIZE : vma_page_size(v);
}

/* userfault.c: f->vma, which has VM_USERFAULT, has a hole at f->addr. FAULT_WAIT. */
enum fault_result userfault_begin(struct fault_ctx *f);
/* Tells the user and sleeps until the hole is filled. No locks. False: a signal came first. */
bool userfault_wait(struct fault_ctx *f);
/* Nobody will wait: the reference goes. */
void userfault_cancel(struct fault_ctx *f);

/* fault.c: from trap to row; mm_fault(), for arch's handlers, is in fault.h. */
/* One fault on behalf of somebody. mmap_lock held for reading, and still held on return. */
enum fault_result mm_handle_fault(struct vma *v, vaddr_t addr, unsigned int flags);
/* The same; *level gets the level of the leaf that is there on FAULT_OK. */
enum fault_result mm_handle_fault_level(struct vma *v, vaddr_t addr, unsigned int flags,
                                        unsigned int *level);

/* What entries of this VMA may allow at most. The low VM_ flags are the PT_ ones. */
static inline pt_prot_t vma_prot(const struct vma *v)
{
    _Static_assert(VM_READ == PT_R && VM_WRITE == PT_W && VM_EXEC == PT_X, "vma_prot copies them");
    pt_prot_t access = (pt_prot_t)(v->flags & VM_ACCESS_FLAGS);

    return access ? access | PT_R | PT_U : 0;
}

/* The shared page of zeroes: kind PAGE_ZERO, mapped read-only, counted nowhere. */
extern struct page *zero_page;
/* Boot, after buddy_init: the zero page, and the table is looked over. */
void pt_init(void);

/* pt_pfnmap.c: what a VMA of row PT_PFNMAP maps. The page at v->pgoff p is at base + p * PAGE_SIZE;
 * beyond len there is SIGBUS. */
struct pfnmap {
    paddr_t base;
    u64 len;        /* bytes */
    pt_prot_t type; /* 0 or PT_NC */
};
/* For a driver's mmap: makes @v such a mapping of @m, which lives as long as the VMA (static, or
 * the file's). 0 or -EINVAL. */
int __must_check pfnmap_setup(struct vma *v, const struct pfnmap *m);
