/* SPDX-License-Identifier: MIT */
/*
 * Signal frames at addresses that are no good: where a frame cannot be written, and where none can
 * be read, SIGSEGV comes in its place, on an alternate stack if that is what it asks for, and the
 * interrupted registers are the program's. See also signal_test.c.
 */
#include "ktap.h"

#include <setjmp.h>
#include <sys/syscall.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

#define PAGE  4096ul
#define PAGES 8ul

static char other_stack[65536] __attribute__((aligned(16)));
static volatile sig_atomic_t usr1, segv, leaks;
static sigjmp_buf back;

static void on_usr1(int sig)
{
    usr1++;
}

static void on_segv(int sig)
{
    segv++;
}

static void catch_signal(int sig, void (*fn)(int), int flags)
{
    struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

    CHECK_OK(sigaction(sig, &sa, NULL));
}

static void use_other_stack(unsigned int flags)
{
    stack_t ss = {.ss_sp = other_stack, .ss_size = sizeof(other_stack), .ss_flags = (int)flags};

    CHECK_OK(sigaltstack(&ss, NULL));
}

/* kill() with another stack pointer, and @x in a register. */
static double kill_at(char *sp, int sig, double x)
{
    const long self = getpid();
#ifdef __powerpc64__
    register long r0 __asm__("r0") = SYS_kill;
    register long r3 __asm__("r3") = self;
    register long r4 __asm__("r4") = sig;
    register char *r5 __asm__("r5") = sp;

    __asm__ volatile("mr 14, 1\n\tmr 1, 5\n\tsc\n\tmr 1, 14"
                     : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+d"(x)
                     :
                     : "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r14", "ctr", "xer", "cr0",
                       "memory");
#else
    long rax = SYS_kill;

    __asm__ volatile("mov %%rsp, %%rbx\n\tmov %3, %%rsp\n\tsyscall\n\tmov %%rbx, %%rsp"
                     : "+a"(rax), "+x"(x)
                     : "D"(self), "r"(sp), "S"((long)sig)
                     : "rbx", "rcx", "r11", "memory");
#endif
    return x;
}

#ifdef __powerpc64__
static unsigned long thread_register; /* the library's, which longjmp does not bring back */
#endif

static void __attribute__((noreturn)) sigreturn_at(unsigned long frame)
{
#ifdef __powerpc64__
    __asm__ volatile("mr %0, 13" : "=r"(thread_register));
    __asm__ volatile("mr 1, %0\n\tli 0, %1\n\tsc" : : "r"(frame), "i"(SYS_rt_sigreturn) : "memory");
#else
    __asm__ volatile("mov %0, %%rsp\n\tmov %1, %%eax\n\tsyscall"
                     :
                     : "r"(frame), "i"(SYS_rt_sigreturn)
                     : "memory");
#endif
    __builtin_unreachable();
}

/* PAGES pages that are there, with one in the midst that is not. */
static char *pages_with_a_gap(void)
{
    char *base =
        mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED || mprotect(base + PAGES / 2 * PAGE, PAGE, PROT_NONE) != 0)
        return NULL;
    return base;
}

static void no_room(unsigned int flags)
{
    const unsigned long step = ktap_swept ? 240 : 48;
    char *base = pages_with_a_gap();
    int both = 0;

    REQUIRE(base != NULL);
    use_other_stack(flags);
    catch_signal(SIGSEGV, on_segv, SA_ONSTACK);
    catch_signal(SIGUSR1, on_usr1, 0);
    for (unsigned long at = PAGES / 2 * PAGE; at < PAGES * PAGE; at += step) {
        double x = (double)at + 0.25;

        usr1 = segv = 0;
        REQUIRE(kill_at(base + at, SIGUSR1, x) == x);
        REQUIRE(usr1 + segv == 1);
        both |= usr1 ? 1 : 2;
    }
    CHECK_EQ(both, 3);
}

TEST(no_room_for_a_frame)
{
    no_room(0);
}

/* A stack that a frame disarms serves the next signal, when there was no such frame. */
TEST(no_room_leaves_the_other_stack_armed)
{
    no_room(SS_AUTODISARM);
}

static void expect_segv(unsigned long frame)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        sigreturn_at(frame);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(return_from_no_frame)
{
    char *base = pages_with_a_gap();

    REQUIRE(base != NULL);
    for (unsigned long i = 0; i < 8; i += 7) {
        expect_segv(i);
        expect_segv((unsigned long)base + i);
        expect_segv((unsigned long)base + PAGES / 2 * PAGE - 600 + i);
        expect_segv(0x7ffffffffff0ul + i);
        expect_segv(1ul << 63 | i);
        expect_segv(-1ul - i);
    }
}

/* All registers are small numbers or addresses of the program's: those of the kernel are not. */
static void look_for_leaks(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;
    const unsigned long *r = (const unsigned long *)uc->uc_mcontext.
#ifdef __powerpc64__
                             gp_regs;
    const int nr = 32;
#else
                             gregs;
    const int nr = REG_RIP + 1;
#endif

#ifdef __powerpc64__
    __asm__ volatile("mr 13, %0" : : "r"(thread_register));
#endif
    for (int i = 0; i < nr; i++)
        leaks += r[i] >> 63 != 0;
    siglongjmp(back, 1);
}

TEST(half_a_frame_tells_nothing)
{
    struct sigaction sa = {.sa_sigaction = look_for_leaks, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    char *base = pages_with_a_gap();

    REQUIRE(base != NULL);
    use_other_stack(0);
    CHECK_OK(sigaction(SIGSEGV, &sa, NULL));
    for (volatile unsigned long n = 8; n < 2048; n += ktap_swept ? 40 : 8)
        if (sigsetjmp(back, 1) == 0)
            sigreturn_at((unsigned long)base + PAGES / 2 * PAGE - n);
    CHECK_EQ(leaks, 0);
}

KTAP_MAIN(CASE(no_room_for_a_frame), CASE(no_room_leaves_the_other_stack_armed),
          CASE(return_from_no_frame), CASE(half_a_frame_tells_nothing))
