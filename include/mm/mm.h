/* SPDX-License-Identifier: MIT */
/*
 * mm.h: address spaces and their areas.
 *
 * struct mm is what processes that share memory share. A vma is a range [start, end) of one kind
 * with one set of flags.
 * Locks: mm->mmap_lock (MMAP) write for any change of the set of VMAs or of their fields, read to
 * look at several; a single VMA can be held stable for a fault by vma_read_trylock under RCU (see
 * vma_lock.c: the protocol, its barriers). Fields name their lock: [M] mmap_lock, [A] atomic, [S]
 * set once, [P] own spin lock page_table counters.
 */
#pragma once
#include <arch/mmu.h>
#include <kernel/list.h>
#include <kernel/mutex.h>
#include <kernel/rbtree.h>
#include <kernel/rcu.h>
#include <linux/mman.h>

struct anon_family;
struct file;
struct mapping;
struct pt_space;
struct task;

/* vma->flags; the low bits are what mprotect speaks of. */
#define VM_READ       (1UL << 0)
#define VM_WRITE      (1UL << 1)
#define VM_EXEC       (1UL << 2)
#define VM_SHARED     (1UL << 3) /* changes are seen by others that map the object */
#define VM_MAYREAD    (1UL << 4)
#define VM_MAYWRITE   (1UL << 5)
#define VM_MAYEXEC    (1UL << 6)
#define VM_MAYSHARE   (1UL << 7) /* MAP_SHARED, also when the file is open read-only */
#define VM_GROWSDOWN  (1UL << 8)
#define VM_LOCKED     (1UL << 9)
#define VM_LOCKONFAULT (1UL << 10)
#define VM_PFNMAP     (1UL << 11)
#define VM_IO         (1UL << 12)
#define VM_DONTCOPY   (1UL << 13) /* MADV_DONTFORK */
#define VM_DONTEXPAND (1UL << 14)
#define VM_DONTDUMP   (1UL << 15)
#define VM_WIPEONFORK (1UL << 16)
#define VM_ACCOUNT    (1UL << 17) /* charged against the commit limit */
#define VM_NORESERVE  (1UL << 18)
#define VM_HUGEPAGE   (1UL << 19)
#define VM_NOHUGEPAGE (1UL << 20)
#define VM_SEQ_READ   (1UL << 21)
#define VM_RAND_READ  (1UL << 22)
#define VM_MERGEABLE  (1UL << 23)
#define VM_SOFTDIRTY  (1UL << 24)
#define VM_USERFAULT  (1UL << 26) /* holes are filled by a user (mm/userfault.c) */
#define VM_POOL       (1UL << 25) /* pages of a pool, paid for in advance: no commit charge */
#define VM_NOSHAREPT  (1UL << 27) /* MADV_NOSHAREPT */
#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)

struct vma {
    struct rb_node node;   /* [M] mm->vmas, by start; readers under RCU check mm->vma_seq */
    vaddr_t start, end;    /* [M], [vma lock] */
    struct mm *mm;         /* [S] */
    unsigned long flags;   /* [M] VM_* */
    u8 pt_ops;             /* [S] row of the pagetable-operations table (pt_ops.h) */
    u8 level;              /* [S] of the smallest leaf: what the area may be cut at */
    struct vma *prev, *next; /* [M] neighbours by address */
    /* [M] hole below this vma, a bound of those below any of this subtree (augmented); see
     * vma_tree.c */
    vaddr_t gap, gap_max;
    /* [M] offset of start in the object, in pages; anonymous private: start >> PAGE_SHIFT at
     * creation */
    u64 pgoff;
    struct file *file;     /* [S] holds a reference; NULL for anonymous */
    /* [S] the object: the file's, or a shared anonymous one's own; NULL for anonymous private */
    struct mapping *mapping;
    struct list_head mapping_link; /* MAPPING: in mapping->vmas */
    bool has_anon;         /* [PT lock] ever held an anonymous page: merge and share decisions */
    bool has_shared;       /* [vma lock] may have links to shared tables (pt_share.h) */
    void *private;         /* [S] row's own */
    u32 lock_seq;          /* equals mm->lock_seq while write-locked */
    u32 readers;           /* [A] faults in flight, plus VMA_WRITER_WAITS; only vma_lock.c */
    bool detached;         /* [vma lock] no longer (or not yet) in the tree */
    struct rcu_head rcu;
};

