/* SPDX-License-Identifier: MIT */
/*
 * uaccess.c: ranges of user memory: the check that comes before, and the two forms of the answer.
 *
 * The copying itself is the machine's: user_copy and user_clear stop at a fault that cannot be
 * answered and return how many bytes are left. No locks; page faults may sleep.
 * Checked by tests/kernel/arch/ and by every user test under fail_nth. Read next:
 * arch/x86_64/kernel/uaccess.c.
 */
#include <asm/errno.h>
#include <kernel/fail.h>
#include <kernel/uaccess.h>

size_t copy_from_user_partial(void *dst, const void __user *src, size_t n)
{
    if (!access_ok(src, n) || should_fail(FAIL_USERCOPY))
        return n;
    return user_copy(dst, src, n);
}

size_t copy_to_user_partial(void __user *dst, const void *src, size_t n)
{
    if (!access_ok(dst, n) || should_fail(FAIL_USERCOPY))
        return n;
    return user_copy(dst, src, n);
}

size_t clear_user_partial(void __user *dst, size_t n)
{
    if (!access_ok(dst, n) || should_fail(FAIL_USERCOPY))
        return n;
    return user_clear(dst, n);
}

int copy_from_user(void *dst, const void __user *src, size_t n)
{
    return copy_from_user_partial(dst, src, n) == 0 ? 0 : -EFAULT;
}

int copy_to_user(void __user *dst, const void *src, size_t n)
{
    return copy_to_user_partial(dst, src, n) == 0 ? 0 : -EFAULT;
}

int clear_user(void __user *dst, size_t n)
{
    return clear_user_partial(dst, n) == 0 ? 0 : -EFAULT;
}
