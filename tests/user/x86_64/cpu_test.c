/* SPDX-License-Identifier: MIT */
/*
 * What a program sees of an x86-64 CPU through the kernel: which registers a system call keeps, how
 * each exception becomes a signal, what the signal frame holds and what happens to one that a
 * handler has changed, vector registers over switches, fork and signals, and the FS and GS bases.
 */
#include "../ktap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <ucontext.h>

#ifndef ARCH_SET_GS
#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004
#endif
#define FLAG_DIRECTION 0x400ul
#define FLAG_TRAP      0x100ul

static volatile unsigned long caught_trapno, caught_err, caught_cr2, caught_flags;

#define CPU_STATE_SIGNALS
#include "../cpu_state.h"

static void note_frame(const ucontext_t *uc)
{
    caught_trapno = (unsigned long)uc->uc_mcontext.gregs[REG_TRAPNO];
    caught_err = (unsigned long)uc->uc_mcontext.gregs[REG_ERR];
    caught_cr2 = (unsigned long)uc->uc_mcontext.gregs[REG_CR2];
    caught_flags = (unsigned long)uc->uc_mcontext.gregs[REG_EFL];
}

static void skip_two_bytes(ucontext_t *uc)
{
    uc->uc_mcontext.gregs[REG_RIP] += 2;
}

static void skip_to_rbx(ucontext_t *uc)
{
    uc->uc_mcontext.gregs[REG_RIP] = uc->uc_mcontext.gregs[REG_RBX];
}

TEST(syscall_keeps_registers)
{
    unsigned long r[14], want[14];

    for (int i = 0; i < 14; i++)
        want[i] = 0x1111111111111111ul * (unsigned long)(i + 1);
    /* rsi rdi rdx rbx r8 r9 r10 r12 r13 r14 r15 and back, around getppid. */
    __asm__ volatile("push %%rbp\n\t"
                     "mov %1, %%rbp\n\t"
                     "mov 0(%%rbp), %%rbx\n\t"
                     "mov 8(%%rbp), %%rdx\n\t"
                     "mov 16(%%rbp), %%rsi\n\t"
                     "mov 24(%%rbp), %%rdi\n\t"
                     "mov 32(%%rbp), %%r8\n\t"
                     "mov 40(%%rbp), %%r9\n\t"
                     "mov 48(%%rbp), %%r10\n\t"
                     "mov 56(%%rbp), %%r12\n\t"
                     "mov 64(%%rbp), %%r13\n\t"
                     "mov 72(%%rbp), %%r14\n\t"
                     "mov 80(%%rbp), %%r15\n\t"
                     "push %0\n\t"
                     "mov $110, %%eax\n\t"
                     "syscall\n\t"
                     "pop %%rbp\n\t"
                     "mov %%rbx, 0(%%rbp)\n\t"
                     "mov %%rdx, 8(%%rbp)\n\t"
                     "mov %%rsi, 16(%%rbp)\n\t"
                     "mov %%rdi, 24(%%rbp)\n\t"
                     "mov %%r8, 32(%%rbp)\n\t"
                     "mov %%r9, 40(%%rbp)\n\t"
                     "mov %%r10, 48(%%rbp)\n\t"
                     "mov %%r12, 56(%%rbp)\n\t"
                     "mov %%r13, 64(%%rbp)\n\t"
                     "mov %%r14, 72(%%rbp)\n\t"
                     "mov %%r15, 80(%%rbp)\n\t"
                     "pop %%rbp"
                     :
                     : "a"(r), "c"(want)
                     : "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory");
    for (int i = 0; i < 11; i++)
        CHECK_EQ(r[i], want[i]);
}

TEST(syscall_numbers)
{
    long result;

    CHECK_ERRNO(syscall(-1), ENOSYS);
    CHECK_ERRNO(syscall(100000), ENOSYS);
    /* The upper half of RAX does not count. */
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(0xffffffff00000000ul | SYS_getpid)
                     : "rcx", "r11", "memory");
    CHECK_EQ(result, getpid());
}

TEST(divide_error)
{
    catch_signal(SIGFPE);
    change = skip_two_bytes;
    __asm__ volatile("xor %%edx, %%edx\n\tmov $1, %%eax\n\txor %%ecx, %%ecx\n\tdiv %%ecx"
                     :
                     :
                     : "rax", "rcx", "rdx");
    CHECK_EQ(caught, SIGFPE);
    CHECK_EQ(caught_code, FPE_INTDIV);
    CHECK_EQ(caught_trapno, 0);
}

TEST(breakpoint)
{
    catch_signal(SIGTRAP);
    __asm__ volatile("int3");
    CHECK_EQ(caught, SIGTRAP);
    CHECK_EQ(caught_code, SI_KERNEL);
    CHECK_EQ(caught_trapno, 3);
}

