/* SPDX-License-Identifier: MIT */
/*
 * r14 to r31 of a program, which the kernel's entry leaves where they are: they must be the
 * program's again behind every way back, and in every frame and child that shows a copy of them.
 * Volatile registers must not tell what the kernel did.
 */
#include "../ktap.h"
#include "holding.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#define NR_KEPT 18
#define GP_NIP  32

struct kept {
    unsigned long r[NR_KEPT];
};

static void fill(struct kept *k, unsigned long seed)
{
    for (int i = 0; i < NR_KEPT; i++)
        k->r[i] = 0x0101010101010101ul * (unsigned long)(i + 14) ^ seed << 56;
}

static bool same(const struct kept *a, const struct kept *b)
{
    for (int i = 0; i < NR_KEPT; i++)
        if (a->r[i] != b->r[i]) {
            ktap_note("r%d is %#lx, not %#lx", i + 14, a->r[i], b->r[i]);
            return false;
        }
    return true;
}

#define ALL_KEPT                                                                                   \
    "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26",     \
        "r27", "r28", "r29", "r30", "r31"
#define HOLD(work)                                                                                 \
    HOLDING(".set n, 14\n.rept 18\nld n, 8 * (n - 14)(9)\n.set n, n + 1\n.endr", work,             \
            ".set n, 14\n.rept 18\nstd n, 8 * (n - 14)(10)\n.set n, n + 1\n.endr")

DEFINE_CALL_HOLDING(struct kept, HOLD, ALL_KEPT)

static volatile struct kept in_frame;
static volatile sig_atomic_t signals;
static void (*volatile in_handler)(ucontext_t *uc);

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    for (int i = 0; i < NR_KEPT; i++)
        in_frame.r[i] = uc->uc_mcontext.gp_regs[14 + i];
    signals++;
    if (in_handler)
        in_handler(uc);
}

static void catch_signal(int sig, int flags)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};

    sigaction(sig, &sa, NULL);
}

static void alarm_in_ms(int ms)
{
    struct itimerval it = {.it_value = {.tv_usec = ms * 1000}};

    setitimer(ITIMER_REAL, &it, NULL);
}

static bool frame_is(const struct kept *want)
{
    struct kept seen = in_frame;

    return same(&seen, want);
}

TEST(calls_that_end_at_once_or_sleep)
{
    struct timespec ms = {.tv_nsec = 1000000};
    struct kept want, got;

    for (unsigned long i = 0; i < 50; i++) {
        fill(&want, i);
        CHECK_EQ(call_holding(&want, &got, CALL(SYS_getppid)), getppid());
        CHECK(same(&got, &want));
        CHECK_EQ(call_holding(&want, &got, CALL(SYS_close, -1)), -EBADF);
        CHECK(same(&got, &want));
        CHECK_EQ(call_holding(&want, &got, CALL(511)), -ENOSYS);
        CHECK(same(&got, &want));
        CHECK_EQ(call_holding(&want, &got, CALL(SYS_nanosleep, (long)&ms)), 0);
        CHECK(same(&got, &want));
    }
}

/* What comes back in registers that a call need not keep: nothing of the kernel's. */
TEST(volatile_registers_tell_nothing)
{
    unsigned long seen[6];

    __asm__ volatile("li 9, 77\n\tmr 10, 9\n\tmr 11, 9\n\tmr 12, 9\n\tmtctr 9\n\t"
                     "li 0, %1\n\tsc\n\t"
                     "std 9, 0(%0)\n\tstd 10, 8(%0)\n\tstd 11, 16(%0)\n\tstd 12, 24(%0)\n\t"
                     "mfctr 9\n\tstd 9, 32(%0)\n\tmfxer 9\n\tstd 9, 40(%0)"
                     :
                     : "b"(seen), "i"(SYS_getppid)
                     : "r0", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "ctr",
                       "xer", "cr0", "memory");
    for (int i = 0; i < 6; i++)
        CHECK_EQ(seen[i], 0);
}

