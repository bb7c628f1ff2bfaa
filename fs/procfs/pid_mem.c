/* SPDX-License-Identifier: MIT */
/*
 * pid_mem.c: contents of an address space: mem, pagemap, cmdline, environ, auxv, and clear_refs.
 *
 * mem reads and writes through mm_access_remote, at the position as address. pagemap has one 64-bit
 * word per base page: bits 0-54 frame (for root), 55 soft-dirty, 56 mapped once, 61 of a file or
 * shared, 62 swapped, 63 present. Locks: mmap_lock for reading, PT inside the walk; copies to the
 * user are made without. Source: proc(5); Linux Documentation/admin-guide/mm/pagemap.rst. Read
 * next: pid_maps.c, mm/pt_walk.c.
 */
#include "procfs.h"
#include <mm/huge.h>
#include <mm/hugetlb.h>
#include <mm/page.h>
#include <mm/pt_ops.h>
#include <mm/pt_share.h>
#include <mm/pt_walk.h>
#include <mm/thp.h>

/* ---- mem ---- */

static int mem_open(struct inode *i, struct file *f)
{
    struct mm *mm = proc_mm_get(i);

    if (IS_ERR(mm))
        return (int)PTR_ERR(mm);
    /* The address space of this moment, as Linux has it; kept without keeping it alive. */
    if (mm) {
        mm_grab(mm);
        mm_put(mm);
    }
    f->private = mm;
    return 0;
}

static void mem_release(struct file *f)
{
    if (f->private)
        mm_drop(f->private);
}

/* A users reference on the file's address space, or NULL when nobody lives in it any more. */
static struct mm *mem_mm_get(struct file *f)
{
    struct mm *mm = f->private;

    return mm && atomic_inc_not_zero(&mm->users) ? mm : NULL;
}

static ssize_t mem_transfer(struct file *f, struct iov_iter *it, loff_t *pos, bool write)
{
    struct mm *mm = mem_mm_get(f);
    char *page = mm ? kmalloc(PAGE_SIZE) : NULL;
    size_t done = 0;
    ssize_t n = 0;

    if (!mm)
        return 0;
    if (!page)
        n = -ENOMEM;
    while (n >= 0 && it->count) {
        size_t want = min(it->count, PAGE_SIZE - ((size_t)*pos & ~PAGE_MASK));
        struct iov_iter before = *it;

        if (write && copy_from_iter(page, want, it) != want) {
            n = -EFAULT; /* the caller's own memory; the other process' is -EIO */
        } else {
            n = mm_access_remote(mm, (vaddr_t)*pos, page, want, write);
            n = n < 0 ? -EIO : n;
        }
        if (n > 0 && !write && copy_to_iter(page, (size_t)n, it) != (size_t)n)
            n = -EFAULT;
        if (n <= 0) {
            *it = before;
            break;
        }
        done += (size_t)n;
        *pos += n;
        if ((size_t)n < want)
            break;
    }
    kfree(page);
    mm_put(mm);
    return done ? (ssize_t)done : n;
}

static ssize_t mem_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    return mem_transfer(f, to, pos, false);
}

static ssize_t mem_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    return mem_transfer(f, from, pos, true);
}

const struct file_ops proc_mem_fops = {
    .open = mem_open,
    .release = mem_release,
    .read = mem_read,
    .write = mem_write,
    .llseek = address_llseek,
};

/* ---- pagemap ---- */

#define PM_SOFT_DIRTY (1ULL << 55)
#define PM_EXCLUSIVE  (1ULL << 56)
#define PM_FILE       (1ULL << 61)
#define PM_SWAP       (1ULL << 62)
#define PM_PRESENT    (1ULL << 63)
#define PM_PFN_MASK   ((1ULL << 55) - 1)
#define PM_CHUNK      512u /* entries per round */

static u64 pagemap_entry(const struct vma *v, const struct pt_run *r, pte_t e, unsigned int nth,
                         bool show_pfn)
{
    pfn_t pfn = (pfn_t)(pte_paddr(e, r->level) >> PAGE_SHIFT) + nth;
    u64 w = PM_PRESENT;

    if (show_pfn)
        w |= pfn & PM_PFN_MASK;
    if ((pte_state(e) & (PT_DIRTY | PT_SOFT)) || (v->flags & VM_SOFTDIRTY))
        w |= PM_SOFT_DIRTY;
    if (v->flags & VM_PFNMAP)
        return w;
    if (pfn_valid(pfn)) {
        const struct page *p = page_head(pfn_to_page(pfn));

        if (p->kind == PAGE_FILE || (p->kind == PAGE_HUGETLB && !huge_is_private(p)))
            w |= PM_FILE;
        if (page_mapcount(page_whole(p)) != 0 && pt_nr_mappings(page_whole(p), r) == 1)
            w |= PM_EXCLUSIVE;
    }
    return w;
}

