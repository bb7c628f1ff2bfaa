/* SPDX-License-Identifier: MIT */
/*
 * space.c: shared spaces as objects: their hosts, and what is changed inside for all users.
 *
 * A host is an ordinary address space that no task lives in and no CPU loads. What may be inside
 * are shared mappings of objects, of base pages or huge ones up to the level that users link;
 * nothing private: there is no user whose own it would be. The host does not link tables of those
 * objects, for its users link its own.
 *
 * Tables of the host that are linked stay, with all below, when what they mapped is unmapped, and
 * serve what is mapped there next. Others go as usual; the rest goes with the space.
 *
 * Locks: the host's mmap_lock; the file system lets in one change at a time. Invariants: I1 a table
 * of a host, or one above it, is freed only without links (pt_free_tables); I2 a host's areas are
 * VM_SHARED. Checked by pt_space_check, tests/kernel/mm/space_ktest.c, tests/user/mshare_test.c.
 * Read next: ../fs/msharefs/msharefs.c.
 */
#include <asm/errno.h>
#include <kernel/ktest.h>
#include <kernel/string.h>
#include <mm/pt_space.h>
#include <mm/slab.h>
#include "vma_internal.h"

/* ---- life ---- */

/* Entries of the host were changed: whoever links tables of spaces, or has cleared links and not
 * flushed yet, drops its translations. */
static void invalidate(struct mm_notifier *n, vaddr_t start, vaddr_t end)
{
    (void)n, (void)start, (void)end;
    mmu_flush_sharers();
    vmstat_inc(VMSTAT_pt_share_flush);
}

static const struct mm_notifier_ops flush_ops = {.invalidate = invalidate};

struct pt_space *pt_space_create(struct inode *owner, unsigned long ceiling)
{
    struct pt_space *s = kzalloc(sizeof(*s));
    struct mm *host = s ? mm_alloc() : NULL;

    if (host == NULL) {
        kfree(s);
        return NULL;
    }
    host->share_off = PT_SHARE_ALL;
    host->thp_disable = true;
    host->space = s;
    s->host = host;
    s->ceiling = ceiling | VM_READ;
    mapping_init(&s->users, NULL, owner, MAPPING_SHMEM);
    mm_notifier_register(&s->tlb, &flush_ops, host);
    return s;
}

/* Tables in [start, end), where nothing is mapped, that nobody links. */
static void free_tables(struct mm *host, vaddr_t start, vaddr_t end)
{
    struct vma *next = vma_find(host, start), *prev = next ? next->prev : host->last_vma;
    struct tlb_gather t;

    ASSERT(rwsem_is_write_locked(&host->mmap_lock) && (!next || next->start >= end));
    tlb_gather_begin(&t, host, false);
    pt_free_tables(&t, start, end, prev ? prev->end : 0, next ? next->start : 0);
    tlb_gather_end(&t);
}

void pt_space_destroy(struct pt_space *s)
{
    struct vma *dead = NULL;
    int err;

    ASSERT(list_empty(&s->users.vmas));
    mm_notifier_unregister(&s->tlb); /* nobody links the tables: nothing is to be flushed */
    rwsem_write_lock_nested(&s->host->mmap_lock); /* perhaps an area that goes held the file last */
    err = mm_unmap_locked(s->host, 0, user_top(), &dead);
    BUG_ON(err); /* no cut */
    free_tables(s->host, 0, user_top());
    mmap_write_unlock(s->host);
    vma_free_chain(dead);
    s->host->space = NULL;
    mm_put(s->host);
    mapping_destroy(&s->users);
    kfree(s);
}

u64 pt_space_max_size(void)
{
    return ALIGN_DOWN(user_top() - SPACE_BASE, SPACE_SPAN) - SPACE_SPAN;
}

/* ---- changes inside ---- */

/* Level of the leaves of a mapping of @f. */
static unsigned int leaf_level(struct file *f, size_t len)
{
    return f && f->op->map_level ? f->op->map_level(f, &len) : 0;
}

/* Nothing is mapped there. Huge leaves (level 1) come where no tables are, so those of base pages
 * that were mapped there before go. */
static int make_room(struct mm *host, vaddr_t start, vaddr_t end, unsigned int leaf)
{
    int err = mmap_write_lock_killable(host);

    if (err)
        return err;
    if (vma_find_intersection(host, start, end))
        err = -EEXIST;
    else if (leaf > 0)
        free_tables(host, start, end);
    for (vaddr_t va = start; leaf > 0 && err == 0 && va < end; va = pt_next(va, end, leaf)) {
        struct page *table;
        unsigned int level;
        pte_t *slot = pt_find_slot(host, va, SPACE_LEVEL, &table, &level);

        if (slot != NULL && pte_is_table(pte_load(slot), level))
            err = -EBUSY;
    }
    mmap_write_unlock(host);
    return err;
}