/* The child's copy, by every call that makes one. */
static void check_child(long nr, long a, long b, unsigned long seed)
{
    struct kept want, got;
    int status = -1;
    long pid;

    fill(&want, seed);
    memset(&got, 0, sizeof(got));
    pid = call_holding(&want, &got, CALL(nr, a, b));
    if (pid == 0)
        syscall(SYS_exit_group, memcmp(&got, &want, sizeof(got)) == 0 ? 0 : 1);
    CHECK(pid > 0);
    CHECK(same(&got, &want));
    CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

TEST(children_have_the_registers)
{
    unsigned long clone3_args[11] = {[4] = SIGCHLD};

    for (unsigned long i = 0; i < 5; i++) {
        check_child(SYS_fork, 0, 0, i);
        check_child(SYS_clone, SIGCHLD, 0, i + 5);
        check_child(SYS_clone3, (long)clone3_args, sizeof(clone3_args), i + 10);
    }
}

TEST(vfork_keeps_them_on_both_sides)
{
    struct kept want, got;
    int status = -1;
    long pid;

    fill(&want, 3);
    pid = call_holding(&want, &got, CALL(SYS_vfork));
    if (pid == 0) {
        bool ok = true;

        for (int i = 0; i < NR_KEPT; i++)
            ok &= got.r[i] == want.r[i];
        register long r0 __asm__("r0") = SYS_exit_group;
        register long r3 __asm__("r3") = ok ? 0 : 1;
        __asm__ volatile("sc" : : "r"(r0), "r"(r3) : "memory");
        __builtin_unreachable();
    }
    CHECK(same(&got, &want));
    CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static const struct kept *expected;

/* Was it the program with these registers that the signal broke into? The alarm may be early. */
static bool is_expected(void)
{
    for (int i = 0; i < NR_KEPT; i++)
        if (in_frame.r[i] != expected->r[i])
            return false;
    return true;
}

static void change_two(ucontext_t *uc)
{
    if (!is_expected())
        return;
    uc->uc_mcontext.gp_regs[14] = 0x1414;
    uc->uc_mcontext.gp_regs[31] = 0x3131;
}

TEST(frames_of_calls_show_and_change_them)
{
    struct timespec long_enough = {.tv_nsec = 50000000};
    struct kept want, got;
    long err;

    expected = &want;
    catch_signal(SIGUSR1, 0);
    catch_signal(SIGALRM, 0);
    for (unsigned long i = 0; i < 10; i++) {
        in_handler = NULL;
        fill(&want, i);
        CHECK_EQ(call_holding(&want, &got, CALL(SYS_kill, getpid(), SIGUSR1)), 0);
        CHECK(frame_is(&want));
        CHECK(same(&got, &want));
        in_handler = change_two;
        do { /* until the alarm ends a sleep */
            alarm_in_ms(2);
            err = call_holding(&want, &got, CALL(SYS_nanosleep, (long)&long_enough));
        } while (err == 0);
        CHECK_EQ(err, -EINTR);
        CHECK(frame_is(&want));
        want.r[0] = 0x1414;
        want.r[NR_KEPT - 1] = 0x3131;
        CHECK(same(&got, &want));
    }
}

static int pipe_ends[2];

static void write_a_byte(ucontext_t *uc)
{
    syscall(SYS_write, pipe_ends[1], "x", 1);
}

/* The handler makes the read that is started again succeed. An early alarm makes the first read do.
 */
TEST(a_restarted_call_has_its_arguments)
{
    struct kept want, got;
    int restarted = 0;
    char byte;

    REQUIRE(pipe(pipe_ends) == 0);
    expected = &want;
    catch_signal(SIGALRM, SA_RESTART);
    in_handler = write_a_byte;
    for (unsigned long i = 0; restarted < 5 && i < 100; i++) {
        fill(&want, i);
        byte = 0;
        alarm_in_ms(2);
        CHECK_EQ(call_holding(&want, &got, CALL(SYS_read, pipe_ends[0], (long)&byte, 1)), 1);
        CHECK_EQ(byte, 'x');
        CHECK(same(&got, &want));
        restarted += is_expected();
    }
    CHECK_EQ(restarted, 5);
}

static void skip_instruction(ucontext_t *uc)
{
    uc->uc_mcontext.gp_regs[GP_NIP] += 4;
    change_two(uc);
}

/* A store to @at with the registers held. */
static void store_holding(const struct kept *want, struct kept *got, void *at)
{
    register void *r3 __asm__("r3") = at;
    register const struct kept *r9 __asm__("r9") = want;
    register struct kept *r10 __asm__("r10") = got;

    __asm__ volatile(HOLD("std 3, 0(3)") : "+b"(r3), "+b"(r9), "+b"(r10) : : "memory", ALL_KEPT);
}

TEST(page_faults)
{
    size_t bytes = 64 * 4096;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct kept want, got;

    REQUIRE(p != MAP_FAILED);
    fill(&want, 1);
    for (size_t i = 0; i < bytes; i += 4096) {
        store_holding(&want, &got, p + i);
        CHECK(same(&got, &want));
    }
    expected = &want;
    catch_signal(SIGSEGV, 0);
    in_handler = skip_instruction;
    store_holding(&want, &got, ktap_nowhere);
    CHECK_EQ(signals, 1);
    CHECK(frame_is(&want));
    want.r[0] = 0x1414;
    want.r[NR_KEPT - 1] = 0x3131;
    CHECK(same(&got, &want));
}

/* Turns of a loop that interrupts and other threads break into. */
static bool spin_holding(unsigned long seed)
{
    register long r3 __asm__("r3") = 2000000;
    struct kept want, got;

    fill(&want, seed);
    register const struct kept *r9 __asm__("r9") = &want;
    register struct kept *r10 __asm__("r10") = &got;
    __asm__ volatile(HOLD("mtctr 3\n1: bdnz 1b")
                     : "+b"(r3), "+b"(r9), "+b"(r10)
                     :
                     : "ctr", "memory", ALL_KEPT);
    return memcmp(&got, &want, sizeof(got)) == 0;
}

static void *spin_thread(void *arg)
{
    bool ok = true;

    for (unsigned long i = 0; i < 20; i++)
        ok &= spin_holding((unsigned long)arg + i);
    return (void *)(long)ok;
}

TEST(switches_by_interrupt)
{
    pthread_t t[4];
    void *ok;

    catch_signal(SIGALRM, 0);
    for (long i = 0; i < 4; i++)
        REQUIRE(pthread_create(&t[i], NULL, spin_thread, (void *)(i * 50)) == 0);
    alarm_in_ms(5);
    CHECK(spin_thread((void *)7l));
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &ok);
        CHECK(ok != NULL);
    }
    CHECK_EQ(signals, 1);
}

