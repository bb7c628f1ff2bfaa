/* SPDX-License-Identifier: MIT */
/*
 * syscall.h: how a system call is written and found.
 *
 *     SYSCALL3(read, int, fd, void __user *, buf, size_t, count) { ... return nr or -errno; }
 *
 * registers itself under __NR_read; the table is filled at boot and read-only afterwards. A call
 * that an architecture does not have (no __NR_) is written in that architecture's directory, not
 * here.
 */
#pragma once
#include <kernel/types.h>
#include <asm/unistd.h>

struct pt_regs;
struct syscall_args {
    unsigned long a[6];
};
typedef long (*syscall_fn)(unsigned long, unsigned long, unsigned long, unsigned long,
                           unsigned long, unsigned long);

struct syscall_def {
    unsigned int nr;
    unsigned int nargs;
    const char *name;
    syscall_fn fn;
};

extern const struct syscall_def __syscalls_start[], __syscalls_end[];

#define NR_SYSCALLS 512
extern syscall_fn syscall_table[NR_SYSCALLS]; /* never NULL: holes return -ENOSYS */
const char *syscall_name(unsigned int nr);
void syscall_init(void);
/*
 * From now on each call of a number that does not exist is logged, once per number (debug=syscall).
 */
void syscall_log_unknown(void);

/*
 * SYSCALL_ALIAS(other, name, n) behind a call of n arguments: an ABI's other number for it.
 *
 * The table's functions take unsigned longs. Each narrows its arguments to the types of the one
 * that does the work: a caller may leave anything in the upper half of a register, and some ABIs
 * let the callee rely on what is there.
 */
#define SYSCALL_ALIAS(other, name, n)                                                              \
    static const struct syscall_def syscall_def_##other __used __aligned(8)                        \
        __section(".syscalls") = {__NR_##other, n, #other, (syscall_fn)(void *)call_##name}
#define SYSCALL_REGISTER(name, n) SYSCALL_ALIAS(name, name, n)
#define SYSCALL0(name)                                                                             \
    static long sys_##name(void);                                                                  \
    static long call_##name(void)                                                                  \
    {                                                                                              \
        return sys_##name();                                                                       \
    }                                                                                              \
    SYSCALL_REGISTER(name, 0);                                                                     \
    static long sys_##name(void)
#define SYSCALL1(name, t1, a1)                                                                     \
    static long sys_##name(t1 a1);                                                                 \
    static long call_##name(unsigned long r1)                                                      \
    {                                                                                              \
        return sys_##name((t1)r1);                                                                 \
    }                                                                                              \
    SYSCALL_REGISTER(name, 1);                                                                     \
    static long sys_##name(t1 a1)
#define SYSCALL2(name, t1, a1, t2, a2)                                                             \
    static long sys_##name(t1 a1, t2 a2);                                                          \
    static long call_##name(unsigned long r1, unsigned long r2)                                    \
    {                                                                                              \
        return sys_##name((t1)r1, (t2)r2);                                                         \
    }                                                                                              \
    SYSCALL_REGISTER(name, 2);                                                                     \
    static long sys_##name(t1 a1, t2 a2)
#define SYSCALL3(name, t1, a1, t2, a2, t3, a3)                                                     \
    static long sys_##name(t1 a1, t2 a2, t3 a3);                                                   \
    static long call_##name(unsigned long r1, unsigned long r2, unsigned long r3)                  \
    {                                                                                              \
        return sys_##name((t1)r1, (t2)r2, (t3)r3);                                                 \
    }                                                                                              \
    SYSCALL_REGISTER(name, 3);                                                                     \
    static long sys_##name(t1 a1, t2 a2, t3 a3)
#define SYSCALL4(name, t1, a1, t2, a2, t3, a3, t4, a4)                                             \
    static long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4);                                            \
    static long call_##name(unsigned long r1, unsigned long r2, unsigned long r3, unsigned long r4)\
    {                                                                                              \
        return sys_##name((t1)r1, (t2)r2, (t3)r3, (t4)r4);                                         \
    }                                                                                              \
    SYSCALL_REGISTER(name, 4);                                                                     \
    static long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4)
#define SYSCALL5(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                                     \
    static long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5);                                     \
    static long call_##name(unsigned long r1, unsigned long r2, unsigned long r3,                  \
                            unsigned long r4, unsigned long r5)                                    \
    {                                                                                              \
        return sys_##name((t1)r1, (t2)r2, (t3)r3, (t4)r4, (t5)r5);                                 \
    }                                                                                              \
    SYSCALL_REGISTER(name, 5);                                                                     \
    static long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)
#define SYSCALL6(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                             \
    static long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6);                              \
    static long call_##name(unsigned long r1, unsigned long r2, unsigned long r3,                  \
                            unsigned long r4, unsigned long r5, unsigned long r6)                  \
    {                                                                                              \
        return sys_##name((t1)r1, (t2)r2, (t3)r3, (t4)r4, (t5)r5, (t6)r6);                         \
    }                                                                                              \
    SYSCALL_REGISTER(name, 6);                                                                     \
    static long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6)
