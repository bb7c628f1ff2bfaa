/* SPDX-License-Identifier: MIT */
/*
 * uaccess_ktest.c: user access from a thread without an address space: every user address is
 * refused, none is fatal.
 */
#include <arch/mmu_const.h>
#include <asm/errno.h>
#include <kernel/ktest.h>
#include <kernel/string.h>
#include <kernel/uaccess.h>
#include "tests/kernel/mm/pt_test.h"

KTEST(uaccess, ranges)
{
    void *top = (void *)user_top();

    EXPECT(access_ok(NULL, 0) && access_ok(top, 0));
    EXPECT(access_ok((char *)top - 8, 8));
    EXPECT(!access_ok((char *)top - 8, 9));
    EXPECT(!access_ok(top, 1));
    EXPECT(!access_ok((void *)16, ~0UL));
    EXPECT(!access_ok((void *)~0UL, 1));
}

KTEST(uaccess, bad_addresses)
{
    static const unsigned long bad[] = { 0, 0x1000, 0x7fff00000000, ~0UL, 0xffff888000000000 };
    u64 v64 = 1;
    u32 v32 = 1, found;
    u8 v8 = 1;
    char text[8];

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        void *p = (void *)bad[i];

        EXPECT_EQ(copy_from_user(&v64, p, sizeof(v64)), -EFAULT);
        EXPECT_EQ(copy_to_user(p, &v64, sizeof(v64)), -EFAULT);
        EXPECT_EQ(copy_from_user_partial(text, p, 7), 7);
        EXPECT_EQ(copy_to_user_partial(p, text, 5), 5);
        EXPECT_EQ(clear_user(p, 100), -EFAULT);
        EXPECT_EQ(clear_user_partial(p, 13), 13);
        EXPECT_EQ(strncpy_from_user(text, p, sizeof(text)), -EFAULT);
        EXPECT_EQ(get_user_u8(&v8, p), -EFAULT);
        EXPECT_EQ(get_user_u32(&v32, p), -EFAULT);
        EXPECT_EQ(get_user_u64(&v64, p), -EFAULT);
        EXPECT_EQ(put_user_u8(v8, p), -EFAULT);
        EXPECT_EQ(put_user_u32(v32, p), -EFAULT);
        EXPECT_EQ(put_user_u64(v64, p), -EFAULT);
        EXPECT_EQ(user_cmpxchg_u32(p, 0, 1, &found), -EFAULT);
        for (int op = 0; op <= 4; op++)
            EXPECT_EQ(user_atomic_op_u32(p, op, 1, &found), -EFAULT);
    }
    EXPECT_EQ(user_atomic_op_u32((void *)4096, 9, 1, &found), -ENOSYS);
}

/* No bytes, no fault: callers may take a copy of nothing for one that went well. */
KTEST(uaccess, nothing_cannot_fault)
{
    char text[8];

    fail_set_nth(current, 1);
    EXPECT_EQ(copy_from_user(text, (void *)4096, 0), 0);
    EXPECT_EQ(copy_to_user((void *)4096, text, 0), 0);
    EXPECT_EQ(clear_user((void *)4096, 0), 0);
    EXPECT_EQ(current->fail_nth, 1);
    EXPECT_EQ(copy_from_user(text, (void *)4096, 1), -EFAULT);
    EXPECT_EQ(current->fail_nth, 0);
    fail_set_nth(current, 0);
}

/* Strings of every length at every alignment, up to the end of what is mapped. */
KTEST(uaccess, strings)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(PAGE_SIZE, RW, ANON), end = va + PAGE_SIZE;
    char text[40], expected[40];

    for (unsigned int len = 0; len < 30; len++) {
        char __user *at = (char __user *)end - len - 1;

        memset(expected, 'a' + (int)len % 26, len);
        expected[len] = '\0';
        EXPECT_EQ(copy_to_user(at, expected, len + 1), 0);
        EXPECT_EQ(strncpy_from_user(text, at, sizeof(text)), len);
        EXPECT(strcmp(text, expected) == 0);
        EXPECT_EQ(strncpy_from_user(text, at, len + 1), len);
        if (len > 0)
            EXPECT_EQ(strncpy_from_user(text, at, len), -ENAMETOOLONG);
        EXPECT_EQ(put_user_u8('x', (char *)end - 1), 0);
        EXPECT_EQ(strncpy_from_user(text, at, sizeof(text)), -EFAULT); /* no end before the hole */
    }
    (void)mm;
    test_mm_leave();
}

KTEST(uaccess, peek)
{
    unsigned long v, word = 0x1234;

    EXPECT(kernel_peek(&word, &v) && v == word);
    EXPECT(!kernel_peek((void *)8, &v));
}