int pt_space_map(struct pt_space *s, const struct pt_space_map *what)
{
    struct mmap_request r = {.addr = SPACE_BASE + what->from,
                             .len = what->len,
                             .prot = what->prot,
                             .flags = MAP_SHARED | MAP_FIXED_NOREPLACE | what->flags,
                             .file = what->file,
                             .pgoff = what->pgoff};
    unsigned int level = leaf_level(what->file, what->len);
    long at;
    int err;

    _Static_assert(PROT_READ == VM_READ && PROT_WRITE == VM_WRITE, "compared with the ceiling");
    if (what->file != NULL && !S_ISREG(what->file->inode->mode))
        return -ENODEV; /* devices' memory is not for everybody */
    if (level > SPACE_LEVEL || !IS_ALIGNED(what->from | what->len, pt_size(level)))
        return -EINVAL; /* a space inside a space, too */
    if (what->prot & ~s->ceiling)
        return -EACCES;
    err = make_room(s->host, r.addr, r.addr + r.len, level);
    if (err)
        return err;
    if (what->file == NULL)
        r.flags |= MAP_ANONYMOUS;
    at = mm_mmap(s->host, &r);
    return IS_ERR((void *)at) ? (int)at : 0;
}

int pt_space_unmap(struct pt_space *s, u64 from, u64 len)
{
    vaddr_t start = SPACE_BASE + from;
    struct vma *dead = NULL;
    int err = mmap_write_lock_killable(s->host);

    if (err)
        return err;
    /* The lock is kept to the end: a fault could link a table that is being freed. */
    err = mm_unmap_locked(s->host, start, start + len, &dead);
    mmap_write_unlock(s->host);
    vma_free_chain(dead);
    return err;
}

int pt_space_protect_all(struct pt_space *s, u64 from, u64 len, unsigned long prot)
{
    if (prot & ~(unsigned long)(PROT_READ | PROT_WRITE | PROT_EXEC))
        return -EINVAL;
    return prot & ~s->ceiling ? -EACCES : mm_mprotect(s->host, SPACE_BASE + from, len, prot);
}

int pt_space_advise(struct pt_space *s, u64 from, u64 len, int advice)
{
    switch (advice) {
    case MADV_DONTNEED:
    case MADV_REMOVE:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
    case MADV_WILLNEED:
    case MADV_COLD:
    case MADV_PAGEOUT: return mm_madvise(s->host, SPACE_BASE + from, len, advice);
    default: return -EINVAL;
    }
}

/* ---- invariants ---- */

struct count {
    unsigned int pass;
    int bad;
};

/* Links of @v. Tables of hosts have no use for spare while they are linked. */
static void count_links(const struct vma *v, unsigned int pass)
{
    const struct pt_space *s;

    if (v->pt_ops != PT_SHARED_SPACE || !v->has_shared)
        return;
    s = pt_space_of(v->mapping);
    for (vaddr_t va = v->start; va < v->end; va = pt_next(va, v->end, SPACE_LEVEL + 1)) {
        struct page *parent, *table;
        unsigned int level;
        pte_t *slot = pt_find_slot(v->mm, va, SPACE_LEVEL + 1, &parent, &level);

        if (slot == NULL || !pte_is_table(pte_load(slot), level))
            continue;
        table = pt_table_page(pt_link_table(pte_load(slot), level));
        if (table->pt_mm == s->host)
            table->spare = pass == 0 ? 0 : table->spare + 1;
    }
}

/* All tables of a host that have links, and how many were found. */
static void compare(struct count *c, const pte_t *base, unsigned int level)
{
    for (unsigned int i = 0; i < pt_entries(level); i++) {
        pte_t e = pte_load(base + i);
        const struct page *table;

        if (!pte_is_table(e, level) ||
            (level == pt_top_level() && i * pt_size(level) >= user_top()))
            continue;
        table = pt_table_page(pt_link_table(e, level));
        if (level > SPACE_LEVEL + 1) {
            compare(c, pt_link_table(e, level), level - 1);
        } else if (table->pt_shared != 0 && table->spare != table->pt_shared) {
            c->bad++;
            pr_err("pt_space_check: table 0x%lx of a space: %u links counted, %llu found\n",
                   page_to_pfn(table), table->pt_shared, (unsigned long long)table->spare);
        }
    }
}

/* Nothing may change page tables meanwhile. */
static int pt_space_check(void)
{
    struct count c = {.bad = 0};

    for (c.pass = 0; c.pass < 3; c.pass++)
        for (struct mm *mm = mm_next(NULL); mm != NULL; mm = mm_next(mm)) {
            mmap_read_lock(mm);
            if (c.pass == 2 && mm->space != NULL)
                compare(&c, mm->root, pt_top_level());
            else if (c.pass < 2 && atomic_long_read(&mm->nr_shared) != 0)
                for_each_vma (v, mm)
                    count_links(v, c.pass);
            mmap_read_unlock(mm);
        }
    return c.bad;
}
KCHECK("pt_space_check", pt_space_check);
