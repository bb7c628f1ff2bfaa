/* SPDX-License-Identifier: MIT */
/*
 * uaccess.c: ranges of user memory that are accessed as a whole or not: 0 or -EFAULT.
 *
 * The copying itself is the machine's: user_copy and user_clear stop at a fault that cannot be
 * answered and return how many bytes are left. No locks; page faults may sleep.
 * Checked by tests/kernel/arch/ and by every user test under fail_nth. Read next:
 * arch/x86_64/kernel/uaccess.c.
 */
#include <asm/errno.h>
#include <kernel/uaccess.h>

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
