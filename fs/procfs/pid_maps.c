/* SPDX-License-Identifier: MIT */
/*
 * pid_maps.c: maps, smaps, smaps_rollup and pagetable: an address space as text.
 *
 * Made with mmap_lock held for reading, all areas in one go; numbers of pages come from the
 * page-table walk (pt_walk.h). A page counts as shared when it is mapped more than once; its part
 * in Pss is its size over that number. Source: proc(5); Linux Documentation/filesystems/proc.rst.
 * Checked by tests/user/procfs_test.c. Read next: mm/pt_walk.c.
 */
#include "procfs.h"
#include <mm/huge.h>
#include <mm/page.h>
#include <mm/page_cache.h>
#include <mm/pt_ops.h>
#include <mm/pt_share.h>
#include <mm/pt_walk.h>
#include <mm/thp.h>

#define NAME_COLUMN 73 /* maps: where names begin, in Linux's 64-bit format */
#define PSS_SHIFT   12

/* ---- maps ---- */

const char *vma_name(struct vma *v, char *buf, size_t n)
{
    const struct mm *mm = v->mm;

    if (v->file) {
        char *text = file_path(v->file, buf, n);

        return IS_ERR(text) ? "" : text;
    }
    if (v->start < mm->brk && v->end > mm->start_brk)
        return "[heap]";
    if (v->start <= mm->start_stack && v->end >= mm->start_stack)
        return "[stack]";
    return "";
}

static void show_header(struct seq *s, struct vma *v, char *buf)
{
    const struct inode *i = v->file ? v->file->inode : NULL;
    const char *name = vma_name(v, buf, PATH_MAX_LEN);
    size_t begin = s->len, len;

    seq_printf(s, "%08lx-%08lx %c%c%c%c %08llx %02x:%02x %llu ", v->start, v->end,
               v->flags & VM_READ ? 'r' : '-', v->flags & VM_WRITE ? 'w' : '-',
               v->flags & VM_EXEC ? 'x' : '-', v->flags & VM_MAYSHARE ? 's' : 'p',
               (unsigned long long)(i ? v->pgoff << PAGE_SHIFT : 0), i ? MAJOR(i->sb->dev) : 0,
               i ? MINOR(i->sb->dev) : 0, (unsigned long long)(i ? i->ino : 0));
    if (*name) {
        for (len = s->len - begin; len < NAME_COLUMN; len++)
            seq_write(s, " ", 1);
        for (; *name; name++) {
            if (*name == '\n')
                seq_puts(s, "\\012");
            else
                seq_write(s, name, 1);
        }
    }
    seq_puts(s, "\n");
}

/* Calls @fn for each area. 0, -ENOMEM. */
static int for_areas(struct seq *s, struct task *t,
                     void (*fn)(struct seq *s, struct vma *v, void *arg), void *arg)
{
    struct mm *mm = task_mm_get(t);

    if (!mm)
        return 0;
    mmap_read_lock(mm);
    for_each_vma (v, mm)
        fn(s, v, arg);
    mmap_read_unlock(mm);
    mm_put(mm);
    return 0;
}

static void maps_area(struct seq *s, struct vma *v, void *arg)
{
    show_header(s, v, arg);
}

static int with_buffer(struct seq *s, struct task *t,
                       void (*fn)(struct seq *s, struct vma *v, void *arg))
{
    char *buf = kmalloc(PATH_MAX_LEN);
    int ret;

    if (!buf)
        return -ENOMEM;
    ret = for_areas(s, t, fn, buf);
    kfree(buf);
    return ret;
}

int pid_show_maps(struct seq *s, struct task *t)
{
    return with_buffer(s, t, maps_area);
}

/* ---- smaps ---- */

/* Bytes; pss values are shifted left by PSS_SHIFT. */
struct usage {
    u64 rss, pss, pss_dirty, pss_anon, pss_file, pss_shmem, pss_locked;
    u64 shared_clean, shared_dirty, private_clean, private_dirty, referenced, anonymous, lazyfree,
        anon_huge, shmem_huge, file_huge, shared_pool, private_pool;
    u64 own_tables, shared_tables;
};

