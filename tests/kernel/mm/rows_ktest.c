/* SPDX-License-Identifier: MIT */
/*
 * rows_ktest.c: every kind of mapping at every size of leaf that its row and this MMU have, under
 * every operation, by the same code; the results are printed as a table and compared with what each
 * row promises. A kind or size that cannot be set up here (no memory for it) shows "-".
 */
#include "pt_test.h"
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/vfs.h>
#include <linux/falloc.h>
#include <mm/hugetlb.h>
#include <mm/pt_space.h>
#include <mm/slab.h>

#define VALUE    0x5eedULL
#define FAR_AWAY GIB(64)

struct place {
    struct mm *mm;
    vaddr_t va;
    unsigned int level;
    size_t size; /* of the leaf */
    size_t area; /* of the smallest area of the kind */
    bool shared;
};

/* ---- kinds ---- */

static struct file *file_of(struct file *f)
{
    EXPECT(!IS_ERR(f));
    return f;
}

static vaddr_t map_and_put(struct file *f, size_t len, unsigned long flags)
{
    vaddr_t va = test_map_file(0, len, RW, flags, f);

    file_put(f);
    return va;
}

/* Transparent huge pages come where they are asked for. */
static vaddr_t map_anon(size_t len)
{
    vaddr_t va;

    if (len == PAGE_SIZE)
        return test_map(len, RW, ANON);
    va = test_map_file(ALIGN_UP(GIB(100), len), len, RW, ANON, NULL);
    return mm_madvise(current->mm, va, len, MADV_HUGEPAGE) == 0 ? va : 0;
}

/* Objects of the row have base pages only. */
static vaddr_t map_object(size_t len)
{
    if (len != PAGE_SIZE)
        return 0;
    return map_and_put(file_of(shmem_file_create("rows", len, 0)), len, MAP_SHARED);
}

static struct pfnmap region;
static struct page *frames;
static unsigned int frames_order;

static int region_mmap(struct file *f, struct vma *v)
{
    (void)f;
    return pfnmap_setup(v, &region);
}

/* Leaves as large as the region, which is why it needs its alignment. */
static vaddr_t map_region(size_t len)
{
    static const struct file_ops ops = {.mmap = region_mmap};
    struct file *f = file_of(file_alloc_anon("rows", &ops, O_RDWR, NULL));
    vaddr_t va = 0;

    for (frames_order = 0; PAGE_SIZE << frames_order < len;)
        frames_order++;
    frames = alloc_pages(frames_order, GFP_KERNEL | GFP_ZERO | GFP_NOOOM);
    if (!frames) {
        file_put(f);
        return 0;
    }
    region = (struct pfnmap){.base = page_to_phys(frames), .len = len};
    va = test_map_file(ALIGN_UP(GIB(100), len), len, RW, MAP_SHARED, f);
    file_put(f);
    return va;
}

static void region_end(void)
{
    if (frames)
        free_pages(frames, frames_order);
    frames = NULL;
}

static struct huge_pool *pool_of(size_t len)
{
    struct huge_pool *pool = huge_pool_by_size(len);

    if (pool)
        huge_pool_resize(pool, 3);
    return pool && huge_pool_counts(pool).nr == 3 ? pool : NULL;
}

static void pools_end(void)
{
    for (unsigned int level = 1; level < PT_MAX_LEVELS; level++)
        if (huge_pool_by_level(level))
            huge_pool_resize(huge_pool_by_level(level), 0);
}

static vaddr_t map_huge_private(size_t len)
{
    struct huge_pool *pool = pool_of(len);

    return pool ? map_and_put(file_of(hugetlb_file_create("rows", pool, len, false)), len,
                              MAP_PRIVATE)
                : 0;
}

static vaddr_t map_huge_shared(size_t len)
{
    struct huge_pool *pool = pool_of(len);

    return pool ? map_and_put(file_of(hugetlb_file_create("rows", pool, len, false)), len,
                              MAP_SHARED)
                : 0;
}

static struct huge_object device;

static int device_mmap(struct file *f, struct vma *v)
{
    (void)f;
    return hugetlb_setup_vma(v, &device, PT_HUGETLB_CHAR);
}

