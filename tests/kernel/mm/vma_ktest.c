/* SPDX-License-Identifier: MIT */
/* vma_ktest.c: the lock of one area under real concurrency, fork of a busy address space, areas by
 * the thousand. */
#include <kernel/vfs.h>
#include <mm/slab.h>
#include "mm/vma_internal.h"
#include "pt_test.h"
#include "tests/kernel/team.h"

#define ARENA 0x10000000UL
#define SLOTS 24u

/* Threads of one address space: some map and unmap, the others touch. */
struct arena {
    struct mm *mm;
    atomic_t touched, refused;
    bool made; /* nothing changes any more */
};

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

static void change_areas(struct arena *a, u64 *random)
{
    vaddr_t va = ARENA + test_random(random) % SLOTS * PAGE_SIZE;
    size_t len = (1 + test_random(random) % 5) * PAGE_SIZE;
    struct mmap_request r = { .addr = va, .len = len, .prot = RW, .flags = ANON | MAP_FIXED };

    switch (test_random(random) % 4) {
    case 0:
        EXPECT_EQ(mm_munmap(a->mm, va, len), 0);
        break;
    case 1:
        (void)mm_mprotect(a->mm, va, len, PROT_READ);
        break;
    default:
        EXPECT_EQ(mm_mmap(a->mm, &r), (long)va);
        break;
    }
}

static void mapper_or_toucher(struct team *team, unsigned int nr)
{
    struct arena *a = team->arg;
    u64 random = nr * 7919 + 1;

    live_in(a->mm);
    for (unsigned int i = 0; nr == 0 && i < 1500; i++)
        change_areas(a, &random);
    if (nr == 0)
        WRITE_ONCE(a->made, true);
    /* As long as areas change, and then once more around: a CPU may come late. */
    for (unsigned int i = 0; nr != 0 && i < 1500; i += READ_ONCE(a->made)) {
        vaddr_t va = ARENA + test_random(&random) % SLOTS * PAGE_SIZE;

        if (test_write(va, va))
            atomic_inc(&a->touched);
        else
            atomic_inc(&a->refused);
    }
    mm_set_current(NULL);
}

KTEST(vma, faults_against_writers)
{
    struct arena a = { .mm = mm_alloc() };
    struct team team = { .arg = &a };
    u64 fast = vmstat_sum(VMSTAT_vma_lock_success);

    EXPECT_OR_RETURN(a.mm != NULL);
    team_run(&team, 4, mapper_or_toucher, true);
    EXPECT(atomic_read(&a.touched) > 0);
    EXPECT(atomic_read(&a.refused) > 0);
    EXPECT(vmstat_sum(VMSTAT_vma_lock_success) > fast);
    EXPECT_EQ(vma_check(a.mm), 0);
    EXPECT_EQ(test_check(a.mm), 0);
    mm_put(a.mm);
}

/* A writer must not get past a reader that is inside. */
struct handshake {
    struct mm *mm;
    bool writer_done;
};

static void unmap_it(struct team *team, unsigned int nr)
{
    struct handshake *h = team->arg;

    (void)nr;
    EXPECT_EQ(mm_munmap(h->mm, ARENA, PAGE_SIZE), 0);
    WRITE_ONCE(h->writer_done, true);
}

KTEST(vma, writer_waits_for_reader)
{
    struct handshake h = { .mm = test_mm_enter() };
    struct team team = { .arg = &h };
    struct vma *v;

    EXPECT_EQ(test_map_file(ARENA, 3 * PAGE_SIZE, RW, ANON, NULL), ARENA);
    v = vma_lock_under_rcu(h.mm, ARENA);
    EXPECT_OR_RETURN(v != NULL);
    team_start(&team, 1, unmap_it, false);
    test_sleep_ms(20);
    EXPECT(!READ_ONCE(h.writer_done));
    EXPECT_EQ(v->start, ARENA);
    EXPECT(vma_lock_under_rcu(h.mm, ARENA) == NULL); /* the writer has its mark on it */
    vma_read_unlock(v);
    team_join(&team);
    EXPECT(h.writer_done);
    EXPECT(vma_lock_under_rcu(h.mm, ARENA) == NULL);
    v = vma_lock_under_rcu(h.mm, ARENA + PAGE_SIZE);
    EXPECT(v != NULL && v->start == ARENA + PAGE_SIZE);
    if (v)
        vma_read_unlock(v);
    test_mm_leave();
}

static void write_all_the_time(struct team *team, unsigned int nr)
{
    struct arena *a = team->arg;
    u64 n = 0;

    live_in(a->mm);
    while (!team_stopped(team)) {
        n++;
        for (unsigned int i = 0; i < SLOTS; i++)
            EXPECT(test_write(ARENA + (nr * SLOTS + i) * PAGE_SIZE, n));
    }
    mm_set_current(NULL);
}

/* What a child got stays as it was at the fork, whatever the parent's threads go on writing. */
static void look_twice(struct mm *child)
{
    u64 first[2 * SLOTS], again;

    for (unsigned int i = 0; i < 2 * SLOTS; i++)
        EXPECT_EQ(
            mm_access_remote(child, ARENA + i * PAGE_SIZE, &first[i], sizeof(first[i]), false),
            sizeof(first[i]));
    test_sleep_ms(1);
    for (unsigned int i = 0; i < 2 * SLOTS; i++) {
        EXPECT_EQ(mm_access_remote(child, ARENA + i * PAGE_SIZE, &again, sizeof(again), false),
                  sizeof(again));
        EXPECT_EQ(again, first[i]);
    }
}

