/* SPDX-License-Identifier: MIT */
/*
 * lock_classes.h: the one table of all locks. LOCK_CLASS(name, rank, kind, what it protects).
 *
 * A lock may be taken only while every lock already held has a lower rank; equal ranks only through
 * the _nested calls (two locks of one class, ordered by address). kind: MUTEX and RWSEM sleep; SPIN
 * does not; SPIN_IRQ is also taken by interrupt handlers, so every holder has interrupts off.
 * docs/LOCKING.md is generated from this file.
 */
#ifndef LOCK_CLASS
#error "define LOCK_CLASS(name, rank, kind, what) before including lock_classes.h"
#endif

/* Sleeping locks, outermost first. */
LOCK_CLASS(FILE_POS,      8, MUTEX,    "a file's position during read, write, lseek, getdents")
LOCK_CLASS(EPOLL,         9, MUTEX,    "which files which epoll watches, all of them")
LOCK_CLASS(EXEC,         10, MUTEX,    "one execve or credential change of a process at a time")
LOCK_CLASS(TTY,          12, MUTEX,    "a terminal's line discipline and settings")
LOCK_CLASS(RENAME,       14, MUTEX,
           "shape of the directory tree: cross-directory rename, mount, umount")
LOCK_CLASS(INODE,        20, RWSEM,
           "an inode's directory entries, size, read against write against truncate")
LOCK_CLASS(PIPE,         22, MUTEX,    "a pipe's ring of buffers and its reader and writer counts")
LOCK_CLASS(KCHECK,       26, MUTEX,    "the walkers of KCHECK: one run at a time")
LOCK_CLASS(MMAP,         30, RWSEM,
           "struct mm: the set of VMAs and their fields (write); reading them (read)")
LOCK_CLASS(MAPPING,      34, RWSEM,
           "struct mapping: the list of VMAs that map the object (file rmap)")
LOCK_CLASS(PAGE,         36, MUTEX,
           "contents of one cached page while it is filled or truncated")
LOCK_CLASS(HUGETLB_RESIZE, 38, MUTEX,  "the number of persistent pages of a pool of huge pages")
LOCK_CLASS(SLAB_CREATE,  40, MUTEX,    "the list of slab caches")
LOCK_CLASS(VMALLOC,      42, MUTEX,    "the ranges of kernel virtual space")
LOCK_CLASS(MISC_SLEEP,   44, MUTEX,
           "leaf sleeping locks: statistics, procfs snapshots, test runner")

/* Spinning locks, outermost first. */
LOCK_CLASS(FUTEX,        50, SPIN,     "a futex hash bucket's list of waiters")
LOCK_CLASS(FILES,        52, SPIN,     "a descriptor table")
LOCK_CLASS(FS_STRUCT,    54, SPIN,     "cwd, root, umask of a process")
LOCK_CLASS(DENTRY,       56, SPIN,     "dentry tree links and mount table")
LOCK_CLASS(TASKLIST,     60, SPIN_IRQ,
           "all tasks, pid hash, parent/child/sibling/thread-group/session links")
LOCK_CLASS(SIGHAND,      62, SPIN_IRQ,
           "signal handlers, pending signals, group exit state, process timers")
LOCK_CLASS(POLL,         64, SPIN_IRQ, "poll tables")
LOCK_CLASS(PT_SHARE,     65, SPIN,
           "an object's page tables: their index, and the counts of links to them")
LOCK_CLASS(PT,           66, SPIN,
           "entries of one page table (the lock lives in the table's struct page)")
LOCK_CLASS(PAGE_CACHE,   70, SPIN,     "a mapping's tree of pages")
LOCK_CLASS(MM_LIST,      72, SPIN,     "list of all address spaces; that of a family of forks")
LOCK_CLASS(NOTIFIER,     73, SPIN,
           "copies that devices keep of an address space's translations")
LOCK_CLASS(VMALLOC_TREE, 74, SPIN,     "lookup of kernel virtual ranges")
LOCK_CLASS(HUGETLB,      76, SPIN,     "a pool of huge pages and its counters")
LOCK_CLASS(SLAB,         80, SPIN_IRQ, "a slab cache's partial and full lists")
LOCK_CLASS(BUDDY,        84, SPIN_IRQ, "a zone's free lists")
LOCK_CLASS(TLB,          86, SPIN,     "one TLB shootdown round at a time")
LOCK_CLASS(CONSOLE_IN,   88, SPIN_IRQ, "console input ring")
LOCK_CLASS(WAITQ,        90, SPIN_IRQ, "a wait queue's list")
LOCK_CLASS(TIMER,        92, SPIN_IRQ, "a CPU's timer queue")
LOCK_CLASS(RUNQ,         94, SPIN_IRQ, "a CPU's run queue")
LOCK_CLASS(RCU,          96, SPIN_IRQ, "RCU callbacks and grace-period state")
LOCK_CLASS(LEAF,         98, SPIN_IRQ, "short leaf sections that call nothing")
LOCK_CLASS(PRINTK,       99, SPIN_IRQ, "log ring and console output")