TEST(invalid_opcode)
{
    catch_signal(SIGILL);
    change = skip_two_bytes;
    __asm__ volatile("ud2");
    CHECK_EQ(caught, SIGILL);
    CHECK_EQ(caught_code, ILL_ILLOPN);
    CHECK_EQ(caught_trapno, 6);
}

TEST(privileged_instruction)
{
    catch_signal(SIGSEGV);
    change = skip_to_rbx;
    __asm__ volatile("lea 1f(%%rip), %%rbx\n\thlt\n1:" : : : "rbx");
    CHECK_EQ(caught, SIGSEGV);
    CHECK_EQ(caught_code, SI_KERNEL);
    CHECK_EQ(caught_trapno, 13);
    CHECK_EQ(caught_addr, 0);
}

TEST(non_canonical_address)
{
    catch_signal(SIGSEGV);
    change = skip_to_rbx;
    __asm__ volatile("lea 1f(%%rip), %%rbx\n\tmovabs $0x8000000000000000, %%rax\n\t"
                     "mov (%%rax), %%al\n1:"
                     :
                     :
                     : "rax", "rbx");
    CHECK_EQ(caught, SIGSEGV);
    CHECK_EQ(caught_code, SI_KERNEL);
    CHECK_EQ(caught_trapno, 13);
}

TEST(page_fault_frame)
{
    catch_signal(SIGSEGV);
    change = skip_to_rbx;
    __asm__ volatile("lea 1f(%%rip), %%rbx\n\t"
                     "movl $1, (%0)\n1:" : : "r"(ktap_nowhere) : "rbx", "memory");
    CHECK_EQ(caught, SIGSEGV);
    CHECK_EQ(caught_code, SEGV_MAPERR);
    CHECK_EQ(caught_addr, (unsigned long)ktap_nowhere);
    CHECK_EQ(caught_cr2, (unsigned long)ktap_nowhere);
    CHECK_EQ(caught_trapno, 14);
    CHECK_EQ(caught_err, 6); /* user, write, not present */
}

TEST(kernel_address)
{
    catch_signal(SIGSEGV);
    change = skip_to_rbx;
    __asm__ volatile("lea 1f(%%rip), %%rbx\n\tmovabs $0xffffffff81000000, %%rax\n\t"
                     "mov (%%rax), %%al\n1:"
                     :
                     :
                     : "rax", "rbx");
    CHECK_EQ(caught, SIGSEGV);
    CHECK_EQ(caught_code, SEGV_MAPERR);
    CHECK_EQ(caught_addr, 0xffffffff81000000);
    CHECK_EQ(caught_trapno, 14);
}

TEST(vector_exception)
{
    unsigned int mxcsr = 0x1f80 & ~0x200u; /* division by zero raises */
    double one = 1.0, zero = 0.0;

    catch_signal(SIGFPE);
    change = skip_to_rbx;
    __asm__ volatile("ldmxcsr %0\n\tmovsd %1, %%xmm0\n\tlea 1f(%%rip), %%rbx\n\t"
                     "divsd %2, %%xmm0\n1:"
                     :
                     : "m"(mxcsr), "m"(one), "m"(zero)
                     : "rbx", "xmm0");
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    if (!caught)
        ktap_skip("this CPU does not raise vector exceptions (QEMU's TCG does not)");
    CHECK_EQ(caught, SIGFPE);
    CHECK_EQ(caught_code, FPE_FLTDIV);
    CHECK_EQ(caught_trapno, 19);
}

TEST(x87_exception)
{
    unsigned short control = 0x37f & ~4; /* division by zero raises */

    catch_signal(SIGFPE);
    change = skip_to_rbx;
    __asm__ volatile("fninit\n\tfldcw %0\n\tfld1\n\tfldz\n\tlea 1f(%%rip), %%rbx\n\t"
                     "fdivrp\n\tfwait\n1:\tfninit"
                     :
                     : "m"(control)
                     : "rbx");
    if (!caught)
        ktap_skip("this CPU does not raise x87 exceptions");
    CHECK_EQ(caught, SIGFPE);
    CHECK_EQ(caught_code, FPE_FLTDIV);
    CHECK_EQ(caught_trapno, 16);
}

/* The handler starts with the direction flag clear; the interrupted code gets its own back. */
TEST(flags_survive_a_signal)
{
    unsigned long flags;

    catch_signal(SIGTRAP);
    __asm__ volatile("std\n\tint3\n\tpushfq\n\tpop %0\n\tcld" : "=r"(flags));
    CHECK(caught_flags & FLAG_DIRECTION);
    CHECK(flags & FLAG_DIRECTION);
}