/* MM_HUGETLB is not part of what mm_rss says, as on Linux. */
enum mm_counter { MM_ANON, MM_FILE, MM_SHMEM, MM_HUGETLB, NR_MM_COUNTERS };

/* mm->share_off, and prctl's argument. */
#define PT_SHARE_OBJECTS 1u /* page tables of objects */
#define PT_SHARE_FORK    2u /* of private memory, with children */
#define PT_SHARE_ALL     (PT_SHARE_OBJECTS | PT_SHARE_FORK)

struct mm {
    struct rwsem mmap_lock;
    struct rb_root vmas;     /* [M] */
    u32 vma_seq;             /* even; odd while the tree changes (lockless readers retry) */
    /* [M] grows at each mmap_write_unlock: releases all VMA write locks at once */
    u32 lock_seq;
    unsigned int nr_vmas;    /* [M] */
    struct vma *first_vma, *last_vma; /* [M] */
    struct wait_queue vma_wait; /* writers waiting for readers of one VMA */
    pte_t *root;             /* [S] top table */
    u64 arch_root;           /* what a switch loads: arch's own */
    atomic_t users;          /* [A] tasks that live in it */
    atomic_t refs;           /* [A] 1 for all users, plus lazy and /proc holders */
    cpumask_t cpus;          /* [A] CPUs whose TLB may hold its translations */
    atomic_long_t rss[NR_MM_COUNTERS]; /* pages */
    atomic_long_t pt_pages;  /* base pages of page tables, root included */
    atomic_long_t nr_shared; /* links from these to shared tables, with those not yet flushed */
    u64 hiwater_rss;         /* pages */
    unsigned long shared_rss; /* pages behind links when somebody last counted (pt_share_rss) */
    /* [M] in pages */
    unsigned long total_vm, locked_vm, pinned_vm, data_vm, exec_vm, stack_vm;
    unsigned long def_flags; /* [M] mlockall(MCL_FUTURE), prctl */
    vaddr_t mmap_base;       /* [S] top-down search starts here */
    vaddr_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack; /* [M] */
    vaddr_t arg_start, arg_end, env_start, env_end; /* [M] */
    vaddr_t arch_code;       /* [S] what arch_map_user_code mapped; 0: nothing */
    u64 auxv[48];            /* [S] for /proc/pid/auxv */
    unsigned int auxv_words;
    struct file *exe;        /* [M] */
    struct list_head all_link; /* MM_LIST */
    struct anon_family *family; /* [S] rmap.h */
    struct list_head family_link; /* MM_LIST of the family */
    struct rcu_head rcu;
    struct pt_space *space;  /* [S] whose host it is; NULL: tasks live in it */
    bool dumpable, oom_reaped, thp_disable; /* prctl: no huge pages */
    bool has_lazyfree;       /* some page was marked by MADV_FREE since the last look for them */
    bool lazyfree_tried;     /* MM_LIST: this round of reclaim has been here */
    u8 share_off;            /* PT_SHARE_*: prctl; what is not to be shared */
    bool has_pfnmap;         /* [A] a leaf of row PT_PFNMAP was made: no lock-free pins (gup.c) */
    u32 membarrier;          /* [A] commands registered by membarrier(2), a bit each */
    void *arch_private;
    spinlock_t notify_lock;     /* NOTIFIER */
    struct list_head notifiers; /* notify_lock; notifier.h */
    unsigned int nr_notifiers;  /* notify_lock; read without it by who flushes */
};

