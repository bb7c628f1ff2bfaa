/* SPDX-License-Identifier: MIT */
/*
 * uaccess.h: the only way to user memory. Every access is covered by the exception table: a bad
 * pointer gives -EFAULT, never a panic. kernel/uaccess.c on two functions of arch and the single
 * accesses of <arch/uaccess.h>.
 */
#pragma once
#include <arch/mmu_const.h>
#include <kernel/fail.h>
#include <kernel/types.h>

/* The user address of a member, whatever the alignment of @p, which programs choose. */
#define user_field(p, field)                                                                       \
    ((typeof((p)->field) __user *)((unsigned long)(p) + offsetof(typeof(*(p)), field)))

/* Is [p, p+n) inside the user half? Does not say that it is mapped. */
static inline bool access_ok(const void __user *p, size_t n)
{
    vaddr_t top = user_top(), at = (vaddr_t)p;

    return n <= top && at <= top - n;
}

/* arch/ARCH/kernel/user_copy.S, for kernel/uaccess.c: one side or both lie in user memory, checked
 * by access_ok. Bytes that are left at a fault; 0 = all done. */
size_t user_copy(void *to, const void *from, size_t n);
size_t user_clear(void *to, size_t n);

/* Does an injected fault fall in a copy of @n bytes? There is none in nothing. */
static inline bool user_copy_should_fail(size_t n)
{
    return n != 0 && should_fail(FAIL_USERCOPY);
}

/* Return the number of bytes that were not done, 0 = all; for partial reads and writes. */
static inline size_t __must_check copy_from_user_partial(void *dst, const void __user *src,
                                                         size_t n)
{
    if (!access_ok(src, n) || user_copy_should_fail(n))
        return n;
    return user_copy(dst, src, n);
}

static inline size_t __must_check copy_to_user_partial(void __user *dst, const void *src, size_t n)
{
    if (!access_ok(dst, n) || user_copy_should_fail(n))
        return n;
    return user_copy(dst, src, n);
}

static inline size_t __must_check clear_user_partial(void __user *dst, size_t n)
{
    if (!access_ok(dst, n) || user_copy_should_fail(n))
        return n;
    return user_clear(dst, n);
}

/* Reads a word of the kernel's memory that may not be mapped; false when it is not. Any context. */
bool kernel_peek(const void *addr, unsigned long *value);

/* 0 or -EFAULT. On a fault the destination's already copied part stays. */
int __must_check copy_from_user(void *dst, const void __user *src, size_t n);
int __must_check copy_to_user(void __user *dst, const void *src, size_t n);
int __must_check clear_user(void __user *dst, size_t n);
/* Copies a NUL-terminated string; returns its length without NUL, -ENAMETOOLONG when it does not
 * fit in n, -EFAULT. */
ssize_t __must_check strncpy_from_user(char *dst, const char __user *src, size_t n);

/* Single words; 0 or -EFAULT. */
int __must_check get_user_u8(u8 *dst, const void __user *src);
int __must_check get_user_u16(u16 *dst, const void __user *src);
int __must_check get_user_u32(u32 *dst, const void __user *src);
int __must_check get_user_u64(u64 *dst, const void __user *src);
int __must_check put_user_u8(u8 v, void __user *dst);
int __must_check put_user_u16(u16 v, void __user *dst);
int __must_check put_user_u32(u32 v, void __user *dst);
int __must_check put_user_u64(u64 v, void __user *dst);
/* Atomic on a user word: *found gets the old value. 0 or -EFAULT. With page faults disabled they do
 * not sleep. */
int __must_check user_cmpxchg_u32(u32 __user *p, u32 old, u32 new, u32 *found);
/* futex FUTEX_WAKE_OP: op is FUTEX_OP_*; 0, -EFAULT, -ENOSYS. */
int __must_check user_atomic_op_u32(u32 __user *p, int op, u32 arg, u32 *found);
