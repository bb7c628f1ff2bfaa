/* SPDX-License-Identifier: MIT */
/* hugetlb_ktest.c: pools, promises and the rows PT_HUGETLB_FS and PT_HUGETLB_CHAR: who has which
 * page and which promise after each operation, when memory is out, and when threads race. */
#include "../team.h"
#include "pt_test.h"
#include <kernel/vfs.h>
#include <linux/falloc.h>
#include <mm/hugetlb.h>
#include <mm/slab.h>

#define POOL 6

static struct huge_pool *pool;
static size_t size;

/* The default pool with exactly @n pages; false, and the test is skipped: no memory for it. */
static bool pool_begin(u64 n)
{
    pool = huge_pool_by_size(0);
    if (pool == NULL) {
        ktest_skip("no huge pages on this MMU");
        return false;
    }
    size = huge_size(pool);
    huge_pool_resize(pool, n);
    if (huge_pool_counts(pool).nr != n) {
        huge_pool_resize(pool, 0);
        ktest_skip("no memory for the pool");
        return false;
    }
    return true;
}

static void expect_counts(u64 nr_free, u64 reserved, int line)
{
    struct huge_counts c = huge_pool_counts(pool);

    if (c.nr_free != nr_free)
        ktest_fail(__FILE__, line, "free pages", (long)c.nr_free, (long)nr_free);
    if (c.nr_reserved != reserved)
        ktest_fail(__FILE__, line, "promises", (long)c.nr_reserved, (long)reserved);
    if (hugetlb_promises_check() != 0)
        ktest_fail(__FILE__, line, "promises add up", 0, 0);
}
#define EXPECT_COUNTS(nr_free, reserved) expect_counts(nr_free, reserved, __LINE__)

static void pool_end(void)
{
    huge_pool_resize(pool, 0);
    EXPECT_EQ(huge_pool_counts(pool).nr, 0);
}

static struct file *new_object(u64 pages)
{
    struct file *f = hugetlb_file_create("ktest", pool, pages * size, false);

    EXPECT(!IS_ERR(f));
    return f;
}

/* @pages of a new object; the mapping keeps it. */
static vaddr_t map_new(u64 pages, unsigned long flags)
{
    struct file *f = new_object(pages);
    vaddr_t va = test_map_file(0, pages * size, RW, flags, f);

    file_put(f);
    return va;
}

static enum fault_result fault(struct mm *mm, vaddr_t va, unsigned int flags)
{
    enum fault_result r;

    mmap_read_lock(mm);
    r = mm_handle_fault(vma_lookup(mm, va), va, flags);
    mmap_read_unlock(mm);
    return r;
}

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

/* ---- /dev/page-huge's row on an object of the test's ---- */

static struct huge_object object;

static int object_mmap(struct file *f, struct vma *v)
{
    return hugetlb_setup_vma(v, &object, PT_HUGETLB_CHAR);
}

static unsigned int object_level(struct file *f, size_t *len)
{
    return object.pool->level;
}

static const struct file_ops object_ops = {.mmap = object_mmap, .map_level = object_level};

static vaddr_t map_device(u64 pages)
{
    struct file *f = file_alloc_anon("ktest-page-huge", &object_ops, O_RDWR, NULL);
    vaddr_t va;

    EXPECT(!IS_ERR(f));
    va = test_map_file(0, pages * size, RW, MAP_PRIVATE, f);
    file_put(f);
    return va;
}

static bool device_begin(u64 pages)
{
    if (!pool_begin(pages))
        return false;
    huge_object_init(&object, pool, NULL, NULL);
    huge_zero_get();
    return true;
}

static void device_end(void)
{
    huge_object_destroy(&object);
    huge_zero_put();
    pool_end();
}

/* ---- promises ---- */

KTEST(hugetlb, promises_follow_the_entries)
{
    struct mm *mm;
    vaddr_t va;

    if (!pool_begin(POOL))
        return;
    mm = test_mm_enter();
    va = map_new(4, MAP_PRIVATE);
    EXPECT_COUNTS(POOL, 4);
    EXPECT(test_write(va, 1) && test_write(va + 2 * size, 3));
    EXPECT_COUNTS(POOL - 2, 2);
    EXPECT_EQ(test_check(mm), 0);
    EXPECT_EQ(mm_munmap(mm, va + size, size), 0); /* a hole */
    EXPECT_COUNTS(POOL - 2, 1);
    EXPECT_EQ(mm_munmap(mm, va + 2 * size, size), 0); /* a page */
    EXPECT_COUNTS(POOL - 1, 1);
    EXPECT_EQ(mm_madvise(mm, va, size, MADV_DONTNEED), 0);
    EXPECT_COUNTS(POOL, 2); /* the entry is promised again */
    EXPECT_EQ(test_read(va), 0);
    EXPECT_EQ(test_rss(mm, MM_HUGETLB), (long)(size >> PAGE_SHIFT));
    test_mm_leave();
    EXPECT_COUNTS(POOL, 0);
    pool_end();
}