/* Fills words for [start, start + n pages). mmap_lock held for reading. */
static void pagemap_fill(struct mm *mm, vaddr_t start, unsigned int n, u64 *words, bool show_pfn)
{
    vaddr_t end = start + n * PAGE_SIZE;
    struct pt_cursor c;
    struct pt_run r;

    memset(words, 0, n * sizeof(*words));
    for (struct vma *v = vma_find(mm, start); v && v->start < end; v = v->next) {
        vaddr_t from = max(v->start, start), to = min(v->end, end);

        if (v->flags & VM_SOFTDIRTY)
            for (vaddr_t va = from; va < to; va += PAGE_SIZE)
                words[(va - start) >> PAGE_SHIFT] = PM_SOFT_DIRTY;
        pt_cursor_begin(&c, mm, from, to, true);
        c.reads = true;
        while (pt_cursor_next(&c, &r)) {
            if (r.kind != PT_KIND_LEAF)
                continue;
            for (unsigned int i = 0; i < r.nr; i++) {
                vaddr_t leaf =
                    ALIGN_DOWN(r.va, 1UL << pt_shift(r.level)) + ((vaddr_t)i << pt_shift(r.level));
                pte_t e = pte_load(r.slot + i);

                for (vaddr_t va = max(leaf, from); va < min(leaf + (1UL << pt_shift(r.level)), to);
                     va += PAGE_SIZE)
                    words[(va - start) >> PAGE_SHIFT] = pagemap_entry(
                        v, &r, e, (unsigned int)((va - leaf) >> PAGE_SHIFT), show_pfn);
            }
        }
        pt_cursor_end(&c);
    }
}

static ssize_t pagemap_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    struct mm *mm;
    u64 *words, index = (u64)*pos / sizeof(u64), limit = user_top() >> PAGE_SHIFT;
    bool show_pfn = has_capability();
    size_t done = 0;

    if (*pos % sizeof(u64) || to->count % sizeof(u64))
        return -EINVAL;
    mm = mem_mm_get(f);
    if (!mm)
        return 0;
    words = kmalloc(PM_CHUNK * sizeof(u64));
    while (words && to->count && index < limit) {
        unsigned int n =
            (unsigned int)min((u64)min(to->count / sizeof(u64), (size_t)PM_CHUNK), limit - index);
        size_t got;

        mmap_read_lock(mm);
        pagemap_fill(mm, (vaddr_t)index << PAGE_SHIFT, n, words, show_pfn);
        mmap_read_unlock(mm);
        got = copy_to_iter(words, n * sizeof(u64), to);
        done += got;
        index += got / sizeof(u64);
        if (got < n * sizeof(u64))
            break;
    }
    mm_put(mm);
    if (!words)
        return -ENOMEM;
    kfree(words);
    *pos += (loff_t)done;
    return done || index >= limit || to->count == 0 ? (ssize_t)done : -EFAULT;
}

const struct file_ops proc_pagemap_fops = {
    .open = mem_open,
    .release = mem_release,
    .read = pagemap_read,
    .llseek = address_llseek,
};

/* ---- cmdline, environ, auxv ---- */

/* Up to 1 MiB of [start, end) of the address space. */
static void show_range(struct seq *s, struct mm *mm, vaddr_t start, vaddr_t end)
{
    char *page = kmalloc(PAGE_SIZE);

    if (!page) {
        s->failed = true;
        return;
    }
    end = min(end, start + MIB(1));
    while (start < end) {
        ssize_t n =
            mm_access_remote(mm, start, page, min((size_t)(end - start), (size_t)PAGE_SIZE), false);

        if (n <= 0)
            break;
        seq_write(s, page, (size_t)n);
        start += (vaddr_t)n;
    }
    kfree(page);
}

static int show_strings(struct seq *s, struct task *t, bool environment)
{
    struct mm *mm = task_mm_get(t);
    vaddr_t start, end;

    if (!mm)
        return 0;
    mmap_read_lock(mm);
    start = environment ? mm->env_start : mm->arg_start;
    end = environment ? mm->env_end : mm->arg_end;
    mmap_read_unlock(mm);
    show_range(s, mm, start, end);
    mm_put(mm);
    return 0;
}

