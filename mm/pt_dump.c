/* SPDX-License-Identifier: MIT */
/*
 * pt_dump.c: an address space's tree of page tables as a list: each link to a table, each run of
 * leaves that continue each other.
 *
 * It prints nothing: the caller's function gets the entries in rising order, a link before what
 * hangs below it. Only what lies in VMAs is visited, so that no table is looked at that munmap is
 * about to free.
 *
 * Locks: mmap_lock for reading; entries are read without the tables' locks, each in one piece: a
 * list of what is there while others change it. The caller's function may sleep.
 * Checked by tests/kernel/mm/pt_walk_ktest.c. Read next: README.md.
 */
#include "pt_internal.h"

struct dump {
    int (*emit)(void *ctx, const struct pt_dump_entry *e);
    void *ctx;
    struct pt_dump_entry run;  /* leaves not emitted yet; end 0 when none */
    vaddr_t shown[PT_MAX_LEVELS + 1]; /* end of the last table whose link was emitted, by level */
};

static int flush_run(struct dump *d)
{
    int err = d->run.end != 0 ? d->emit(d->ctx, &d->run) : 0;

    ASSERT(d->run.end == 0 || d->run.start < d->run.end);
    d->run.end = 0;
    return err;
}

/* Does @e go on where the run ends? */
static bool continues(const struct pt_dump_entry *run, const struct pt_dump_entry *e)
{
    return run->end == e->start && run->level == e->level && run->prot == e->prot &&
           run->state == e->state && run->pfn + ((run->end - run->start) >> PAGE_SHIFT) == e->pfn;
}

static int dump_leaf(struct dump *d, pte_t e, unsigned int level, vaddr_t va)
{
    struct pt_dump_entry leaf = {
        .level = level, .start = va, .end = va + pt_size(level), .state = pte_state(e)};
    int err = 0;

    leaf.pfn = pte_paddr(e, level) >> PAGE_SHIFT;
    leaf.prot = pte_prot(e, level);
    if (d->run.end != 0 && continues(&d->run, &leaf)) {
        d->run.end = leaf.end;
        return 0;
    }
    err = flush_run(d);
    d->run = leaf;
    return err;
}

/* The link at @level to the table around @va; tables that several VMAs use are shown once. */
static int dump_link(struct dump *d, pte_t e, unsigned int level, vaddr_t va)
{
    vaddr_t start = ALIGN_DOWN(va, pt_size(level));
    struct pt_dump_entry link = {
        .level = level, .start = start, .end = start + pt_size(level), .is_table = true};
    int err;

    ASSERT(level != 0 && level <= pt_top_level());
    if (start < d->shown[level])
        return 0;
    d->shown[level] = link.end;
    link.pfn = pte_paddr(e, level) >> PAGE_SHIFT;
    link.prot = pte_prot(e, level);
    link.shared = READ_ONCE(pt_table_page(pt_link_table(e, level))->pt_shared);
    err = flush_run(d);
    return err ? err : d->emit(d->ctx, &link);
}

static int dump_range(struct dump *d, const pte_t *base, unsigned int level, vaddr_t va,
                      vaddr_t end)
{
    int err = 0;

    for (vaddr_t next; err == 0 && va < end; va = next) {
        pte_t e = pte_load(base + pt_index(va, level));

        next = pt_next(va, end, level);
        if (pte_is_table(e, level)) {
            err = dump_link(d, e, level, va);
            if (err == 0)
                err = dump_range(d, pt_link_table(e, level), level - 1, va, next);
        } else if (pte_is_leaf(e, level)) {
            err = dump_leaf(d, e, level, ALIGN_DOWN(va, pt_size(level)));
        }
    }
    return err;
}

int pt_dump(struct mm *mm, vaddr_t start, vaddr_t end,
            int (*emit)(void *ctx, const struct pt_dump_entry *e), void *ctx)
{
    struct dump d = { .emit = emit, .ctx = ctx };
    int err = 0;

    lock_assert_held(&mm->mmap_lock); /* no table of an area is freed */
    for (struct vma *v = vma_find(mm, start); err == 0 && v != NULL && v->start < end; v = v->next)
        err = dump_range(&d, mm->root, pt_top_level(), max(start, v->start), min(end, v->end));
    return err ? err : flush_run(&d);
}