KTEST(hugetlb, nobody_else_gets_what_was_promised)
{
    struct mm *mm;
    vaddr_t owner, guest;

    if (!pool_begin(2))
        return;
    mm = test_mm_enter();
    owner = map_new(2, MAP_PRIVATE);
    guest = map_new(2, MAP_PRIVATE | MAP_NORESERVE);
    EXPECT_EQ(fault(mm, guest, FAULT_WRITE), FAULT_SIGBUS);
    EXPECT_EQ(fault(mm, guest, 0), FAULT_SIGBUS);
    EXPECT_EQ(fault(mm, owner, FAULT_WRITE), FAULT_OK);
    EXPECT_EQ(fault(mm, owner + size, 0), FAULT_OK);
    EXPECT_COUNTS(0, 0);
    test_mm_leave();
    pool_end();
}

/* A process that has written a private page, and its child, which shares it. */
struct family {
    struct mm *mm, *child;
    vaddr_t va;
};

/* With @nr pages in the pool. False: no huge pages here. */
static bool family_begin(struct family *f, unsigned long nr)
{
    if (!pool_begin(nr))
        return false;
    f->mm = test_mm_enter();
    f->va = map_new(1, MAP_PRIVATE);
    EXPECT(test_write(f->va, 5));
    f->child = mm_fork(f->mm);
    EXPECT(!IS_ERR(f->child));
    return true;
}

static void family_end(struct family *f)
{
    if (f->child)
        mm_put(f->child);
    test_mm_leave();
    pool_end();
}

/* A page that a child has, too, does not come back when the owner drops it. */
KTEST(hugetlb, dropping_a_shared_page)
{
    struct family f;
    vaddr_t va;

    if (!family_begin(&f, 2))
        return;
    va = f.va;
    EXPECT_COUNTS(1, 0);
    EXPECT_EQ(mm_madvise(f.mm, va, size, MADV_DONTNEED), 0);
    EXPECT_COUNTS(1, 1); /* promised the page that is left */
    EXPECT(test_write(va, 6));
    EXPECT_COUNTS(0, 0);
    EXPECT_EQ(mm_madvise(f.mm, va, size, MADV_DONTNEED), 0);
    EXPECT_COUNTS(1, 1);
    huge_pool_resize(pool, 0); /* what is promised or used stays, as surplus */
    EXPECT(test_write(va, 7));
    EXPECT_EQ(test_check(f.mm) + test_check(f.child), 0);
    family_end(&f);
}

KTEST(hugetlb, no_promise_is_left_when_there_is_no_page)
{
    struct family f;

    if (!family_begin(&f, 1))
        return;
    EXPECT_EQ(mm_madvise(f.mm, f.va, size, MADV_DONTNEED), 0);
    EXPECT_COUNTS(0, 0);
    EXPECT_EQ(fault(f.mm, f.va, FAULT_WRITE), FAULT_SIGBUS);
    EXPECT_EQ(fault(f.child, f.va, 0), FAULT_OK);
    mm_put(f.child);
    f.child = NULL;
    EXPECT_COUNTS(1, 0);
    EXPECT_EQ(fault(f.mm, f.va, FAULT_WRITE), FAULT_OK);
    family_end(&f);
}

/* ---- fork ---- */

KTEST(hugetlb, the_owner_wins)
{
    struct family f;
    struct page *p;
    vaddr_t va;

    if (!family_begin(&f, 1))
        return;
    va = f.va;
    p = test_page(f.mm, va);
    EXPECT_EQ(page_mapcount(p), 2);
    EXPECT_EQ(fault(f.child, va, FAULT_WRITE), FAULT_SIGBUS);
    EXPECT(test_write(va, 6));
    EXPECT(test_page(f.mm, va) == p && page_mapcount(p) == 1 && page_test(p, PG_EXCLUSIVE));
    EXPECT_EQ(fault(f.child, va, 0), FAULT_SIGBUS); /* lost for good */
    EXPECT_EQ(test_check(f.mm) + test_check(f.child), 0);
    EXPECT_EQ(test_rss(f.child, MM_HUGETLB), 0);
    mm_put(f.child);
    test_mm_leave();
    EXPECT_COUNTS(1, 0);
    pool_end();
}

