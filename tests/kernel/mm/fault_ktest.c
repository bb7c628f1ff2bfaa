/* SPDX-License-Identifier: MIT */
/* fault_ktest.c: page faults of row PT_DEFAULT: what gets mapped, what is refused, what is counted;
 * memory running out; the trace. */
#include <kernel/string.h>
#include <kernel/vfs.h>
#include <mm/faulttrace.h>
#include <mm/page_cache.h>
#include "pt_test.h"
#include "tests/kernel/team.h"

KTEST(fault, read_maps_the_zero_page)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(4 * PAGE_SIZE, RW, ANON);

    EXPECT_EQ(test_read(va + PAGE_SIZE), 0);
    EXPECT(test_page(mm, va + PAGE_SIZE) == zero_page);
    EXPECT(test_page(mm, va) == NULL);
    EXPECT_EQ(mm_rss(mm), 0);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

KTEST(fault, write_gets_an_exclusive_page)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(4 * PAGE_SIZE, RW, ANON);
    struct page *p;

    EXPECT(test_write(va + 8, 5));
    EXPECT_EQ(test_read(va + 8), 5);
    EXPECT_EQ(test_read(va), 0);
    p = test_page(mm, va);
    EXPECT_OR_RETURN(p != NULL);
    EXPECT(p->kind == PAGE_ANON && page_test(p, PG_EXCLUSIVE));
    EXPECT_EQ(page_mapcount(p), 1);
    EXPECT_EQ(page_refs(p), 1);
    EXPECT_EQ(test_rss(mm, MM_ANON), 1);
    EXPECT_EQ(test_check(mm), 0);
    EXPECT_EQ(mm_munmap(mm, va, 4 * PAGE_SIZE), 0);
    EXPECT_EQ(mm_rss(mm), 0);
    EXPECT_EQ(atomic_long_read(&mm->pt_pages), 1L << pt_table_order(pt_top_level()));
    test_mm_leave();
}

KTEST(fault, write_after_read_replaces_the_zero_page)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(PAGE_SIZE, RW, ANON);

    EXPECT_EQ(test_read(va), 0);
    EXPECT(test_write(va, 9));
    EXPECT_EQ(test_read(va), 9);
    EXPECT_EQ(*(u64 *)page_to_virt(zero_page), 0);
    EXPECT_EQ(test_rss(mm, MM_ANON), 1);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

