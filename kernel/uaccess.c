/* SPDX-License-Identifier: MIT */
/*
 * uaccess.c: user memory: ranges that are accessed as a whole or not, words, strings, atomics.
 *
 * The accesses themselves are the machine's: user_copy and user_clear stop at a fault that cannot
 * be answered and return how many bytes are left; single words are <arch/uaccess.h>'s. A range is
 * first checked to lie in the user half; what is mapped there is the page fault's affair: it may
 * sleep, and a bad address continues at the exception table's fixup. No locks.
 * Checked by tests/kernel/arch/ and by every user test under fail_nth. Read next:
 * arch/ARCH/kernel/user_copy.S, extable.c, trap.c.
 */
#include <arch/uaccess.h>
#include <asm/errno.h>
#include <kernel/fail.h>
#include <kernel/string.h>
#include <kernel/uaccess.h>
#include <linux/futex.h>

/* ---- ranges ---- */

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

/* ---- words ---- */

#define DEFINE_GET_USER(type)                                                                      \
    int get_user_##type(type *dst, const void __user *src)                                         \
    {                                                                                              \
        type v;                                                                                    \
        int err;                                                                                   \
                                                                                                   \
        if (!access_ok(src, sizeof(v)) || should_fail(FAIL_USERCOPY))                              \
            return -EFAULT;                                                                        \
        user_load(type, v, src, err);                                                              \
        *dst = v;                                                                                  \
        return err;                                                                                \
    }

#define DEFINE_PUT_USER(type)                                                                      \
    int put_user_##type(type v, void __user *dst)                                                  \
    {                                                                                              \
        int err;                                                                                   \
                                                                                                   \
        if (!access_ok(dst, sizeof(v)) || should_fail(FAIL_USERCOPY))                              \
            return -EFAULT;                                                                        \
        user_store(type, v, dst, err);                                                             \
        return err;                                                                                \
    }

DEFINE_GET_USER(u8)
DEFINE_GET_USER(u16)
DEFINE_GET_USER(u32)
DEFINE_GET_USER(u64)
DEFINE_PUT_USER(u8)
DEFINE_PUT_USER(u16)
DEFINE_PUT_USER(u32)
DEFINE_PUT_USER(u64)

bool kernel_peek(const void *addr, unsigned long *value)
{
    u64 v;
    int err;

    user_load(u64, v, addr, err);
    *value = v;
    return err == 0;
}

/* ---- atomics ---- */

int user_cmpxchg_u32(u32 __user *p, u32 old, u32 new, u32 *found)
{
    if (!access_ok(p, sizeof(*p)))
        return -EFAULT;
    return user_cmpxchg(p, old, new, found);
}

static bool combine(int op, u32 a, u32 b, u32 *result)
{
    switch (op) {
    case FUTEX_OP_SET: *result = b; return true;
    case FUTEX_OP_ADD: *result = a + b; return true;
    case FUTEX_OP_OR: *result = a | b; return true;
    case FUTEX_OP_ANDN: *result = a & ~b; return true;
    case FUTEX_OP_XOR: *result = a ^ b; return true;
    default: return false;
    }
}

int user_atomic_op_u32(u32 __user *p, int op, u32 arg, u32 *found)
{
    u32 old = 0, new, seen;
    int err;

    if (!combine(op, 0, 0, &new))
        return -ENOSYS;
    err = get_user_u32(&old, p);
    while (!err) {
        (void)combine(op, old, arg, &new);
        err = user_cmpxchg(p, old, new, &seen);
        if (err || seen == old)
            break;
        old = seen;
    }
    *found = old;
    return err;
}

/* ---- strings ---- */

/* Eight bytes, also when they cross into a page that is not mapped: then false. */
static bool load_word(u64 *v, const char __user *src)
{
    int err;

    if (!access_ok(src, sizeof(*v)))
        return false;
    user_load(u64, *v, src, err);
    return err == 0;
}

ssize_t strncpy_from_user(char *dst, const char __user *src, size_t n)
{
    size_t len = 0, chars;
    u64 v;
    u8 c;

    if (should_fail(FAIL_USERCOPY))
        return -EFAULT;
    while (n - len >= sizeof(v) && load_word(&v, src + len)) {
        memcpy(dst + len, &v, sizeof(v));
        chars = word_strlen(v);
        if (chars < sizeof(v))
            return (ssize_t)(len + chars);
        len += sizeof(v);
    }
    for (; len < n; len++) {
        if (get_user_u8(&c, src + len) != 0)
            return -EFAULT;
        dst[len] = (char)c;
        if (c == 0)
            return (ssize_t)len;
    }
    return -ENAMETOOLONG;
}