static struct page *pin(struct mm *mm, vaddr_t va)
{
    struct page *p;

    mmap_read_lock(mm);
    p = vma_ops(vma_lookup(mm, va))->pin(vma_lookup(mm, va), va, true);
    mmap_read_unlock(mm);
    return p;
}

KTEST(hugetlb, pinned_page_is_copied_for_the_child)
{
    struct mm *mm, *child;
    struct page *p;
    vaddr_t va;

    if (!pool_begin(2))
        return;
    mm = test_mm_enter();
    va = map_new(1, MAP_PRIVATE);
    EXPECT(test_write(va + 5 * PAGE_SIZE, 5));
    p = pin(mm, va + 5 * PAGE_SIZE);
    EXPECT_OR_RETURN(p != NULL && !IS_ERR(p));
    EXPECT_EQ(*(u64 *)page_to_virt(p), 5);
    EXPECT_EQ(page_pins(page_head(p)), 1);
    child = mm_fork(mm);
    EXPECT(!IS_ERR(child));
    EXPECT(test_page(mm, va) != test_page(child, va));
    EXPECT_COUNTS(0, 0);
    EXPECT_EQ(PTR_ERR(mm_fork(mm)), -ENOMEM); /* no page for another copy: nothing changed */
    EXPECT_EQ(test_check(mm) + test_check(child), 0);
    EXPECT_EQ(mm_munmap(mm, va, size), 0);
    EXPECT_COUNTS(0, 0); /* the pin keeps it */
    page_unpin(p);
    EXPECT_COUNTS(1, 0);
    mm_put(child);
    test_mm_leave();
    pool_end();
}

/* ---- mremap ---- */

static long move_to(struct mm *mm, vaddr_t va, vaddr_t to, u64 pages)
{
    struct mremap_request q = {.addr = va,
                               .old_len = pages * size,
                               .new_len = pages * size,
                               .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                               .new_addr = to};

    return mm_mremap(mm, &q);
}

/* Every allocation on the way fails once: either all moved, or nothing, with its promises. */
KTEST(hugetlb, move_is_all_or_nothing)
{
    struct mm *mm;
    vaddr_t va, to;
    unsigned int n = 0;
    long ret = 0;

    if (!pool_begin(POOL))
        return;
    do {
        mm = test_mm_enter();
        va = map_new(4, MAP_PRIVATE);
        to = va - GIB(8);
        EXPECT(test_write(va, 1) && test_write(va + 2 * size, 3));
        fail_set_nth(current, (long)++n);
        ret = move_to(mm, va + size, to, 3);
        fail_set_nth(current, 0);
        EXPECT(ret == (long)to || ret == -ENOMEM);
        EXPECT_COUNTS(POOL - 2, 2);
        EXPECT_EQ(test_check(mm), 0);
        EXPECT_EQ(test_read(va), 1);
        EXPECT_EQ(test_read((ret < 0 ? va : to - size) + 2 * size), 3);
        EXPECT(test_write((ret < 0 ? va : to - size) + size, 2));
        test_mm_leave();
        EXPECT_COUNTS(POOL, 0);
    } while (ret < 0 && n < 100);
    EXPECT(n > 1 && n < 100);
    pool_end();
}

/* ---- objects ---- */

KTEST(hugetlb, promise_of_an_object_fails_cleanly)
{
    struct huge_object *o;
    struct file *f;
    unsigned int n = 0;
    int err;

    if (!pool_begin(POOL))
        return;
    f = new_object(200);
    o = huge_object_of(f->mapping);
    EXPECT_EQ(huge_object_promise(o, 2, 3), 0);
    EXPECT_EQ(huge_object_promise(o, 100, 101 + POOL), -ENOMEM);
    EXPECT_COUNTS(POOL, 1);
    do {
        fail_set_nth(current, (long)++n);
        err = huge_object_promise(o, 62, 66); /* the tree needs another node half way */
        fail_set_nth(current, 0);
        EXPECT(err == 0 || err == -ENOMEM);
        EXPECT_COUNTS(POOL, err ? 1 : 5);
    } while (err && n < 50);
    EXPECT(n > 1);
    EXPECT_EQ(huge_object_promise(o, 62, 66), 0); /* nothing more to promise */
    EXPECT_COUNTS(POOL, 5);
    huge_object_unpromise(o, 63, 65);
    EXPECT_COUNTS(POOL, 3);
    file_put(f);
    EXPECT_COUNTS(POOL, 0);
    pool_end();
}

/* ---- subpools ---- */

