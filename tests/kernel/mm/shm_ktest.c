/* SPDX-License-Identifier: MIT */
/* shm_ktest.c: System V segments: ids and keys, attachments, removal while attached, limits. */
#include <kernel/syscall.h>
#include <mm/hugetlb.h>
#include <uapi/shm.h>
#include "mm/vma_internal.h"
#include "pt_test.h"

#define KEY 0x51a1

static long call(unsigned int nr, unsigned long a, unsigned long b, unsigned long c)
{
    return syscall_table[nr](a, b, c, 0, 0, 0);
}

/* A word in user memory for structures. */
static vaddr_t user_page;

static unsigned long attachments(long id)
{
    struct shmid64_ds d;

    EXPECT_EQ(call(__NR_shmctl, (unsigned long)id, IPC_STAT, user_page), 0);
    EXPECT_EQ(copy_from_user(&d, (void *)user_page, sizeof(d)), 0);
    return d.shm_nattch;
}

KTEST(shm, attach_and_share)
{
    struct mm *mm = test_mm_enter(), *child;
    long id, a, b;
    u64 word = 0;

    user_page = test_map(PAGE_SIZE, RW, ANON);
    id = call(__NR_shmget, IPC_PRIVATE, 3 * PAGE_SIZE - 5, 0600);
    EXPECT_OR_RETURN(id >= 0);
    a = call(__NR_shmat, (unsigned long)id, 0, 0);
    b = call(__NR_shmat, (unsigned long)id, 0, SHM_RDONLY);
    EXPECT_OR_RETURN(a > 0 && b > 0);
    EXPECT_EQ(attachments(id), 2);
    EXPECT(test_write((vaddr_t)a + 2 * PAGE_SIZE, 5));
    EXPECT_EQ(test_read((vaddr_t)b + 2 * PAGE_SIZE), 5);
    EXPECT(!test_write((vaddr_t)b, 1));
    EXPECT_EQ(mm_mprotect(mm, (vaddr_t)b, PAGE_SIZE, RW), -EACCES);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(attachments(id), 4);
    word = 6;
    EXPECT_EQ(mm_access_remote(child, (vaddr_t)a, &word, 8, true), 8);
    EXPECT_EQ(test_read((vaddr_t)b), 6);
    mm_put(child);
    EXPECT_EQ(call(__NR_shmdt, (unsigned long)b, 0, 0), 0);
    EXPECT_EQ(call(__NR_shmdt, (unsigned long)b, 0, 0), -EINVAL);
    EXPECT_EQ(attachments(id), 1);
    EXPECT_EQ(call(__NR_shmctl, (unsigned long)id, IPC_RMID, 0), 0);
    EXPECT_EQ(test_read((vaddr_t)a), 6); /* lives on while attached, and can be attached by id */
    b = call(__NR_shmat, (unsigned long)id, 0, 0);
    EXPECT(b > 0);
    EXPECT_EQ(call(__NR_shmdt, (unsigned long)a, 0, 0), 0);
    EXPECT_EQ(call(__NR_shmdt, (unsigned long)b, 0, 0), 0);
    EXPECT_EQ(call(__NR_shmat, (unsigned long)id, 0, 0), -EINVAL);
    EXPECT_EQ(vma_check(mm), 0);
    test_mm_leave();
}

KTEST(shm, keys_and_errors)
{
    long id, at;

    (void)test_mm_enter();
    user_page = test_map(PAGE_SIZE, RW, ANON);
    EXPECT_EQ(call(__NR_shmget, KEY, PAGE_SIZE, 0600), -ENOENT);
    id = call(__NR_shmget, KEY, PAGE_SIZE, 0600 | IPC_CREAT);
    EXPECT_OR_RETURN(id >= 0);
    EXPECT_EQ(call(__NR_shmget, KEY, PAGE_SIZE, 0600), id);
    EXPECT_EQ(call(__NR_shmget, KEY, 2 * PAGE_SIZE, 0600), -EINVAL);
    EXPECT_EQ(call(__NR_shmget, KEY, PAGE_SIZE, 0600 | IPC_CREAT | IPC_EXCL), -EEXIST);
    EXPECT_EQ(call(__NR_shmget, IPC_PRIVATE, 0, 0600), -EINVAL);
    EXPECT_EQ(call(__NR_shmget, IPC_PRIVATE, PAGE_SIZE, 0600 | SHM_HUGETLB),
              huge_pool_by_size(0) ? -ENOMEM : -EINVAL); /* no page, or no such pages here */
    EXPECT_EQ(call(__NR_shmat, (unsigned long)id, 0x30000001, 0), -EINVAL);
    at = call(__NR_shmat, (unsigned long)id, 0x30000001, SHM_RND);
    EXPECT_EQ(at, 0x30000000);
    EXPECT_EQ(call(__NR_shmat, (unsigned long)id, 0x30000000, 0), -EINVAL); /* in use */
    EXPECT_EQ(call(__NR_shmat, (unsigned long)id, 0x30000000, SHM_REMAP), at);
    EXPECT_EQ(call(__NR_shmat, (unsigned long)id, 0, SHM_REMAP), -EINVAL);
    EXPECT_EQ(call(__NR_shmctl, (unsigned long)id, 77, user_page), -EINVAL);
    EXPECT_EQ(call(__NR_shmctl, 0x7fffff, IPC_STAT, user_page), -EINVAL);
    EXPECT_EQ(call(__NR_shmctl, (unsigned long)id, IPC_RMID, 0), 0);
    EXPECT_EQ(call(__NR_shmget, KEY, PAGE_SIZE, 0600), -ENOENT); /* the key is free at once */
    test_mm_leave(); /* the last attachment goes with the address space */
    EXPECT_EQ(call(__NR_shmctl, (unsigned long)id, IPC_RMID, 0), -EINVAL);
}

/* IPC_PRIVATE is no key: each call makes a segment of its own. */
KTEST(shm, private_ones_are_different)
{
    long a = call(__NR_shmget, IPC_PRIVATE, PAGE_SIZE, 0600);
    long b = call(__NR_shmget, IPC_PRIVATE, PAGE_SIZE, 0600);

    EXPECT(a >= 0 && b >= 0 && a != b);
    EXPECT_EQ(call(__NR_shmctl, (unsigned long)a, IPC_RMID, 0), 0);
    EXPECT_EQ(call(__NR_shmctl, (unsigned long)b, IPC_RMID, 0), 0);
}
