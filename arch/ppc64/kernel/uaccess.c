/* SPDX-License-Identifier: MIT */
/*
 * uaccess.c: single words, strings and atomics in user memory; ranges are user_copy.S's, through
 * kernel/uaccess.c.
 *
 * A range is first checked to lie in the user half; what is mapped there is the page fault's
 * affair: it may sleep, and a bad address continues at the exception table's fixup. No locks.
 * I1: every instruction here that takes a user address has an exception table entry.
 * Checked by tests/kernel/arch/ and by every user test under fail_nth. Read next: user_copy.S,
 * extable.c, traps.c.
 */
#include <arch/mmu_const.h>
#include <asm/errno.h>
#include <asm/quire_asm.h>
#include <kernel/fail.h>
#include <kernel/string.h>
#include <kernel/uaccess.h>
#include <linux/futex.h>

/* One access of @insn; @err becomes -EFAULT when it faults. */
#define USER_ACCESS(insn, err, ...)                                                               \
    __asm__ volatile("1: " insn "\n"                                                              \
                     "   li %0, 0\n"                                                              \
                     "   b 3f\n"                                                                  \
                     "2: li %0, %[efault]\n"                                                      \
                     "3:\n" EXCEPTION_ENTRY("1b", "2b")                                           \
                     : "=&r"(err), __VA_ARGS__)

#define DEFINE_GET_USER(type, insn)                                                               \
    int get_user_##type(type *dst, const void __user *src)                                        \
    {                                                                                             \
        unsigned long v = 0;                                                                      \
        int err;                                                                                  \
                                                                                                  \
        if (!access_ok(src, sizeof(type)) || should_fail(FAIL_USERCOPY))                          \
            return -EFAULT;                                                                       \
        USER_ACCESS(insn " %[v], 0(%[p])", err, [v] "+r"(v)                                       \
                    : [p] "b"(src), [efault] "i"(-EFAULT)                                         \
                    : "memory");                                                                  \
        *dst = (type)v;                                                                           \
        return err;                                                                               \
    }

#define DEFINE_PUT_USER(type, insn)                                                               \
    int put_user_##type(type v, void __user *dst)                                                 \
    {                                                                                             \
        int err;                                                                                  \
                                                                                                  \
        if (!access_ok(dst, sizeof(type)) || should_fail(FAIL_USERCOPY))                          \
            return -EFAULT;                                                                       \
        USER_ACCESS(insn " %[v], 0(%[p])", err, "+m"(*(type *)dst)                                \
                    : [v] "r"(v), [p] "b"(dst), [efault] "i"(-EFAULT)                             \
                    : "memory");                                                                  \
        return err;                                                                               \
    }

DEFINE_GET_USER(u8, "lbz")
DEFINE_GET_USER(u16, "lhz")
DEFINE_GET_USER(u32, "lwz")
DEFINE_GET_USER(u64, "ld")
DEFINE_PUT_USER(u8, "stb")
DEFINE_PUT_USER(u16, "sth")
DEFINE_PUT_USER(u32, "stw")
DEFINE_PUT_USER(u64, "std")

/*
 * A full barrier on both sides. The load and the store-conditional may fault each; an address that
 * is not a multiple of four raises an alignment interrupt, which has the same fixup.
 */
static int cmpxchg_user(u32 __user *p, u32 old, u32 new, u32 *found)
{
    unsigned long v = 0;
    int err;

    __asm__ volatile("   sync\n"
                     "1: lwarx %[v], 0, %[p]\n"
                     "   cmplw %[v], %[old]\n"
                     "   bne 5f\n"
                     "4: stwcx. %[new], 0, %[p]\n"
                     "   bne- 1b\n"
                     "5: sync\n"
                     "   li %[err], 0\n"
                     "   b 3f\n"
                     "2: li %[err], %[efault]\n"
                     "3:\n" EXCEPTION_ENTRY("1b", "2b") EXCEPTION_ENTRY("4b", "2b")
                     : [err] "=&r"(err), [v] "+&r"(v)
                     : [p] "r"(p), [old] "r"(old), [new] "r"(new), [efault] "i"(-EFAULT)
                     : "memory", "cr0");
    *found = (u32)v;
    return err;
}

int user_cmpxchg_u32(u32 __user *p, u32 old, u32 new, u32 *found)
{
    if (!access_ok(p, sizeof(*p)))
        return -EFAULT;
    return cmpxchg_user(p, old, new, found);
}

static bool combine(int op, u32 a, u32 b, u32 *result)
{
    switch (op) {
    case FUTEX_OP_SET:
        *result = b;
        return true;
    case FUTEX_OP_ADD:
        *result = a + b;
        return true;
    case FUTEX_OP_OR:
        *result = a | b;
        return true;
    case FUTEX_OP_ANDN:
        *result = a & ~b;
        return true;
    case FUTEX_OP_XOR:
        *result = a ^ b;
        return true;
    default:
        return false;
    }
}

int user_atomic_op_u32(u32 __user *p, int op, u32 arg, u32 *found)
{
    u32 old, new, seen;
    int err;

    if (!combine(op, 0, 0, &new))
        return -ENOSYS;
    err = get_user_u32(&old, p);
    while (!err) {
        (void)combine(op, old, arg, &new);
        err = cmpxchg_user(p, old, new, &seen);
        if (err || seen == old)
            break;
        old = seen;
    }
    *found = old;
    return err;
}

/* Eight bytes, also when they cross into a page that is not mapped: then false. */
static bool load_word(u64 *v, const char __user *src)
{
    int err;

    if (!access_ok(src, sizeof(*v)))
        return false;
    USER_ACCESS("ld %[v], 0(%[p])", err, [v] "=&r"(*v)
                : [p] "b"(src), [efault] "i"(-EFAULT)
                : "memory");
    return err == 0;
}

ssize_t strncpy_from_user(char *dst, const char __user *src, size_t n)
{
    size_t len = 0;
    u64 v, same;
    u8 c;

    if (should_fail(FAIL_USERCOPY))
        return -EFAULT;
    while (n - len >= sizeof(v) && load_word(&v, src + len)) {
        memcpy(dst + len, &v, sizeof(v));
        __asm__("cmpb %0, %1, %2" : "=r"(same) : "r"(v), "r"(0UL)); /* 0xff where a byte is zero */
        if (same != 0)
            return (ssize_t)(len + (size_t)__builtin_clzll(same) / 8);
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