KTEST(hugetlb, subpools_count_promises_and_pages)
{
    struct huge_subpool *sub;
    struct page *a, *b;

    if (!pool_begin(POOL))
        return;
    EXPECT_EQ(PTR_ERR(huge_subpool_create(pool, 1, 2)), -EINVAL);
    EXPECT_EQ(PTR_ERR(huge_subpool_create(pool, ~0ULL, POOL + 1)), -ENOMEM);
    sub = huge_subpool_create(pool, 4, 2);
    EXPECT_OR_RETURN(!IS_ERR(sub));
    EXPECT_COUNTS(POOL, 2);
    EXPECT_EQ(huge_reserve(pool, sub, 5), -ENOMEM);
    a = huge_take(pool, sub, false); /* out of the minimum */
    EXPECT_OR_RETURN(a != NULL);
    EXPECT_EQ(huge_pool_counts(pool).nr_reserved, 1);
    EXPECT_EQ(huge_reserve(pool, sub, 3), 0);
    EXPECT_EQ(huge_pool_counts(pool).nr_reserved, 3);
    EXPECT(huge_take(pool, sub, false) == NULL); /* the limit */
    EXPECT_EQ(huge_reserve(pool, sub, 1), -ENOMEM);
    b = huge_take(pool, sub, true);
    EXPECT_OR_RETURN(b != NULL);
    EXPECT_EQ(huge_subpool_used(sub), 4);
    huge_give_back(b, true);
    EXPECT_EQ(huge_pool_counts(pool).nr_reserved, 3);
    huge_unreserve(pool, sub, 3);
    EXPECT_EQ(huge_pool_counts(pool).nr_reserved, 1);
    huge_subpool_destroy(sub); /* lives until the last page comes back */
    EXPECT_EQ(huge_pool_counts(pool).nr_reserved, 0);
    huge_give_back(a, false);
    EXPECT_COUNTS(POOL, 0);
    pool_end();
}

KTEST(hugetlb, surplus_lives_as_long_as_it_is_needed)
{
    if (!pool_begin(1))
        return;
    pool->max_surplus = 2;
    EXPECT_EQ(huge_reserve(pool, NULL, 4), -ENOMEM);
    EXPECT_EQ(huge_pool_counts(pool).nr, 1);
    if (huge_reserve(pool, NULL, 3) == 0) {
        struct page *p = huge_take(pool, NULL, true);

        EXPECT_EQ(huge_pool_counts(pool).nr_surplus, 2);
        huge_unreserve(pool, NULL, 2);
        EXPECT_EQ(huge_pool_counts(pool).nr, 1);
        huge_give_back(p, false);
        EXPECT_EQ(huge_pool_counts(pool).nr_free, 1);
    }
    pool->max_surplus = 0;
    pool_end();
}

/* ---- /dev/page-huge; the defects of the example of 2007 ---- */

KTEST(hugetlb, zeroes_keep_the_promise)
{
    struct mm *mm;
    struct page *zero;
    vaddr_t va;

    if (!device_begin(2))
        return;
    mm = test_mm_enter();
    va = map_device(2);
    EXPECT_EQ(test_read(va), 0);
    EXPECT_EQ(test_read(va + size + 3 * PAGE_SIZE), 0);
    zero = test_page(mm, va);
    EXPECT(zero != NULL && zero->kind == PAGE_ZERO && zero == test_page(mm, va + size));
    EXPECT_COUNTS(2, 2);
    EXPECT_EQ(page_refs(zero), 1);
    EXPECT(test_write(va + size, 1));
    EXPECT_EQ(test_read(va), 0);
    EXPECT_EQ(test_read(va + size), 1);
    EXPECT_COUNTS(1, 1);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    device_end();
}

/* Present or not, reading or writing, with and without pages: each path returns what it means and
 * holds nothing (the lock checker looks at the end of each fault in a system call, and the next
 * fault would hang). */