static void count_page(struct usage *u, const struct vma *v, const struct page *p, pte_t e,
                       const struct pt_run *r)
{
    bool dirty = (pte_state(e) & PT_DIRTY) || page_test(p, PG_DIRTY);
    u64 maps = pt_nr_mappings(huge_is(p) ? huge_head(p) : p, r);
    u64 pss = (PAGE_SIZE << PSS_SHIFT) / maps;
    bool shmem = v->mapping && (v->mapping->flags & MAPPING_SHMEM), anon = p->kind == PAGE_ANON;

    u->rss += PAGE_SIZE;
    u->pss += pss;
    if (dirty)
        u->pss_dirty += pss;
    *(anon ? &u->pss_anon : shmem ? &u->pss_shmem : &u->pss_file) += pss;
    if (v->flags & VM_LOCKED)
        u->pss_locked += pss;
    if (maps > 1)
        *(dirty ? &u->shared_dirty : &u->shared_clean) += PAGE_SIZE;
    else
        *(dirty ? &u->private_dirty : &u->private_clean) += PAGE_SIZE;
    if ((pte_state(e) & PT_YOUNG) || page_test(p, PG_REFERENCED))
        u->referenced += PAGE_SIZE;
    if (anon)
        u->anonymous += PAGE_SIZE;
    if (anon && !dirty && page_test(p, PG_LAZYFREE))
        u->lazyfree += PAGE_SIZE;
    if (r->level > 0)
        *(anon ? &u->anon_huge : shmem ? &u->shmem_huge : &u->file_huge) += PAGE_SIZE;
}

/* What the leaf @e maps, if it maps anything that counts. Pages of a pool are not part of Rss. */
static void count_leaf(struct usage *u, const struct vma *v, pte_t e, const struct pt_run *r)
{
    pfn_t pfn = (pfn_t)(pte_paddr(e, r->level) >> PAGE_SHIFT);
    const struct page *p = pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;

    if (!p || p->kind == PAGE_ZERO)
        return;
    if (p->kind == PAGE_HUGETLB) {
        *(pt_nr_mappings(p, r) > 1 ? &u->shared_pool : &u->private_pool) += pt_size(r->level);
        return;
    }
    for (unsigned int n = 0; n < 1u << (pt_shift(r->level) - PAGE_SHIFT); n++)
        count_page(u, v, p + n, e, r);
}

static void count_area(struct usage *u, struct vma *v)
{
    struct pt_cursor c;
    struct pt_run r;

    pt_share_count_tables(v, &u->own_tables, &u->shared_tables);
    if (v->flags & VM_PFNMAP)
        return;
    pt_cursor_begin(&c, v->mm, v->start, v->end, true);
    c.reads = true;
    while (pt_cursor_next(&c, &r)) {
        for (unsigned int i = 0; i < r.nr && r.kind == PT_KIND_LEAF; i++)
            count_leaf(u, v, pte_load(r.slot + i), &r);
    }
    pt_cursor_end(&c);
}

static void show_kb(struct seq *s, const char *name, u64 bytes)
{
    seq_printf(s, "%-16s%8llu kB\n", name, (unsigned long long)bytes >> 10);
}

static void show_usage(struct seq *s, const struct usage *u, bool rollup)
{
    show_kb(s, "Rss:", u->rss);
    show_kb(s, "Pss:", u->pss >> PSS_SHIFT);
    show_kb(s, "Pss_Dirty:", u->pss_dirty >> PSS_SHIFT);
    if (rollup) {
        show_kb(s, "Pss_Anon:", u->pss_anon >> PSS_SHIFT);
        show_kb(s, "Pss_File:", u->pss_file >> PSS_SHIFT);
        show_kb(s, "Pss_Shmem:", u->pss_shmem >> PSS_SHIFT);
    }
    show_kb(s, "Shared_Clean:", u->shared_clean);
    show_kb(s, "Shared_Dirty:", u->shared_dirty);
    show_kb(s, "Private_Clean:", u->private_clean);
    show_kb(s, "Private_Dirty:", u->private_dirty);
    show_kb(s, "Referenced:", u->referenced);
    show_kb(s, "Anonymous:", u->anonymous);
    show_kb(s, "LazyFree:", u->lazyfree);
    show_kb(s, "AnonHugePages:", u->anon_huge);
    show_kb(s, "ShmemPmdMapped:", u->shmem_huge);
    show_kb(s, "FilePmdMapped:", u->file_huge);
    show_kb(s, "Shared_Hugetlb:", u->shared_pool);
    show_kb(s, "Private_Hugetlb:", u->private_pool);
    show_kb(s, "Swap:", 0);
    show_kb(s, "SwapPss:", 0);
    show_kb(s, "Locked:", u->pss_locked >> PSS_SHIFT);
    show_kb(s, "TablePrivate:", u->own_tables);
    show_kb(s, "TableShared:", u->shared_tables);
}