void mm_init(void); /* caches of this module; after slab_init */
/* Life. mm_alloc gives users = refs = 1 and an empty tree. */
struct mm *mm_alloc(void) __must_check;
void mm_get(struct mm *mm);   /* users */
void mm_put(struct mm *mm);   /* last user: unmaps everything; may sleep */
void mm_put_later(struct mm *mm); /* the last user leaves that to a kernel thread; does not sleep */
void mm_grab(struct mm *mm);  /* the structure only */
void mm_drop(struct mm *mm);
/* fork: a copy of current's address space; ERR_PTR(-ENOMEM) and friends, nothing changed then. */
struct mm *mm_fork(struct mm *old) __must_check;
/* Scheduler hook: prev's CPU now runs next (irq off); NULL next = kernel thread, keeps prev's
 * tables lazily. */
void mm_switch(struct mm *prev, struct mm *next);
/* The current task moves into @mm (exec; takes over the caller's users reference) or, with NULL,
 * gives its address space up (exit): sets task->mm under task->lock, switches the MMU, then mm_put
 * of the old one. May sleep. */
void mm_set_current(struct mm *mm);
/* All address spaces, for walkers: for (mm = mm_next(NULL); mm; mm = mm_next(mm)). Takes a users
 * reference on the result and puts the one on @prev; who stops early calls mm_put. May sleep. */
struct mm *mm_next(struct mm *prev);
/* For lazyfree.c, one task at a time: an address space with marked pages that this round has not
 * tried, its structure with a reference; NULL at the end. mm_end_lazyfree ends the round. */
struct mm *mm_next_lazyfree(void);
void mm_end_lazyfree(void);
/* True when nobody but the caller's task uses @mm: single-threaded, no vfork child. */
static inline bool mm_is_single_user(const struct mm *mm)
{
    return atomic_read(&mm->users) == 1;
}

static inline void mmap_read_lock(struct mm *mm)
{
    rwsem_read_lock(&mm->mmap_lock);
}
static inline void mmap_read_unlock(struct mm *mm)
{
    rwsem_read_unlock(&mm->mmap_lock);
}
int __must_check mmap_write_lock_killable(struct mm *mm);
void mmap_write_lock(struct mm *mm);
void mmap_write_unlock(struct mm *mm); /* also releases every VMA write lock taken under it */
void mmap_write_downgrade(struct mm *mm);

/* vma_lock.c */
/* mmap_lock held for writing; waits for faults in flight to leave */
void vma_write_lock(struct vma *v);
/* Finds the VMA that contains @va and read-locks it, without mmap_lock; NULL = take the slow
 * way. */
struct vma *vma_lock_under_rcu(struct mm *mm, vaddr_t va);
/* The same for an area that was found otherwise, and stays because of it: on its object's list. */
bool __must_check vma_read_trylock(struct vma *v);
void vma_read_unlock(struct vma *v);

/* vma_tree.c; mmap_lock held, or the caller is the only user of @mm. */
struct vma *vma_find(struct mm *mm, vaddr_t va);        /* first with end > va, or NULL */
struct vma *vma_lookup(struct mm *mm, vaddr_t va);      /* the one that contains va, or NULL */
struct vma *vma_find_intersection(struct mm *mm, vaddr_t start, vaddr_t end);
#define for_each_vma(v, mm) for (struct vma *v = (mm)->first_vma; v != NULL; v = v->next)
/* Lowest/highest hole: -ENOMEM when none. Searches [low, high). */
long vma_find_gap(struct mm *mm, size_t len, vaddr_t low, vaddr_t high, bool topdown);
/* invariant walker: prints and counts violations; mmap_lock held for reading */
int vma_check(struct mm *mm);