KTEST(hugetlb, every_path_of_a_fault_has_a_result)
{
    static const unsigned int access[] = {0, FAULT_WRITE};
    struct mm *mm, *child;
    vaddr_t va;

    for (unsigned int first = 0; first < 2; first++) {
        for (unsigned int second = 0; second < 2; second++) {
            if (!device_begin(1))
                return;
            mm = test_mm_enter();
            va = map_device(1);
            EXPECT_EQ(fault(mm, va, access[first]), FAULT_OK);
            EXPECT_EQ(fault(mm, va, access[second]), FAULT_OK);
            EXPECT_EQ(fault(mm, va, access[second]), FAULT_OK); /* answered already */
            EXPECT_EQ(fault(mm, va + PAGE_SIZE, FAULT_WRITE), FAULT_OK);
            child = mm_fork(mm);
            EXPECT(!IS_ERR(child));
            EXPECT_EQ(fault(child, va, access[first]), first ? FAULT_SIGBUS : FAULT_OK);
            EXPECT_EQ(fault(child, va, FAULT_WRITE), FAULT_SIGBUS);
            EXPECT_EQ(fault(child, va, FAULT_WRITE), FAULT_SIGBUS);
            EXPECT_EQ(fault(mm, va, FAULT_WRITE), FAULT_OK);
            EXPECT_EQ(fault(child, va, 0), FAULT_SIGBUS);
            mm_put(child);
            test_mm_leave();
            device_end();
        }
    }
}

struct race {
    struct mm *mm;
    vaddr_t va;
    atomic_t ready;
    unsigned int members;
};

static void racer(struct team *team, unsigned int nr)
{
    struct race *r = team->arg;

    live_in(r->mm);
    for (unsigned int round = 0; round < 30; round++) {
        atomic_inc(&r->ready);
        while (atomic_read(&r->ready) < (int)((round * 2 + 1) * r->members))
            cpu_relax();
        EXPECT(test_write(r->va + (round % 2) * size + nr * 64, nr + round));
        atomic_inc(&r->ready);
        while (atomic_read(&r->ready) < (int)((round * 2 + 2) * r->members))
            cpu_relax();
        if (nr == 0)
            EXPECT_EQ(mm_madvise(r->mm, r->va, 2 * size, MADV_DONTNEED), 0);
    }
    mm_set_current(NULL);
}

/* Threads that find the same hole: one page is used, the others go back; the pool has no page to
 * spare, so one that leaks would show at once. */
KTEST(hugetlb, lost_races_give_the_page_back)
{
    struct race r = {.members = min(nr_cpus_online, 4u)};
    struct team team = {.arg = &r};

    if (!device_begin(2))
        return;
    r.mm = test_mm_enter();
    r.va = map_device(2);
    team_run(&team, r.members, racer, true);
    EXPECT_COUNTS(2, 2);
    EXPECT(test_write(r.va, 1) && test_write(r.va + size, 1));
    EXPECT_COUNTS(0, 0);
    EXPECT_EQ(test_check(r.mm), 0);
    test_mm_leave();
    device_end();
}

/* ---- truncation ---- */

/* What a fault does that looked at the size before truncation, and makes the page after it. */
KTEST(hugetlb, no_page_for_a_fault_beyond_the_size)
{
    struct huge_object *o;
    struct page *p;
    struct file *f;

    if (!pool_begin(POOL))
        return;
    f = new_object(2);
    o = huge_object_of(f->mapping);
    EXPECT_EQ(huge_object_get_page(o, 1, false, &p), 0);
    page_unlock(p);
    page_put(p);
    EXPECT_EQ(huge_object_get_page(o, 2, false, &p), -ENXIO);
    EXPECT_COUNTS(POOL - 1, 0);
    EXPECT_EQ(huge_object_get_page(o, 2, true, &p), 0); /* fallocate with KEEP_SIZE */
    page_unlock(p);
    page_put(p);
    EXPECT_EQ(huge_object_get_page(o, 2, false, &p), -ENXIO);
    EXPECT_COUNTS(POOL - 2, 0);
    file_put(f);
    EXPECT_COUNTS(POOL, 0);
    pool_end();
}

KTEST(hugetlb, object_pages_leave_by_truncation)
{
    struct mm *mm;
    struct file *f;
    vaddr_t shared, private;

    if (!pool_begin(POOL))
        return;
    mm = test_mm_enter();
    f = new_object(2);
    shared = test_map_file(0, 2 * size, RW, MAP_SHARED, f);
    private = test_map_file(0, 2 * size, RW, MAP_PRIVATE, f);
    EXPECT_COUNTS(POOL, 4);
    EXPECT(test_write(shared, 1) && test_write(shared + size, 2));
    EXPECT_EQ(test_read(private + size), 2);
    EXPECT(test_write(private, 3));
    EXPECT_COUNTS(POOL - 3, 1);
    EXPECT_EQ(test_check(mm), 0);
    EXPECT_EQ(f->op->fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (loff_t)size), 0);
    EXPECT_COUNTS(POOL - 1, 2);
    EXPECT_EQ(test_read(shared), 0);
    EXPECT_EQ(test_read(private), 0);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    file_put(f);
    EXPECT_COUNTS(POOL, 0);
    pool_end();
}