static void show_vm_flags(struct seq *s, const struct vma *v)
{
    static const struct {
        unsigned long flag;
        char name[3];
    } names[] = {
        {VM_READ, "rd"},       {VM_WRITE, "wr"},     {VM_EXEC, "ex"},      {VM_SHARED, "sh"},
        {VM_MAYREAD, "mr"},    {VM_MAYWRITE, "mw"},  {VM_MAYEXEC, "me"},   {VM_MAYSHARE, "ms"},
        {VM_GROWSDOWN, "gd"},  {VM_PFNMAP, "pf"},    {VM_LOCKED, "lo"},    {VM_LOCKONFAULT, "lf"},
        {VM_IO, "io"},         {VM_SEQ_READ, "sr"},  {VM_RAND_READ, "rr"}, {VM_DONTCOPY, "dc"},
        {VM_DONTEXPAND, "de"}, {VM_ACCOUNT, "ac"},   {VM_NORESERVE, "nr"}, {VM_WIPEONFORK, "wf"},
        {VM_DONTDUMP, "dd"},   {VM_SOFTDIRTY, "sd"}, {VM_HUGEPAGE, "hg"},  {VM_NOHUGEPAGE, "nh"},
        {VM_MERGEABLE, "mg"},  {VM_POOL, "ht"},       {VM_USERFAULT, "um"},
        {VM_NOSHAREPT, "ns"},
    };

    seq_puts(s, "VmFlags: ");
    for (unsigned int n = 0; n < ARRAY_SIZE(names); n++)
        if (v->flags & names[n].flag)
            seq_printf(s, "%s ", names[n].name);
    seq_puts(s, "\n");
}

static bool fits_huge(const struct vma *v)
{
    vaddr_t size = huge_nr() << PAGE_SHIFT, first = ALIGN_UP(v->start, size);

    return first < v->end && v->end - first >= size;
}

static void smaps_area(struct seq *s, struct vma *v, void *arg)
{
    struct usage u = {0};

    count_area(&u, v);
    show_header(s, v, arg);
    show_kb(s, "Size:", v->end - v->start);
    show_kb(s, "KernelPageSize:", vma_leaf_size(v));
    show_kb(s, "MMUPageSize:", vma_leaf_size(v));
    show_usage(s, &u, false);
    seq_printf(s, "%-16s%8u\n", "THPeligible:", thp_eligible(v) && fits_huge(v));
    show_vm_flags(s, v);
}

int pid_show_smaps(struct seq *s, struct task *t)
{
    return with_buffer(s, t, smaps_area);
}

struct rollup {
    struct usage u;
    vaddr_t start, end;
};

static void rollup_area(struct seq *s, struct vma *v, void *arg)
{
    struct rollup *r = arg;

    if (r->end == 0)
        r->start = v->start;
    r->end = v->end;
    count_area(&r->u, v);
}

int pid_show_smaps_rollup(struct seq *s, struct task *t)
{
    struct rollup r = {{0}, 0, 0};
    size_t len;
    int ret = for_areas(s, t, rollup_area, &r);

    if (ret)
        return ret;
    seq_printf(s, "%08lx-%08lx ---p 00000000 00:00 0 ", r.start, r.end);
    for (len = s->len; len < NAME_COLUMN; len++)
        seq_write(s, " ", 1);
    seq_puts(s, "[rollup]\n");
    show_usage(s, &r.u, true);
    return 0;
}

/* ---- pagetable: one line per link and per run of leaves ---- */

static int pagetable_line(void *ctx, const struct pt_dump_entry *e)
{
    struct seq *s = ctx;
    char flags[9] = "--------";
    static const struct {
        u32 bit;
        char c;
    } prot[] = {{PT_R, 'r'}, {PT_W, 'w'}, {PT_X, 'x'}, {PT_U, 'u'}},
      state[] = {{PT_YOUNG, 'a'}, {PT_DIRTY, 'd'}, {PT_SOFT, 's'}};

    for (unsigned int n = 0; n < 4; n++)
        if (e->prot & prot[n].bit)
            flags[n] = prot[n].c;
    if (e->prot & PT_G)
        flags[4] = 'g';
    for (unsigned int n = 0; n < 3; n++)
        if (e->state & state[n].bit)
            flags[5 + n] = state[n].c;
    seq_printf(s, "%u %lx-%lx %s %lx %s %u\n", e->level, e->start, e->end,
               e->is_table ? "table" : "leaf", e->pfn, flags, e->shared);
    return s->failed ? -ENOMEM : 0;
}

int pid_show_pagetable(struct seq *s, struct task *t)
{
    struct mm *mm = task_mm_get(t);
    int ret;

    if (!mm)
        return 0;
    mmap_read_lock(mm);
    ret = pt_dump(mm, 0, user_top(), pagetable_line, s);
    mmap_read_unlock(mm);
    mm_put(mm);
    return ret;
}