/* Bytes of the smallest leaf of @v: its page size. */
static inline size_t vma_page_size(const struct vma *v)
{
    return 1UL << pt_shift(v->level);
}
static inline size_t vma_pages(const struct vma *v)
{
    return (v->end - v->start) >> PAGE_SHIFT;
}
/* Private memory of no object. (Shared anonymous memory has a mapping of its own.) */
static inline bool vma_is_anon(const struct vma *v)
{
    return v->mapping == NULL && v->file == NULL;
}
/* "rwxp" as /proc/pid/maps prints it, with a NUL; returns 4. */
size_t vma_perms(const struct vma *v, char buf[5]);

/* stack.c: grows the VM_GROWSDOWN area above @addr so that it contains @addr. Takes mmap_lock for
 * writing itself (the caller holds neither it nor a VMA lock) and looks again; 0 also when @addr is
 * mapped by now. -EFAULT: no such area, or the guard gap of 256 pages would be violated; -ENOMEM:
 * RLIMIT_STACK, RLIMIT_AS, RLIMIT_MEMLOCK or the commit limit; -EINTR. */
int vma_grow_stack(struct mm *mm, vaddr_t addr) __must_check;
#define STACK_GUARD_GAP (256UL << PAGE_SHIFT)

/* Operations on ranges; they take mmap_lock themselves. Results as the system calls': address or
 * -errno. */
struct mmap_request {
    vaddr_t addr;
    size_t len;
    unsigned long prot, flags; /* PROT_*, MAP_* */
    struct file *file;         /* or NULL */
    u64 pgoff;
    unsigned int level;        /* of the smallest leaf: the address is aligned so */
};
long mm_mmap(struct mm *mm, const struct mmap_request *req);
int mm_munmap(struct mm *mm, vaddr_t start, size_t len);
int mm_mprotect(struct mm *mm, vaddr_t start, size_t len, unsigned long prot);
long mm_brk(struct mm *mm, vaddr_t brk);
struct mremap_request {
    vaddr_t addr;
    size_t old_len, new_len;
    unsigned long flags; /* MREMAP_* */
    vaddr_t new_addr;    /* MREMAP_FIXED; else a hint */
};
long mm_mremap(struct mm *mm, const struct mremap_request *req);
int mm_madvise(struct mm *mm, vaddr_t start, size_t len, int behavior);
/* @lock: VM_LOCKED, or VM_LOCKED | VM_LOCKONFAULT. */
int mm_mlock(struct mm *mm, vaddr_t start, size_t len, unsigned long lock);
int mm_munlock(struct mm *mm, vaddr_t start, size_t len);
int mm_mlockall(struct mm *mm, int flags); /* MCL_* */
int mm_munlockall(struct mm *mm);
/* exec: a private area of anonymous memory (bss, stack) with exactly these VM_ flags. 0 or
 * -errno. */
int mm_map_anon_fixed(struct mm *mm, vaddr_t start, size_t len, unsigned long vm_flags);
/* Makes pages of [start,end) present with the right access as a fault would; 0 or -errno (-EFAULT,
 * -ENOMEM, -EINTR). */
int mm_populate(struct mm *mm, vaddr_t start, vaddr_t end, bool write);
/* truncate and hole punching: removes translations of pages [first, last) of the object from every
 * process; even_cow also private copies. */
void mapping_unmap_range(struct mapping *m, u64 first, u64 last, bool even_cow);

/* Reads or writes another process' memory by pinning pages (process_vm_readv, /proc/pid/mem, exec's
 * argument copy). Returns bytes done (short when a page is not accessible) or -EFAULT when none. */
ssize_t mm_access_remote(struct mm *mm, vaddr_t addr, void *buf, size_t len, bool write);