static volatile int steps;

static void count_step(int sig)
{
    steps++;
}

/* One trap per instruction, also over system calls; none is lost and the kernel is not stepped. */
TEST(single_step)
{
    signal(SIGTRAP, count_step);
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
                     "nop\n\tmov $39, %%eax\n\tsyscall\n\tnop\n\tmov $39, %%eax\n\t"
                     "syscall\n\tnop\n\t"
                     "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
                     :
                     :
                     : "rax", "rcx", "r11", "memory", "cc");
    CHECK(steps >= 8 && steps <= 11);
}

static void to_non_canonical(ucontext_t *uc)
{
    uc->uc_mcontext.gregs[REG_RIP] = 0x0800000000000000;
}

static void to_kernel(ucontext_t *uc)
{
    uc->uc_mcontext.gregs[REG_RIP] = (long long)0xffffffff81000000;
}

static void bad_segments(ucontext_t *uc)
{
    uc->uc_mcontext.gregs[REG_EFL] |= 0x3000; /* I/O privilege must not stick */
}

static void corrupt_xstate(ucontext_t *uc)
{
    /* A reserved byte of the XSAVE header: XRSTOR would fault. */
    ((unsigned char *)uc->uc_mcontext.fpregs)[512 + 16] = 1;
}

static void corrupt_mxcsr(ucontext_t *uc)
{
    uc->uc_mcontext.fpregs->mxcsr = 0xffffffff;
}

static void no_fpstate(ucontext_t *uc)
{
    uc->uc_mcontext.fpregs = NULL;
}

static void take_signal_and_exit(void)
{
    raise(SIGUSR1);
    _exit(0);
}

TEST(bad_frames_kill_the_program_only)
{
    int status;

    status = return_with(to_non_canonical);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = return_with(to_kernel);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = return_with(corrupt_mxcsr);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK_EQ(return_with(bad_segments), 0);
    CHECK_EQ(return_with(no_fpstate), 0);
}

TEST(corrupt_extended_state_kills)
{
    unsigned int a = 1, b, c, d;
    int status;

    __asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    if (!(c & 1u << 27))
        ktap_skip("no XSAVE");
    status = return_with(corrupt_xstate);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* xmm3 and xmm15. */
struct vectors {
    unsigned char bytes[32];
};

static void load_vectors(const struct vectors *v)
{
    __asm__ volatile("movdqu 0(%0), %%xmm3\n\tmovdqu 16(%0), %%xmm15" : : "r"(v) : "xmm3", "xmm15");
}

static bool vectors_are(const struct vectors *want)
{
    struct vectors now;

    __asm__ volatile("movdqu %%xmm3, 0(%0)\n\tmovdqu %%xmm15, 16(%0)" : : "r"(&now) : "memory");
    return memcmp(&now, want, sizeof(now)) == 0;
}

#define CPU_STATE_VECTORS
#include "../cpu_state.h"

static void spoil_handler(int sig)
{
    struct vectors v;

    memset(&v, 0xee, sizeof(v));
    load_vectors(&v);
}

TEST(vectors_survive_a_signal)
{
    struct vectors v;
    pid_t pid = getpid();

    signal(SIGUSR1, spoil_handler);
    memset(&v, 0x77, sizeof(v));
    load_vectors(&v);
    syscall(SYS_kill, pid, SIGUSR1);
    CHECK(vectors_are(&v));
}

TEST(bases)
{
    static unsigned long word = 0x123456789abcdef0;
    unsigned long gs = 0, fs = 0, value;

    CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
    CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
    CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
    CHECK_EQ(gs, (unsigned long)&word);
    CHECK(fs != 0);
    for (int i = 0; i < 100; i++)
        sched_yield();
    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    CHECK_EQ(value, word);
    CHECK_ERRNO(syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffffffff81000000), EPERM);
    CHECK_ERRNO(syscall(SYS_arch_prctl, ARCH_GET_GS, ktap_nowhere), EFAULT);
    CHECK_ERRNO(syscall(SYS_arch_prctl, 1, 0), EINVAL);
}

KTAP_MAIN(CASE(syscall_keeps_registers), CASE(syscall_numbers), CASE(divide_error),
          CASE(breakpoint), CASE(invalid_opcode), CASE(privileged_instruction),
          CASE(non_canonical_address), CASE(page_fault_frame), CASE(kernel_address),
          CASE(vector_exception), CASE(x87_exception),
          CASE(flags_survive_a_signal), CASE(single_step),
          CASE(bad_frames_kill_the_program_only), CASE(corrupt_extended_state_kills),
          CASE(vectors_survive_switches), CASE(vectors_survive_fork),
          CASE(vectors_survive_a_signal), CASE(bases))
