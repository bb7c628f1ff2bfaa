/* SPDX-License-Identifier: MIT */
/* task_ktest.c: kernel threads, ids, users, the table of calls, random numbers. */
#include "kernel/task/internal.h"
#include "tests/kernel/team.h"
#include <kernel/fail.h>
#include <kernel/random.h>
#include <kernel/syscall.h>
#include <kernel/utsname.h>
#include <asm/errno.h>

static int finish_at_once(void *arg)
{
    atomic_t *n = arg;

    atomic_inc(n);
    return 0;
}

static void wait_for_tasks(int n)
{
    for (int i = 0; i < 1000 && READ_ONCE(nr_tasks) > n; i++)
        test_sleep_ms(1);
}

/* A thread that cannot be made leaves nothing; the leak check looks. */
KTEST(task, making_one_may_fail_anywhere)
{
    int before = nr_tasks;
    atomic_t ran = ATOMIC_INIT(0);
    int failed = 0;
    bool came;

    for (unsigned int n = 1; n < 100; n++) {
        struct task *t;

        fail_set_nth(current, (long)n);
        t = kernel_thread(finish_at_once, &ran, "short");
        came = current->fail_nth == 0;
        fail_set_nth(current, 0);
        failed += IS_ERR(t);
        if (!came)
            break;
    }
    wait_for_tasks(before);
    EXPECT(failed >= 1);
    EXPECT(!came);
}

KTEST(task, threads_come_and_go)
{
    int before = nr_tasks;
    atomic_t ran = ATOMIC_INIT(0);

    for (int i = 0; i < 200; i++) {
        struct task *t = kernel_thread(finish_at_once, &ran, "short");

        EXPECT_OR_RETURN(!IS_ERR(t));
        if (i % 16 == 15)
            wait_for_tasks(before);
    }
    wait_for_tasks(before);
    EXPECT_EQ(nr_tasks, before);
    EXPECT_EQ(atomic_read(&ran), 200);
}

static int sleep_until_told(void *arg)
{
    bool *stop = arg;

    while (!READ_ONCE(*stop))
        test_sleep_ms(1);
    return 0;
}

KTEST(task, found_by_id_while_alive)
{
    int before = nr_tasks;
    bool stop = false;
    struct task *t = kernel_thread(sleep_until_told, &stop, "a name that is far too long"), *found;
    pid_t tid;

    EXPECT_OR_RETURN(!IS_ERR(t));
    tid = t->tid;
    found = task_find_get(tid);
    EXPECT(found == t);
    EXPECT_EQ(strlen(t->comm), TASK_COMM_LEN - 1);
    EXPECT(process_find_get(tid) == NULL); /* not the id of a process */
    WRITE_ONCE(stop, true);
    wait_for_tasks(before);
    EXPECT(task_find_get(tid) == NULL);
    if (found != NULL)
        task_put(found);
}

KTEST(task, ids_are_not_used_again_soon)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    pid_t last = pid_alloc_locked(), first = last;
    bool rising = true;

    for (int i = 0; i < 1000; i++) {
        pid_t next = pid_alloc_locked();

        rising &= next > last || next < 1000;
        rising &= task_find_locked(next) == NULL && next != first;
        last = next;
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    EXPECT(rising);
}

KTEST(task, groups_keep_their_number)
{
    struct process *p = process_alloc();
    unsigned long flags;
    pid_t nr, seen = 0;
    int members = 0;

    EXPECT_OR_RETURN(p != NULL);
    flags = spin_lock_irqsave(&tasklist_lock);
    nr = pid_alloc_locked() + 1;
    pgrp_join(p, nr, nr);
    for (int i = 0; i < PID_MAX && seen != nr; i++)
        seen = max(seen, pid_alloc_locked() == nr ? nr : 0);
    for_each_pgrp_member(q, nr)
        members++;
    pgrp_leave(p);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    EXPECT_EQ(members, 1);
    EXPECT_EQ(seen, 0);
    process_put(p);
}

KTEST(task, users_are_counted_once)
{
    struct user *a = user_find_get(4711), *b = user_find_get(4711), *root = user_find_get(0);

    EXPECT(a != NULL && a == b && root == &root_user);
    EXPECT_EQ(atomic_read(&a->refs), 2);
    user_put(root);
    user_put(b);
    user_put(a);
}

KTEST(syscall, table)
{
    for (unsigned int i = 0; i < NR_SYSCALLS; i++)
        EXPECT_OR_RETURN(syscall_table[i] != NULL);
    EXPECT(strcmp(syscall_name(__NR_clone), "clone") == 0);
    EXPECT(strcmp(syscall_name(NR_SYSCALLS), "?") == 0);
}

/* RFC 8439, 2.3.2. */
KTEST(random, chacha20_vector)
{
    static const u32 nonce[4] = { 1, 0x09000000, 0x4a000000, 0 };
    static const u32 expected[16] = { 0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3,
                                      0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
                                      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
                                      0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2 };
    u32 key[8], out[16];

    for (u32 i = 0; i < 8; i++)
        key[i] = (4 * i) | (4 * i + 1) << 8 | (4 * i + 2) << 16 | (4 * i + 3) << 24;
    chacha20_block(out, key, nonce);
    EXPECT(memcmp(out, expected, sizeof(out)) == 0);
}

KTEST(random, requests_differ)
{
    u8 a[100], b[100];
    int equal = 0;

    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    for (size_t i = 0; i < sizeof(a); i++)
        equal += a[i] == b[i];
    EXPECT(equal < 20);
    random_bytes(a, 7);
    random_bytes(b, 7);
    EXPECT(memcmp(a, b, 7) != 0);
}

KTEST(utsname, host_name)
{
    struct new_utsname before, u;

    utsname_get(&before);
    utsname_set_host("somewhere", 9);
    utsname_get(&u);
    EXPECT(strcmp(u.nodename, "somewhere") == 0);
    utsname_set_host(before.nodename, strlen(before.nodename));
}
