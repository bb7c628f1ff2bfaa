/* SPDX-License-Identifier: MIT */
/*
 * futex_ktest.c: futexes among kernel threads that borrow a user address space: no lost wake-up
 * under load, requeue, words that are not there.
 */
#include "kernel/futex/internal.h"
#include "tests/kernel/team.h"
#include <kernel/futex.h>
#include <kernel/uaccess.h>
#include <mm/mm.h>
#include <asm/errno.h>

struct arena {
    struct mm *mm;
    u32 *word; /* user addresses */
    unsigned int rounds;
    int result[TEAM_MAX];
};

static bool arena_make(struct arena *a)
{
    struct mmap_request rq = {
        .len = 2 * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE, .flags = MAP_PRIVATE | MAP_ANONYMOUS};
    long at;

    memset(a, 0, sizeof(*a));
    a->mm = mm_alloc();
    if (a->mm == NULL)
        return false;
    at = mm_mmap(a->mm, &rq);
    EXPECT(!IS_ERR((void *)at));
    a->word = (u32 *)at;
    return true;
}

/* The address space for as long as the thread needs it. */
static void enter(const struct arena *a)
{
    mm_get(a->mm);
    mm_set_current(a->mm);
}

static void leave(void)
{
    mm_set_current(NULL);
}

static void check_errors(struct team *team, unsigned int nr)
{
    struct arena *a = team->arg;
    struct futex_key key, other;

    (void)nr;
    enter(a);
    EXPECT_EQ(futex_wait(a->word, 0, 1, 0, FUTEX_ANY_BIT), -EAGAIN);
    EXPECT_EQ(futex_wait(a->word, 0, 0, clock_monotonic_ns() + NSEC_PER_MSEC, FUTEX_ANY_BIT),
              -ETIMEDOUT);
    EXPECT_EQ(futex_wait((u32 *)((char *)a->word + 2), 0, 0, 0, FUTEX_ANY_BIT), -EINVAL);
    EXPECT_EQ(futex_wait((u32 *)PAGE_SIZE, 0, 0, 0, FUTEX_ANY_BIT), -EFAULT);
    EXPECT_EQ(futex_wait((u32 *)PAGE_SIZE, FUTEX_SHARED, 0, 0, FUTEX_ANY_BIT), -EFAULT);
    EXPECT_EQ(futex_wait((u32 *)~3UL, 0, 0, 0, FUTEX_ANY_BIT), -EFAULT);
    EXPECT_EQ(futex_wait(a->word, 0, 0, 0, 0), -EINVAL);
    EXPECT_EQ(futex_wake(a->word, 0, 1, FUTEX_ANY_BIT), 0);
    EXPECT_EQ(futex_get_key(&key, a->word, 0), 0);
    EXPECT_EQ(futex_get_key(&other, a->word + 1, FUTEX_SHARED), 0);
    EXPECT(!futex_key_equal(&key, &other));
    EXPECT_EQ(futex_get_key(&other, a->word, FUTEX_SHARED), 0);
    EXPECT(futex_key_equal(&key, &other)); /* private memory has one name */
    leave();
}

KTEST(futex, errors_and_names)
{
    struct arena a;
    struct team team = {.arg = &a};

    EXPECT_OR_RETURN(arena_make(&a));
    team_run(&team, 1, check_errors, false);
    mm_put(a.mm);
}

/* Takes turns: member nr waits until the word says nr, then passes it on. A lost wake-up ends in
 * the timeout. */
static void take_turns(struct team *team, unsigned int nr)
{
    struct arena *a = team->arg;
    u64 end = clock_monotonic_ns() + 10 * NSEC_PER_SEC;
    unsigned int n = a->rounds >> 16, rounds = a->rounds & 0xffff;

    enter(a);
    for (unsigned int i = 0; i < rounds; i++) {
        u32 value;

        while (get_user_u32(&value, a->word) == 0 && value != nr) {
            int err = futex_wait(a->word, 0, value, end, FUTEX_ANY_BIT);

            if (err != 0 && err != -EAGAIN) {
                a->result[nr] = err;
                leave();
                return;
            }
        }
        if (put_user_u32((nr + 1) % n, a->word) != 0)
            a->result[nr] = -EFAULT;
        (void)futex_wake(a->word, 0, (int)n, FUTEX_ANY_BIT);
    }
    leave();
}

KTEST(futex, no_wake_up_is_lost)
{
    struct arena a;
    struct team team = {.arg = &a};
    unsigned int n = nr_cpus_online + 1;

    EXPECT_OR_RETURN(arena_make(&a));
    a.rounds = n << 16 | 200;
    team_run(&team, n, take_turns, false);
    for (unsigned int i = 0; i < n; i++)
        EXPECT_EQ(a.result[i], 0);
    mm_put(a.mm);
}

/* Members 1.. sleep on word 0; member 0 wakes one, moves the others to word 1, wakes them there. */
static void requeue_member(struct team *team, unsigned int nr)
{
    struct arena *a = team->arg;
    struct futex_pair pair = {a->word, a->word + 1, 0, 1, 100};
    u32 expected = 0;
    int done = 0;

    enter(a);
    if (nr != 0) {
        a->result[nr] =
            futex_wait(a->word, 0, 0, clock_monotonic_ns() + 10 * NSEC_PER_SEC, FUTEX_ANY_BIT);
        leave();
        return;
    }
    test_sleep_ms(50);
    expected = 1;
    EXPECT_EQ(futex_requeue(&pair, &expected), -EAGAIN);
    expected = 0;
    for (int tries = 0; tries < 100 && done < 4; tries++) {
        int moved = futex_requeue(&pair, &expected);

        done += max(moved, 0);
        if (done < 4)
            test_sleep_ms(10);
    }
    EXPECT_EQ(done, 4);
    EXPECT_EQ(futex_wake(a->word, 0, 100, FUTEX_ANY_BIT), 0);
    EXPECT(futex_wake(a->word + 1, 0, 100, FUTEX_ANY_BIT) <= 3);
    leave();
}

KTEST(futex, requeue)
{
    struct arena a;
    struct team team = {.arg = &a};

    EXPECT_OR_RETURN(arena_make(&a));
    team_run(&team, 5, requeue_member, false);
    for (int i = 1; i < 5; i++)
        EXPECT_EQ(a.result[i], 0);
    mm_put(a.mm);
}

/* FUTEX_OP_ADD 1 to the second word, then wake there when it was 0. */
static void wake_op_member(struct team *team, unsigned int nr)
{
    struct arena *a = team->arg;
    struct futex_pair pair = {a->word, (u32 *)((char *)a->word + PAGE_SIZE), 0, 1, 1};
    const u32 add_one_cmp_eq_zero = 1u << 28 | 0u << 24 | 1u << 12 | 0u;
    u32 value = 0;

    (void)nr;
    enter(a);
    EXPECT_EQ(futex_wake_op(&pair, add_one_cmp_eq_zero), 0); /* the page is not there yet */
    EXPECT_EQ(get_user_u32(&value, pair.to), 0);
    EXPECT_EQ(value, 1);
    pair.to = (u32 *)PAGE_SIZE;
    EXPECT_EQ(futex_wake_op(&pair, add_one_cmp_eq_zero), -EFAULT);
    leave();
}

KTEST(futex, wake_op)
{
    struct arena a;
    struct team team = {.arg = &a};

    EXPECT_OR_RETURN(arena_make(&a));
    team_run(&team, 1, wake_op_member, false);
    mm_put(a.mm);
}