static unsigned int device_level(struct file *f, size_t *len)
{
    (void)f, (void)len;
    return device.pool->level;
}

static vaddr_t map_device(size_t len)
{
    static const struct file_ops ops = {.mmap = device_mmap, .map_level = device_level};
    struct huge_pool *pool = pool_of(len);

    if (!pool)
        return 0;
    huge_object_init(&device, pool, NULL, NULL);
    huge_zero_get();
    return map_and_put(file_of(file_alloc_anon("rows", &ops, O_RDWR, NULL)), len, MAP_PRIVATE);
}

static void device_end(void)
{
    if (device.pool) {
        huge_object_destroy(&device);
        huge_zero_put();
    }
    device.pool = NULL;
}

static int experiment_mmap(struct file *f, struct vma *v)
{
    (void)f;
    v->pt_ops = PT_EXPERIMENT;
    v->mapping = NULL;
    return 0;
}

static vaddr_t map_experiment(size_t len)
{
    static const struct file_ops ops = {.mmap = experiment_mmap};

    return map_and_put(file_of(file_alloc_anon("rows", &ops, O_RDWR, NULL)), len, MAP_PRIVATE);
}

/* Memory inside a space, of which the area maps a span: what is inside is what is looked at, and
 * the whole area is moved and protected. */
static struct inode space_owner;
static struct pt_space *space;

static int space_mmap(struct file *f, struct vma *v)
{
    (void)f;
    return pt_space_setup(v, space);
}

static unsigned int space_level(struct file *f, size_t *len)
{
    (void)f, (void)len;
    return SPACE_LEVEL + 1;
}

static vaddr_t map_space(size_t len)
{
    static const struct file_ops ops = {.mmap = space_mmap, .map_level = space_level};
    struct huge_pool *pool = len > PAGE_SIZE ? pool_of(len) : NULL;
    struct pt_space_map inside = {.len = len, .prot = RW};
    struct file *f;
    int err;

    if (len > PAGE_SIZE && !pool)
        return 0;
    space_owner = (struct inode){.size = SPACE_SPAN};
    space = pt_space_create(&space_owner, VM_WRITE);
    EXPECT(space != NULL);
    if (pool)
        inside.file = file_of(hugetlb_file_create("rows", pool, len, false));
    err = pt_space_map(space, &inside);
    if (pool)
        file_put(inside.file);
    EXPECT_EQ(err, 0);
    f = file_of(file_alloc_anon("rows", &ops, O_RDWR, NULL));
    f->mapping = &space->users;
    return map_and_put(f, SPACE_SPAN, MAP_SHARED);
}

static void space_end(void)
{
    if (space)
        pt_space_destroy(space);
    space = NULL;
}

/* ---- operations; each returns what the table shows ---- */

static const char *verdict(bool ok)
{
    return ok ? "ok" : "WRONG";
}

static const char *op_read(struct place *p)
{
    return verdict(test_read(p->va) == 0 && test_read(p->va + p->size - 8) == 0);
}

static const char *op_write(struct place *p)
{
    return verdict(test_write(p->va, VALUE) && test_write(p->va + p->size - 8, VALUE) &&
                   test_read(p->va) == VALUE);
}

/* The walker yields one entry of the right level. */
static const char *op_walk(struct place *p)
{
    struct pt_cursor c;
    struct pt_run r;
    unsigned int runs = 0;
    bool ok = true;

    mmap_read_lock(p->mm);
    pt_cursor_begin(&c, p->mm, p->va, p->va + p->size, true);
    while (pt_cursor_next(&c, &r)) {
        runs++;
        ok = ok && r.kind == PT_KIND_LEAF && r.level == p->level && r.nr == 1 && r.va == p->va &&
             r.end == p->va + p->size;
    }
    mmap_read_unlock(p->mm);
    return verdict(ok && runs == 1);
}

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

static const char *op_fork(struct place *p)
{
    struct mm *child = mm_fork(p->mm);
    u64 want = p->shared ? 1 : VALUE;
    bool ok;

    if (IS_ERR(child))
        return "WRONG";
    mm_get(p->mm);
    ok = test_write(p->va, 1);
    live_in(child);
    ok = ok && test_read(p->va) == want && test_write(p->va + 16, 2);
    live_in(p->mm);
    ok = ok && test_read(p->va + 16) == (p->shared ? 2 : 0);
    ok = ok && test_check(p->mm) + test_check(child) == 0;
    mm_put(child);
    mm_put(p->mm);
    return verdict(ok && test_write(p->va, VALUE));
}

