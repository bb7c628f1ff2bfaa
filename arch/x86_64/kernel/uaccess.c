/* SPDX-License-Identifier: MIT */
/*
 * uaccess.c: single words, strings and atomics in user memory; ranges are user_copy.S's, through
 * kernel/uaccess.c.
 *
 * A range is first checked to lie in the user half; what is mapped there is the page fault's
 * affair: it may sleep, and a bad address continues at the exception table's fixup. SMAP is lifted
 * around each access only. No locks.
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
    __asm__ volatile(STAC "1: " insn "\n"                                                         \
                          "   xorl %0, %0\n"                                                      \
                          "   jmp 3f\n"                                                           \
                          "2: movl %[efault], %0\n"                                               \
                          "3: " CLAC EXCEPTION_ENTRY("1b", "2b")                                  \
                     : "=&r"(err), __VA_ARGS__)

#define DEFINE_GET_USER(type, insn, mod)                                                          \
    int get_user_##type(type *dst, const void __user *src)                                        \
    {                                                                                             \
        type v = 0;                                                                               \
        int err;                                                                                  \
                                                                                                  \
        if (!access_ok(src, sizeof(v)) || should_fail(FAIL_USERCOPY))                             \
            return -EFAULT;                                                                       \
        USER_ACCESS(insn " %[mem], %" mod "[v]", err, [v] "+r"(v)                                 \
                    : [mem] "m"(*(const type *)src), [efault] "i"(-EFAULT)                        \
                    : "memory");                                                                  \
        *dst = v;                                                                                 \
        return err;                                                                               \
    }

#define DEFINE_PUT_USER(type, insn, mod)                                                          \
    int put_user_##type(type v, void __user *dst)                                                 \
    {                                                                                             \
        int err;                                                                                  \
                                                                                                  \
        if (!access_ok(dst, sizeof(v)) || should_fail(FAIL_USERCOPY))                             \
            return -EFAULT;                                                                       \
        USER_ACCESS(insn " %" mod "[v], %[mem]", err, [mem] "=m"(*(type *)dst)                    \
                    : [v] "r"(v), [efault] "i"(-EFAULT)                                           \
                    : "memory");                                                                  \
        return err;                                                                               \
    }

DEFINE_GET_USER(u8, "movb", "b")
DEFINE_GET_USER(u16, "movw", "w")
DEFINE_GET_USER(u32, "movl", "k")
DEFINE_GET_USER(u64, "movq", "q")
DEFINE_PUT_USER(u8, "movb", "b")
DEFINE_PUT_USER(u16, "movw", "w")
DEFINE_PUT_USER(u32, "movl", "k")
DEFINE_PUT_USER(u64, "movq", "q")

int user_cmpxchg_u32(u32 __user *p, u32 old, u32 new, u32 *found)
{
    int err;

    if (!access_ok(p, sizeof(*p)))
        return -EFAULT;
    USER_ACCESS("lock cmpxchgl %[new], %[mem]", err, [mem] "+m"(*p), "+a"(old)
                : [new] "r"(new), [efault] "i"(-EFAULT)
                : "memory", "cc");
    *found = old;
    return err;
}

/* xchg and xadd are one instruction; the others loop over compare-and-exchange. */
static int user_swap(u32 __user *p, u32 arg, u32 *found)
{
    int err;

    USER_ACCESS("xchgl %[v], %[mem]", err, [mem] "+m"(*p), [v] "+r"(arg)
                : [efault] "i"(-EFAULT)
                : "memory");
    *found = arg;
    return err;
}

static int user_add(u32 __user *p, u32 arg, u32 *found)
{
    int err;

    USER_ACCESS("lock xaddl %[v], %[mem]", err, [mem] "+m"(*p), [v] "+r"(arg)
                : [efault] "i"(-EFAULT)
                : "memory", "cc");
    *found = arg;
    return err;
}

static u32 combine(int op, u32 a, u32 b)
{
    return op == FUTEX_OP_OR ? a | b : op == FUTEX_OP_ANDN ? a & ~b : a ^ b;
}

static int user_combine(u32 __user *p, int op, u32 arg, u32 *found)
{
    u32 old, seen;
    int err = get_user_u32(&old, p);

    while (!err) {
        err = user_cmpxchg_u32(p, old, combine(op, old, arg), &seen);
        if (err || seen == old)
            break;
        old = seen;
    }
    *found = old;
    return err;
}

int user_atomic_op_u32(u32 __user *p, int op, u32 arg, u32 *found)
{
    if (!access_ok(p, sizeof(*p)))
        return -EFAULT;
    switch (op) {
    case FUTEX_OP_SET:
        return user_swap(p, arg, found);
    case FUTEX_OP_ADD:
        return user_add(p, arg, found);
    case FUTEX_OP_OR:
    case FUTEX_OP_ANDN:
    case FUTEX_OP_XOR:
        return user_combine(p, op, arg, found);
    default:
        return -ENOSYS;
    }
}

/* Eight bytes, also when they cross into a page that is not mapped: then false. */
static bool load_word(u64 *v, const char __user *src)
{
    int err;

    if (!access_ok(src, sizeof(*v)))
        return false;
    USER_ACCESS("movq %[mem], %[v]", err, [v] "=&r"(*v)
                : [mem] "m"(*(const u64 *)src), [efault] "i"(-EFAULT)
                : "memory");
    return err == 0;
}

ssize_t strncpy_from_user(char *dst, const char __user *src, size_t n)
{
    const u64 ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    size_t len = 0;
    u64 v, zero;
    u8 c;

    if (should_fail(FAIL_USERCOPY))
        return -EFAULT;
    while (n - len >= sizeof(v) && load_word(&v, src + len)) {
        memcpy(dst + len, &v, sizeof(v));
        zero = (v - ones) & ~v & highs; /* its lowest bit marks the first zero byte */
        if (zero != 0)
            return (ssize_t)(len + (size_t)__builtin_ctzll(zero) / 8);
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