int pid_show_cmdline(struct seq *s, struct task *t)
{
    return show_strings(s, t, false);
}

int pid_show_environ(struct seq *s, struct task *t)
{
    return show_strings(s, t, true);
}

int pid_show_auxv(struct seq *s, struct task *t)
{
    struct mm *mm = task_mm_get(t);

    if (!mm)
        return 0;
    seq_write(s, mm->auxv, mm->auxv_words * sizeof(mm->auxv[0]));
    mm_put(mm);
    return 0;
}

/* ---- clear_refs ---- */

enum { CLEAR_ALL = 1, CLEAR_ANON, CLEAR_MAPPED, CLEAR_SOFT_DIRTY, CLEAR_HIWATER };

/* Leaves of @v are old again, and with @soft clean and write-protected, so that the next write is
 * seen: the dirty bit is the soft-dirty bit here, since nobody writes pages out. What was dirty
 * stays known in the page. mmap_lock held, for writing with @soft. The CPU may go on with a
 * translation that it has until the flush. */
static void clear_leaf(pte_t *slot, unsigned int level, bool soft)
{
    unsigned int drop = soft ? PT_DIRTY | PT_SOFT : PT_YOUNG;
    pte_t old = pte_load(slot), new;
    pfn_t pfn;

    do { /* hardware may set bits meanwhile */
        new = pte_with_state(old, pte_state(old) & ~drop);
        if (soft)
            new = pte_with_prot(new, level, pte_prot(old, level) & ~PT_W);
    } while (!pte_cmpxchg(slot, &old, new));
    pfn = (pfn_t)(pte_paddr(old, level) >> PAGE_SHIFT);
    if (soft && (pte_state(old) & PT_DIRTY) && pfn_valid(pfn) &&
        pfn_to_page(pfn)->kind != PAGE_ZERO)
        page_set(pfn_to_page(pfn), PG_DIRTY);
}

static void clear_area(struct mm *mm, struct vma *v, bool soft)
{
    struct pt_cursor c;
    struct pt_run r;

    if (v->flags & VM_PFNMAP)
        return;
    if (soft) {
        vma_write_lock(v);
        v->flags &= ~VM_SOFTDIRTY;
    }
    if (v->has_shared) { /* what was used is asked of this process alone */
        vma_write_lock(v);
        pt_unshare_range(v, v->start, v->end, PT_UNSHARE_protect);
    }
    pt_cursor_begin(&c, mm, v->start, v->end, true);
    c.own = true;
    while (pt_cursor_next(&c, &r)) {
        if (r.kind != PT_KIND_LEAF || thp_wait_run(&c, &r))
            continue;
        for (unsigned int i = 0; i < r.nr; i++)
            clear_leaf(r.slot + i, r.level, soft);
    }
    pt_cursor_end(&c);
}

static bool is_meant(const struct vma *v, u64 what)
{
    return what == CLEAR_ALL || what == CLEAR_SOFT_DIRTY ||
           (what == CLEAR_MAPPED) == (v->file != NULL);
}

/* 0, or -ENOMEM and nothing was cleared. */
static int clear_refs(struct mm *mm, u64 what)
{
    int err = 0;

    for_each_vma (v, mm)
        if (!err && is_meant(v, what))
            err = pt_fork_leave(v, v->start, v->end);
    if (err)
        return err;
    for_each_vma (v, mm)
        if (is_meant(v, what))
            clear_area(mm, v, what == CLEAR_SOFT_DIRTY);
    mm_flush_all(mm);
    return 0;
}

ssize_t pid_store_clear_refs(const char *buf, size_t n, struct task *t)
{
    const char *end;
    u64 what = parse_u64(buf, &end);
    struct mm *mm;
    int err = 0;

    if (end == buf || what < CLEAR_ALL || what > CLEAR_HIWATER)
        return -EINVAL;
    mm = task_mm_get(t);
    if (!mm)
        return (ssize_t)n;
    mmap_write_lock(mm);
    if (what == CLEAR_HIWATER)
        mm->hiwater_rss = 0; /* what is now comes by itself */
    else
        err = clear_refs(mm, what);
    mmap_write_unlock(mm);
    mm_put(mm);
    return err ? err : (ssize_t)n;
}