static const char *op_protect(struct place *p)
{
    int err = mm_mprotect(p->mm, p->va, p->area, PROT_READ);
    bool ok = err ? test_write(p->va, VALUE) : !test_write(p->va, 3);

    ok = ok && test_read(p->va) == VALUE && test_check(p->mm) == 0;
    ok = ok && mm_mprotect(p->mm, p->va, p->area, PROT_NONE) == 0 && test_read(p->va) == ~0ULL;
    ok = mm_mprotect(p->mm, p->va, p->area, RW) == 0 && ok && test_write(p->va, VALUE);
    return err == -EOPNOTSUPP && ok ? "NOTSUPP" : verdict(err == 0 && ok);
}

static const char *op_pin(struct place *p)
{
    struct page *page;
    struct vma *v;
    bool ok;

    /* The fault first, if fork has split a leaf: the pin itself makes none. */
    (void)test_write(p->va + p->size - 8, VALUE);
    mmap_read_lock(p->mm);
    v = vma_lookup(p->mm, p->va);
    page = vma_ops(v)->pin(v, p->va + p->size - PAGE_SIZE, true);
    mmap_read_unlock(p->mm);
    if (IS_ERR(page))
        return PTR_ERR(page) == -EFAULT ? "EFAULT" : "WRONG";
    if (!page)
        return "WRONG";
    ok = *(u64 *)((char *)page_to_virt(page) + PAGE_SIZE - 8) == VALUE &&
         page_pins(page_head(page)) == 1;
    page_unpin(page);
    return verdict(ok && page_pins(page_head(page)) == 0);
}

static const char *op_move(struct place *p)
{
    struct mremap_request q = {.addr = p->va,
                               .old_len = p->area,
                               .new_len = p->area,
                               .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                               .new_addr = p->va - FAR_AWAY};
    long at = mm_mremap(p->mm, &q);

    if (at != (long)q.new_addr)
        return "WRONG";
    p->va = q.new_addr;
    return verdict(test_read(p->va) == VALUE && test_read(p->va + FAR_AWAY) == ~0ULL &&
                   test_check(p->mm) == 0);
}

/* A base page in the middle shall go. */
static const char *op_cut(struct place *p)
{
    int err;

    if (p->area == PAGE_SIZE)
        return "-";
    err = mm_munmap(p->mm, p->va + p->area / 2, PAGE_SIZE);
    if (err)
        return err == -EINVAL && test_read(p->va + p->size / 2) == 0 ? "EINVAL" : "WRONG";
    return verdict(test_read(p->va) == VALUE && test_read(p->va + p->size / 2) == ~0ULL &&
                   test_check(p->mm) == 0);
}

static const char *op_zap(struct place *p)
{
    int err = mm_madvise(p->mm, p->va, p->size / 2, MADV_DONTNEED);
    unsigned int level;

    if (p->level == 0)
        err = mm_madvise(p->mm, p->va, p->size, MADV_DONTNEED);
    if (err)
        return err == -EINVAL && test_read(p->va) == VALUE ? "EINVAL" : "WRONG";
    if (pte_is_leaf(test_entry(p->mm, p->va, &level), 0))
        return "WRONG";
    return verdict(test_read(p->va) == (p->shared ? VALUE : 0));
}

static const char *op_check(struct place *p)
{
    return verdict(test_check(p->mm) == 0);
}

#define NR_OPS 10
static const struct {
    const char *name;
    const char *(*run)(struct place *p);
} ops[NR_OPS] = {
    {"read", op_read},       {"write", op_write}, {"walk", op_walk}, {"fork", op_fork},
    {"protect", op_protect}, {"pin", op_pin},     {"move", op_move}, {"cut", op_cut},
    {"zap", op_zap},         {"check", op_check},
};