KTEST(fault, what_is_not_allowed_fails)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(3 * PAGE_SIZE, RW, ANON);

    EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, PROT_READ), 0);
    EXPECT_EQ(mm_mprotect(mm, va + 2 * PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
    EXPECT(!test_write(va, 1));
    EXPECT_EQ(test_read(va), 0);
    EXPECT(!test_write(va, 1));
    EXPECT(test_write(va + PAGE_SIZE, 1));
    EXPECT_EQ(test_read(va + 2 * PAGE_SIZE), ~0ULL);
    EXPECT_EQ(test_read(va + 3 * PAGE_SIZE), ~0ULL); /* nothing mapped */
    EXPECT_EQ(test_read(0), ~0ULL);
    EXPECT_EQ(test_read(user_top()), ~0ULL);
    current->pagefault_disabled++;
    EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, RW), 0);
    EXPECT(!test_write(va, 1));
    current->pagefault_disabled--;
    EXPECT(test_write(va, 1));
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* mprotect away and back: pages keep their contents, writing needs no second copy. */
KTEST(fault, protect_and_back)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(64 * PAGE_SIZE, RW, ANON);
    struct page *p;

    for (unsigned int i = 0; i < 64; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    p = test_page(mm, va);
    for (unsigned int round = 0; round < 2; round++) {
        EXPECT_EQ(mm_mprotect(mm, va, 64 * PAGE_SIZE, round ? PROT_NONE : PROT_READ), 0);
        EXPECT(!test_write(va + 5 * PAGE_SIZE, 1));
        EXPECT_EQ(test_check(mm), 0);
        EXPECT_EQ(mm_mprotect(mm, va, 64 * PAGE_SIZE, RW), 0);
        EXPECT(test_write(va, 100));
        EXPECT(test_page(mm, va) == p);
        EXPECT_EQ(test_read(va + 5 * PAGE_SIZE), 5);
    }
    EXPECT_EQ(test_rss(mm, MM_ANON), 64);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

static struct file *object(u64 pages)
{
    struct file *f = shmem_file_create("ktest", pages * PAGE_SIZE, 0);

    EXPECT(!IS_ERR(f));
    return f;
}

KTEST(fault, shared_object_is_seen_by_all)
{
    struct mm *mm = test_mm_enter();
    struct file *f = object(40);
    vaddr_t a = test_map_file(0, 40 * PAGE_SIZE, RW, MAP_SHARED, f);
    vaddr_t b = test_map_file(0, 40 * PAGE_SIZE, RW, MAP_SHARED, f);
    u64 before;

    for (unsigned int i = 0; i < 40; i++)
        EXPECT(test_write(a + i * PAGE_SIZE, 1000 + i));
    EXPECT_EQ(test_rss(mm, MM_SHMEM), 40);
    EXPECT_EQ(test_rss(mm, MM_ANON), 0);
    before = vmstat_sum(VMSTAT_pgfault);
    for (unsigned int i = 0; i < 40; i++)
        EXPECT_EQ(test_read(b + i * PAGE_SIZE), 1000 + i);
    EXPECT(vmstat_sum(VMSTAT_pgfault) - before <= 5); /* neighbours came along */
    EXPECT(test_page(mm, a) == test_page(mm, b));
    EXPECT_EQ(page_mapcount(test_page(mm, a)), 2);
    EXPECT(test_write(b, 7));
    EXPECT_EQ(test_read(a), 7);
    EXPECT_EQ(test_check(mm), 0);
    EXPECT_EQ(mm_munmap(mm, a, 40 * PAGE_SIZE), 0);
    EXPECT_EQ(test_read(b + 3 * PAGE_SIZE), 1003);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    file_put(f);
}

KTEST(fault, private_mapping_copies)
{
    struct mm *mm = test_mm_enter();
    struct file *f = object(4);
    vaddr_t shared = test_map_file(0, 4 * PAGE_SIZE, RW, MAP_SHARED, f);
    vaddr_t private = test_map_file(0, 4 * PAGE_SIZE, RW, MAP_PRIVATE, f);

    EXPECT(test_write(shared, 1));
    EXPECT(test_write(shared + PAGE_SIZE, 2));
    EXPECT_EQ(test_read(private), 1);
    EXPECT(test_page(mm, private) == test_page(mm, shared));
    EXPECT(test_write(private, 11));             /* copy of what was mapped */
    EXPECT(test_write(private + PAGE_SIZE, 22)); /* copy at once */
    EXPECT_EQ(test_read(shared), 1);
    EXPECT_EQ(test_read(shared + PAGE_SIZE), 2);
    EXPECT_EQ(test_read(private), 11);
    EXPECT_EQ(test_rss(mm, MM_ANON), 2);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    file_put(f);
}

/* Shrinking the object takes the translations away; behind its end there is nothing. */
KTEST(fault, end_of_the_object)
{
    struct mm *mm = test_mm_enter();
    struct file *f = object(8);
    vaddr_t va = test_map_file(0, 16 * PAGE_SIZE, RW, MAP_SHARED, f);
    vaddr_t private = test_map_file(0, 16 * PAGE_SIZE, RW, MAP_PRIVATE, f);
    struct inode *i = f->inode;

    for (unsigned int n = 0; n < 8; n++) {
        EXPECT(test_write(va + n * PAGE_SIZE, n));
        EXPECT(test_write(private + n * PAGE_SIZE, n));
    }
    EXPECT_EQ(test_read(va + 8 * PAGE_SIZE), ~0ULL);
    rwsem_write_lock(&i->lock);
    EXPECT_EQ(i->iop->setsize(i, 3 * PAGE_SIZE), 0);
    rwsem_write_unlock(&i->lock);
    EXPECT_EQ(test_read(va + 2 * PAGE_SIZE), 2);
    EXPECT_EQ(test_read(va + 3 * PAGE_SIZE), ~0ULL);
    EXPECT_EQ(test_read(private + 3 * PAGE_SIZE), ~0ULL);
    EXPECT_EQ(test_rss(mm, MM_SHMEM), 3);
    EXPECT_EQ(test_rss(mm, MM_ANON), 3);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    file_put(f);
}

KTEST(fault, stack_grows_down)
{
    struct mm *mm = test_mm_enter();
    vaddr_t top = 0x7000000000, start = top - 4 * PAGE_SIZE;
    unsigned long flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_GROWSDOWN;

    EXPECT_EQ(mm_map_anon_fixed(mm, start, 4 * PAGE_SIZE, flags), 0);
    EXPECT(test_write(start - 8 * PAGE_SIZE, 3));
    EXPECT_EQ(test_read(start - 8 * PAGE_SIZE), 3);
    EXPECT_EQ(test_read(start - 2 * PAGE_SIZE), 0);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* Each allocation of a fault fails once: an error or success, never a leak or a half-made state. */
static void sweep(struct file *f, unsigned long flags, bool write)
{
    bool failed = true;

    for (long n = 1; failed; n++) {
        struct mm *mm = test_mm_enter();
        vaddr_t va = test_map_file(0, 2 * PAGE_SIZE, RW, flags, f);
        bool ok;

        fail_set_nth(current, n);
        ok = write ? test_write(va, 1) : test_read(va) != ~0ULL;
        failed = current->fail_nth == 0;
        fail_set_nth(current, 0);
        EXPECT(ok || failed);
        EXPECT_EQ(test_check(mm), 0);
        test_mm_leave();
    }
}

KTEST(fault, memory_runs_out)
{
    for (unsigned int write = 0; write < 2; write++) {
        struct file *f = object(4);

        sweep(NULL, ANON, write);
        sweep(f, MAP_SHARED, write);
        file_put(f);
        f = object(4);
        sweep(f, MAP_PRIVATE, write);
        file_put(f);
    }
}

/* mremap moves whole tables where it can, and entries where not; contents follow either way. */
KTEST(fault, move)
{
    size_t len = 3 * pt_size(1);

    for (unsigned int odd = 0; odd < 2; odd++) {
        struct mm *mm = test_mm_enter();
        vaddr_t from = test_map_file(64 * pt_size(1), len, RW, ANON, NULL),
                to = 128 * pt_size(1) + odd * PAGE_SIZE;
        struct vma *v = vma_lookup(mm, from), *w;
        size_t moved;

        for (size_t off = 0; off < len; off += 37 * PAGE_SIZE)
            EXPECT(test_write(from + off, off));
        EXPECT_EQ(test_map_file(to, len, RW, ANON, NULL), to);
        w = vma_lookup(mm, to);
        mmap_write_lock(mm);
        vma_write_lock(v);
        vma_write_lock(w);
        w->pgoff = v->pgoff;
        EXPECT_EQ(vma_ops(v)->move(v, from, w, to, len, &moved), 0);
        mmap_write_unlock(mm);
        EXPECT_EQ(moved, len);
        for (size_t off = 0; off < len; off += 37 * PAGE_SIZE) {
            EXPECT_EQ(test_read(to + off), off);
            EXPECT_EQ(test_read(from + off), 0);
        }
        EXPECT_EQ(test_check(mm), 0);
        test_mm_leave();
    }
}

KTEST(fault, trace)
{
    static char text[4096];
    vaddr_t va;
    u64 pos = ~0ULL >> 1;
    size_t n;

    EXPECT_EQ(faulttrace_control("nonsense"), -EINVAL);
    EXPECT_EQ(faulttrace_control("pid 0"), -EINVAL);
    test_mm_enter();
    va = test_map(2 * PAGE_SIZE, RW, ANON);
    EXPECT_EQ(faulttrace_control("1\n"), 0);
    pos = 0;
    while (faulttrace_read(&pos, text, sizeof(text)) != 0)
        ; /* to the end */
    EXPECT_EQ(test_read(va), 0);
    EXPECT(test_write(va, 1));
    EXPECT(test_write(va + PAGE_SIZE, 1));
    EXPECT(test_read(1) == ~0ULL);
    EXPECT_EQ(faulttrace_control("0"), 0);
    n = faulttrace_read(&pos, text, sizeof(text) - 1);
    text[n] = '\0';
    EXPECT(strstr(text, " r anon-zero 0 ") != NULL);
    EXPECT(strstr(text, " w cow 0 ") != NULL);
    EXPECT(strstr(text, " w anon 0 ") != NULL);
    EXPECT(strstr(text, " r segv ") != NULL);
    EXPECT_EQ(faulttrace_read(&pos, text, sizeof(text)), 0);
    test_mm_leave();
}

/*
 * All CPUs touch a region that has no tables yet, at the same moment: each makes the tables or
 * finds somebody else's, and nobody fails.
 */
#define REGION_STRIDE (1UL << 30)
#define NR_REGIONS 200

struct meeting {
    struct mm *mm;
    vaddr_t base;
    atomic_t arrived;
};

static void meet_and_touch(struct team *team, unsigned int nr)
{
    struct meeting *m = team->arg;

    mm_get(m->mm);
    mm_set_current(m->mm);
    for (unsigned int i = 0; i < NR_REGIONS; i++) {
        atomic_inc(&m->arrived);
        while (atomic_read(&m->arrived) < (int)((i + 1) * nr_cpus_online))
            cpu_relax();
        EXPECT(test_write(m->base + i * REGION_STRIDE + nr * PAGE_SIZE, nr));
    }
    mm_set_current(NULL);
}

KTEST(fault, first_touch_by_all_cpus)
{
    struct meeting m = { .mm = test_mm_enter() };
    struct team team = { .arg = &m };

    m.base = test_map(NR_REGIONS * REGION_STRIDE, RW, ANON | MAP_NORESERVE);
    team_run(&team, nr_cpus_online, meet_and_touch, true);
    for (unsigned int i = 0; i < NR_REGIONS; i++)
        for (unsigned int nr = 0; nr < nr_cpus_online; nr++)
            EXPECT_EQ(test_read(m.base + i * REGION_STRIDE + nr * PAGE_SIZE), nr);
    EXPECT_EQ(test_check(m.mm), 0);
    test_mm_leave();
}

#define NR_SHARED_PAGES 60

static void meet_on_one_page(struct team *team, unsigned int nr)
{
    struct meeting *m = team->arg;

    mm_get(m->mm);
    mm_set_current(m->mm);
    for (unsigned int i = 0; i < NR_SHARED_PAGES; i++) {
        atomic_inc(&m->arrived);
        while (atomic_read(&m->arrived) < (int)((i + 1) * nr_cpus_online))
            cpu_relax();
        EXPECT(test_write(m->base + i * PAGE_SIZE + nr * sizeof(u64), nr + 1));
    }
    mm_set_current(NULL);
}

/* All write to the same new page at the same moment: one brings it, and nobody's word is lost. */
KTEST(fault, one_page_by_all_cpus)
{
    struct meeting m = { .mm = test_mm_enter() };
    struct team team = { .arg = &m };

    m.base = test_map(NR_SHARED_PAGES * PAGE_SIZE, RW, ANON);
    team_run(&team, nr_cpus_online, meet_on_one_page, true);
    for (unsigned int i = 0; i < NR_SHARED_PAGES; i++)
        for (unsigned int nr = 0; nr < nr_cpus_online; nr++)
            EXPECT_EQ(test_read(m.base + i * PAGE_SIZE + nr * sizeof(u64)), nr + 1);
    EXPECT_EQ(test_rss(m.mm, MM_ANON), NR_SHARED_PAGES);
    EXPECT_EQ(test_check(m.mm), 0);
    test_mm_leave();
}