KTEST(vma, fork_while_threads_write)
{
    struct arena a = { .mm = test_mm_enter() };
    struct team team = { .arg = &a };

    EXPECT_EQ(test_map_file(ARENA, 2 * SLOTS * PAGE_SIZE, RW, ANON, NULL), ARENA);
    team_start(&team, 2, write_all_the_time, false);
    test_sleep_ms(5);
    for (unsigned int i = 0; i < 20; i++) {
        struct mm *child = mm_fork(a.mm);

        EXPECT_OR_RETURN(!IS_ERR(child));
        look_twice(child);
        EXPECT_EQ(vma_check(child), 0);
        EXPECT_EQ(test_check(child), 0);
        mm_put(child);
    }
    team.stop = true;
    team_join(&team);
    test_mm_leave();
}

KTEST(vma, fork_rules)
{
    struct mm *mm = test_mm_enter(), *child;
    u64 word = 0;

    EXPECT_EQ(test_map_file(ARENA, 4 * PAGE_SIZE, RW, ANON, NULL), ARENA);
    EXPECT_EQ(test_map_file(ARENA + MIB(1), PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS, NULL),
              ARENA + MIB(1));
    for (unsigned int i = 0; i < 4; i++)
        EXPECT(test_write(ARENA + i * PAGE_SIZE, 10 + i));
    EXPECT_EQ(mm_madvise(mm, ARENA + PAGE_SIZE, PAGE_SIZE, MADV_DONTFORK), 0);
    EXPECT_EQ(mm_madvise(mm, ARENA + 2 * PAGE_SIZE, PAGE_SIZE, MADV_WIPEONFORK), 0);
    EXPECT_EQ(mm_mlock(mm, ARENA, PAGE_SIZE, VM_LOCKED), 0);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(child->locked_vm, 0);
    EXPECT_EQ(child->total_vm, 4);
    EXPECT_EQ(mm_access_remote(child, ARENA, &word, 8, false), 8);
    EXPECT_EQ(word, 10);
    EXPECT_EQ(mm_access_remote(child, ARENA + PAGE_SIZE, &word, 8, false), -EFAULT);
    EXPECT_EQ(mm_access_remote(child, ARENA + 2 * PAGE_SIZE, &word, 8, false), 8);
    EXPECT_EQ(word, 0);
    word = 99;
    EXPECT_EQ(mm_access_remote(child, ARENA, &word, 8, true), 8);
    EXPECT_EQ(mm_access_remote(child, ARENA + MIB(1), &word, 8, true), 8);
    EXPECT_EQ(test_read(ARENA), 10);
    EXPECT_EQ(test_read(ARENA + MIB(1)), 99);
    /* the parent's TLB was flushed: this one copies */
    EXPECT(test_write(ARENA + 3 * PAGE_SIZE, 50));
    EXPECT_EQ(mm_access_remote(child, ARENA + 3 * PAGE_SIZE, &word, 8, false), 8);
    EXPECT_EQ(word, 13);
    EXPECT_EQ(vma_check(child), 0);
    mm_put(child);
    test_mm_leave();
}

KTEST(vma, thousands)
{
    struct mm *mm = test_mm_enter(), *child;
    const unsigned int n = 5000;

    for (unsigned int i = 0; i < n; i++)
        EXPECT_EQ(test_map_file(ARENA + 2 * i * PAGE_SIZE, PAGE_SIZE, PROT_READ, ANON, NULL),
                  ARENA + 2 * i * PAGE_SIZE);
    EXPECT_EQ(mm->nr_vmas, n);
    EXPECT_EQ(vma_check(mm), 0);
    EXPECT_EQ(vma_find_gap(mm, PAGE_SIZE, ARENA, ARENA + 2 * n * PAGE_SIZE, false),
              ARENA + PAGE_SIZE);
    EXPECT_EQ(vma_find_gap(mm, 2 * PAGE_SIZE, ARENA, ARENA + (2 * n - 1) * PAGE_SIZE, true),
              -ENOMEM);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(vma_check(child), 0);
    mm_put(child);
    EXPECT_EQ(mm_munmap(mm, ARENA, 2 * n * PAGE_SIZE), 0);
    EXPECT_EQ(mm->nr_vmas, 0);
    test_mm_leave();
}

/* Each allocation of a fork fails once: no child, and the parent as it was. */
KTEST(vma, fork_without_memory)
{
#ifdef CONFIG_DEBUG
    struct mm *mm = test_mm_enter(), *child;
    unsigned int failures = 0;

    EXPECT_EQ(test_map_file(ARENA, 3 * PAGE_SIZE, RW, ANON, NULL), ARENA);
    EXPECT_EQ(test_map_file(ARENA + MIB(4), PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS, NULL),
              ARENA + MIB(4));
    EXPECT(test_write(ARENA, 7) && test_write(ARENA + MIB(4), 8));
    for (long n = 1;; n++) {
        current->fail_nth = n;
        child = mm_fork(mm);
        current->fail_nth = 0;
        EXPECT_EQ(vma_check(mm), 0);
        if (!IS_ERR(child))
            break;
        EXPECT_EQ(PTR_ERR(child), -ENOMEM);
        failures++;
    }
    mm_put(child);
    EXPECT(failures >= 4);
    EXPECT_EQ(test_read(ARENA), 7);
    test_mm_leave();
#endif
}
