/* SPDX-License-Identifier: MIT */
/*
 * pt_space.h: shared spaces: mappings that live in an object of their own and are changed once for
 * all who map it (row PT_SHARED_SPACE).
 *
 * A space has an address space without tasks, its host. What is mapped inside are the host's areas,
 * of any row that has shared objects, so all the ordinary code changes them: mmap, munmap,
 * mprotect, madvise, truncation of what is inside, migration. Byte n of the space is at SPACE_BASE
 * + n there. Who maps the space has one area and, per span (what a table of level 1 covers), one
 * link to the host's table. A fault goes through the host's area, then sees to the link.
 *
 * The number of links to a table of the host is its page->pt_shared; its owner stays pt_mm. While
 * there are links, nothing below the table is freed, whoever unmaps what, so a user's walk needs no
 * lock but his own. A flush of the host, which no CPU ever loads, reaches the CPUs of all users
 * in one round: the space is a client of the host's translations (notifier.h).
 *
 * Locks: the host's mmap_lock, inside a user's. fs/msharefs is the interface, docs/SHARING.md says
 * what operations of one user mean.
 */
#pragma once
#include <kernel/vfs.h>
#include <mm/notifier.h>
#include <mm/page_cache.h>
#include <mm/pt_share.h>

#define SPACE_LEVEL 1u /* of the tables that users link */
/* What a space is mapped and sized in. */
#define SPACE_SPAN pt_size(SPACE_LEVEL + 1)
#define SPACE_BASE SPACE_SPAN /* where the host has byte 0 */

struct pt_space {
    struct mapping users;  /* the file's mapping: no pages, the list of areas that map the space */
    struct mm *host;       /* [S] */
    unsigned long ceiling; /* [S] VM_READ, VM_WRITE, VM_EXEC: more than this nobody has */
    struct mm_notifier tlb;
};

static inline struct pt_space *pt_space_of(const struct mapping *m)
{
    return container_of(m, struct pt_space, users);
}

/* mm/space.c. @ceiling as above; @owner's size is the space's. NULL: no memory. May sleep. */
struct pt_space *pt_space_create(struct inode *owner, unsigned long ceiling) __must_check;
/* Nobody maps it any more, and nobody can. */
void pt_space_destroy(struct pt_space *s);
u64 pt_space_max_size(void);

/*
 * Changes inside, for all users: bytes [from, from + len) of the space, which the caller has found
 * to be inside its size; one change at a time. 0 or -errno as the calls of those names, and:
 * -EEXIST: something is mapped there. -EACCES: more than the ceiling. -EBUSY: base pages were
 * mapped where huge ones shall be, and users' links keep their tables.
 */
struct pt_space_map {
    u64 from, len;
    struct file *file; /* NULL: memory of its own */
    u64 pgoff;
    unsigned long prot, flags; /* PROT_*; MAP_NORESERVE or 0 */
};
int __must_check pt_space_map(struct pt_space *s, const struct pt_space_map *what);
int __must_check pt_space_unmap(struct pt_space *s, u64 from, u64 len);
int __must_check pt_space_protect_all(struct pt_space *s, u64 from, u64 len, unsigned long prot);
/* MADV_DONTNEED, REMOVE, POPULATE_READ, POPULATE_WRITE, WILLNEED, COLD, PAGEOUT; others: -EINVAL.
 */
int __must_check pt_space_advise(struct pt_space *s, u64 from, u64 len, int advice);

/* mm/pt_space.c. For the file's mmap: makes @v an area of the space. 0 or -errno. */
int __must_check pt_space_setup(struct vma *v, struct pt_space *s);