static const struct kind {
    const char *name;
    enum pt_ops_index row;
    vaddr_t (*map)(size_t len);
    bool shared;
    const char *pin, *cut, *zap; /* what those say; all others are "ok" */
} kinds[] = {
    {"anonymous", PT_DEFAULT, map_anon, false, "ok", "ok", "ok"},
    {"shared object", PT_DEFAULT, map_object, true, "ok", "ok", "ok"},
    {"device", PT_PFNMAP, map_region, true, "EFAULT", "ok", "EINVAL"},
    {"hugetlb private", PT_HUGETLB_FS, map_huge_private, false, "ok", "EINVAL", "ok"},
    {"hugetlb shared", PT_HUGETLB_FS, map_huge_shared, true, "ok", "EINVAL", "ok"},
    {"page-huge", PT_HUGETLB_CHAR, map_device, false, "ok", "EINVAL", "ok"},
    {"experiment", PT_EXPERIMENT, map_experiment, false, "ok", "ok", "ok"},
    {"space", PT_SHARED_SPACE, map_space, true, "ok", "EINVAL", "ok"},
};

static const char *wanted(const struct kind *k, const char *op, const struct place *p)
{
    if (strcmp(op, "pin") == 0)
        return k->pin;
    if (strcmp(op, "cut") == 0)
        return p->area == PAGE_SIZE ? "-" : k->cut;
    if (strcmp(op, "protect") == 0 && p->area != p->size && !mmu_has(MMU_LINK_WRITE))
        return "NOTSUPP"; /* the table is the others', too */
    return strcmp(op, "zap") == 0 ? k->zap : "ok";
}

static void show_line(const char *kind, const char *size, const char *const *cells)
{
    char line[160];
    int n = scnprintf(line, sizeof(line), "rows: %-16s %-6s", kind, size);

    for (unsigned int i = 0; i < NR_OPS; i++)
        n += scnprintf(line + n, sizeof(line) - (size_t)n, " %-7s", cells[i]);
    pr_info("%s\n", line);
}

static void try_kind(const struct kind *k, unsigned int level)
{
    struct place p = {
        .level = level, .size = pt_size(level), .area = pt_size(level), .shared = k->shared};
    const char *cells[NR_OPS];
    char size[16];

    scnprintf(size, sizeof(size), "%luK", pt_size(level) >> 10);
    for (unsigned int i = 0; i < NR_OPS; i++)
        cells[i] = "-";
    p.mm = test_mm_enter();
    p.va = k->map(p.size);
    if (space)
        p.area = SPACE_SPAN;
    for (unsigned int i = 0; i < NR_OPS && p.va; i++) {
        cells[i] = ops[i].run(&p);
        if (strcmp(cells[i], wanted(k, ops[i].name, &p)) != 0)
            ktest_fail(__FILE__, __LINE__, ops[i].name, (long)(k - kinds), (long)level);
    }
    test_mm_leave();
    space_end();
    device_end();
    region_end();
    pools_end();
    show_line(k->name, size, cells);
}

/* All sizes of one kind, as a table of its own: a test has 20 s, and 1 GiB takes its time. */
static void try_sizes(const struct kind *k)
{
    const char *head[NR_OPS];

    for (unsigned int i = 0; i < NR_OPS; i++)
        head[i] = ops[i].name;
    show_line("kind", "leaf", head);
    for (unsigned int level = 0; level < pt_top_level(); level++)
        if (pt_level_can_leaf(level) && (pt_ops_table[k->row].page_sizes & BIT(level)))
            try_kind(k, level);
}

KTEST(rows, anonymous)
{
    try_sizes(&kinds[0]);
}

KTEST(rows, shared_object)
{
    try_sizes(&kinds[1]);
}

KTEST(rows, device)
{
    try_sizes(&kinds[2]);
}

KTEST(rows, hugetlb_private)
{
    try_sizes(&kinds[3]);
}

KTEST(rows, hugetlb_shared)
{
    try_sizes(&kinds[4]);
}

KTEST(rows, page_huge)
{
    try_sizes(&kinds[5]);
}

KTEST(rows, experiment)
{
    try_sizes(&kinds[6]);
}

KTEST(rows, shared_space)
{
    _Static_assert(ARRAY_SIZE(kinds) == 8, "each kind has its test");
    try_sizes(&kinds[7]);
}