static void exit_with_answer(ucontext_t *uc)
{
    _exit(frame_is(expected) ? 0 : 1);
}

/* A frame that cannot be read: what SIGSEGV's handler sees is the program that tried. */
TEST(a_bad_sigreturn_leaves_them)
{
    static char stack[65536];
    struct kept want;
    int status = -1;
    pid_t pid = fork();

    fill(&want, 9);
    if (pid == 0) {
        stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
        register const struct kept *r9 __asm__("r9");
        register void *r10 __asm__("r10");

        expected = &want;
        sigaltstack(&ss, NULL);
        catch_signal(SIGSEGV, SA_ONSTACK);
        in_handler = exit_with_answer;
        r9 = &want;
        r10 = ktap_nowhere;
        __asm__ volatile(".set n, 14\n.rept 18\nld n, 8 * (n - 14)(9)\n.set n, n + 1\n.endr\n\t"
                         "mr 1, 10\n\tli 0, %2\n\tsc\n\ttrap"
                         :
                         : "b"(r9), "b"(r10), "i"(SYS_rt_sigreturn)
                         : "memory", ALL_KEPT);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

KTAP_MAIN(CASE(calls_that_end_at_once_or_sleep), CASE(volatile_registers_tell_nothing),
          CASE(children_have_the_registers), CASE(vfork_keeps_them_on_both_sides),
          CASE(frames_of_calls_show_and_change_them), CASE(a_restarted_call_has_its_arguments),
          CASE(page_faults), CASE(switches_by_interrupt), CASE(a_bad_sigreturn_leaves_them))