/* What is committed and may be (mm/overcommit.c), pages. */
int __must_check vm_commit(struct mm *mm, unsigned long pages); /* 0 or -ENOMEM */
void vm_uncommit(unsigned long pages);
unsigned long vm_committed(void), vm_commit_limit(void);
extern int sysctl_overcommit_memory, sysctl_overcommit_ratio;
extern unsigned long sysctl_overcommit_kbytes, sysctl_max_map_count, sysctl_mmap_min_addr,
    sysctl_admin_reserve_kbytes, sysctl_user_reserve_kbytes;

/* /proc/sys/vm (mm/sysctl.c). show writes the text with its newline, returns its length; store
 * takes NUL-terminated text, 0 or -EINVAL. The table ends with a NULL name. */
struct vm_sysctl {
    const char *name;
    int (*show)(char *buf, size_t n);
    int (*store)(const char *text); /* NULL: read-only */
};
extern const struct vm_sysctl vm_sysctls[];

/* oom.c: how likely @p is to be killed, 0 .. 2000, for /proc/pid/oom_score. Takes TASKLIST. */
struct process;
unsigned int oom_score(struct process *p);

static inline unsigned long mm_rss(const struct mm *mm)
{
    return (unsigned long)(atomic_long_read(&mm->rss[MM_ANON]) +
                           atomic_long_read(&mm->rss[MM_FILE]) +
                           atomic_long_read(&mm->rss[MM_SHMEM]));
}

/* The most that ever was resident, pages, with those behind links to shared tables. */
u64 mm_peak_rss(struct mm *mm);

/* System-wide counters for /proc/vmstat; per CPU, summed by vmstat_sum. */
#define VMSTAT_ITEMS(X)                                                                           \
    X(pgfault) X(pgmajfault) X(pgalloc) X(pgfree) X(pgzero) X(pgcow) X(pgreuse) X(pgmap_around)   \
    X(tlb_flush_local) X(tlb_flush_rounds) X(tlb_flush_ipis) X(vma_lock_success) X(vma_lock_miss) \
    X(pt_alloc) X(pt_free) X(oom_kill) X(pglazyfree) X(pglazyfreed)                               \
    X(nr_foll_pin_acquired) X(nr_foll_pin_released)                                               \
    X(thp_fault_alloc) X(thp_fault_fallback) X(thp_split_page) X(thp_split_pmd)                   \
    X(thp_zero_page_alloc) X(thp_zero_page_alloc_failed)                                          \
    X(thp_collapse_alloc) X(thp_collapse_alloc_failed) X(thp_promote)                             \
    X(thp_promote_pud) X(thp_split_pud)                                                            \
    X(pt_share_alloc) X(pt_share_free) X(pt_share_link) X(pt_share_unlink) X(pt_share_adopt)      \
    X(pt_share_flush) X(pt_share_protect)                                                         \
    X(pt_unshare_unmap) X(pt_unshare_protect) X(pt_unshare_move)                                  \
    X(pt_unshare_dontneed) X(pt_unshare_split) X(pt_unshare_lock) X(pt_unshare_advice)            \
    X(pt_fork_share) X(pt_fork_break) X(pt_fork_adopt) X(pt_fork_inplace)                         \
    X(pgmigrate_success) X(pgmigrate_fail) X(thp_migration_success) X(thp_migration_fail)         \
    X(compact_migrate_scanned) X(compact_isolated) X(compact_stall) X(compact_fail)               \
    X(compact_success) X(compact_daemon_wake)
enum vmstat_item {
#define X(n) VMSTAT_##n,
    VMSTAT_ITEMS(X)
#undef X
    NR_VMSTAT
};
extern u64 vmstat_cpu[NR_CPUS][NR_VMSTAT];
static inline void vmstat_add(enum vmstat_item i, u64 n)
{
    /* statistics: a lost update under preemption is harmless */
    vmstat_cpu[smp_processor_id()][i] += n;
}
static inline void vmstat_inc(enum vmstat_item i)
{
    vmstat_add(i, 1);
}
u64 vmstat_sum(enum vmstat_item i);
extern const char *const vmstat_names[NR_VMSTAT];
