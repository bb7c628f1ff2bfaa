/* SPDX-License-Identifier: MIT */
/* Signals: handlers, masks, siginfo, queues, alternate stacks, restart of calls. */
#include "ktap.h"

#include <sys/time.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t count, order[16], nr_order, last_code, last_pid, last_value;

static void on_count(int sig)
{
    count++;
    if (nr_order < 16)
        order[nr_order++] = sig;
}

static void on_info(int sig, siginfo_t *info, void *context)
{
    count++;
    last_code = info->si_code;
    last_pid = info->si_pid;
    last_value = info->si_value.sival_int;
    if (nr_order < 16)
        order[nr_order++] = info->si_value.sival_int;
}

static void handle(int sig, void (*fn)(int), int flags)
{
    struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

    sigemptyset(&sa.sa_mask);
    CHECK_OK(sigaction(sig, &sa, NULL));
}

static void handle_info(int sig, int flags)
{
    struct sigaction sa = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO | flags};

    sigemptyset(&sa.sa_mask);
    CHECK_OK(sigaction(sig, &sa, NULL));
}

static sigset_t set_of(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    if (sig)
        sigaddset(&set, sig);
    return set;
}

TEST(handler_runs)
{
    handle(SIGUSR1, on_count, 0);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ(count, 1);
    CHECK_OK(raise(SIGUSR1));
    CHECK_EQ(count, 2);
}

TEST(sigaction_returns_old)
{
    struct sigaction old;

    handle(SIGUSR1, on_count, SA_RESTART);
    CHECK_OK(sigaction(SIGUSR1, NULL, &old));
    CHECK(old.sa_handler == on_count);
    CHECK(old.sa_flags & SA_RESTART);
    CHECK_ERRNO(sigaction(SIGKILL, &old, NULL), EINVAL);
    CHECK_ERRNO(sigaction(SIGSTOP, &old, NULL), EINVAL);
    CHECK_ERRNO(sigaction(65, &old, NULL), EINVAL);
    CHECK_ERRNO(sigaction(0, &old, NULL), EINVAL);
}

TEST(ignored_and_default)
{
    handle(SIGUSR1, SIG_IGN, 0);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_OK(kill(getpid(), SIGCHLD));
    CHECK_OK(kill(getpid(), SIGURG));
    CHECK_OK(kill(getpid(), SIGWINCH));
    CHECK_OK(kill(getpid(), SIGCONT));
}

TEST(default_action_kills)
{
    static const int sigs[] = {SIGHUP,  SIGINT,  SIGTERM, SIGUSR1, SIGUSR2,   SIGPIPE,
                               SIGALRM, SIGQUIT, SIGILL,  SIGABRT, SIGFPE,    SIGSEGV,
                               SIGBUS,  SIGSYS,  SIGTRAP, SIGXCPU, SIGVTALRM, SIGPROF};

    for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
            signal(sigs[i], SIG_DFL);
            kill(getpid(), sigs[i]);
            _exit(0);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), sigs[i]);
    }
}

TEST(blocked_stays_pending)
{
    sigset_t set = set_of(SIGUSR1), old, pending;

    handle(SIGUSR1, on_count, 0);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, &old));
    CHECK(!sigismember(&old, SIGUSR1));
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    CHECK_EQ(count, 0);
    CHECK_OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1));
    CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK_EQ(count, 1); /* an ordinary signal is pending once */
    CHECK_OK(sigpending(&pending));
    CHECK(!sigismember(&pending, SIGUSR1));
}

TEST(kill_and_stop_cannot_be_blocked)
{
    sigset_t set, now;

    sigfillset(&set);
    CHECK_OK(sigprocmask(SIG_SETMASK, &set, NULL));
    CHECK_OK(sigprocmask(SIG_SETMASK, NULL, &now));
    CHECK(!sigismember(&now, SIGKILL));
    CHECK(!sigismember(&now, SIGSTOP));
    CHECK(sigismember(&now, SIGUSR1));
    set = set_of(0);
    CHECK_OK(sigprocmask(SIG_SETMASK, &set, NULL));
    CHECK_ERRNO(sigprocmask(77, &set, NULL), EINVAL);
}

TEST(realtime_signals_queue_in_order)
{
    sigset_t set = set_of(SIGRTMIN);

    handle_info(SIGRTMIN, 0);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    for (int i = 1; i <= 5; i++)
        CHECK_OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
    CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK_EQ(count, 5);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(order[i], i + 1);
    CHECK_EQ(last_code, SI_QUEUE);
    CHECK_EQ(last_pid, getpid());
}

TEST(siginfo_of_kill)
{
    handle_info(SIGUSR1, 0);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ(last_code, SI_USER);
    CHECK_EQ(last_pid, getpid());
    CHECK_OK(syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1));
    CHECK_EQ(last_code, SI_TKILL);
}

TEST(kill_errors)
{
    CHECK_ERRNO(kill(getpid(), 65), EINVAL);
    CHECK_ERRNO(kill(0x3ffffff, SIGTERM), ESRCH);
    CHECK_OK(kill(getpid(), 0));
    CHECK_ERRNO(syscall(SYS_tgkill, -1, -1, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_tgkill, getpid(), 0x3ffffff, 0), ESRCH);
}

static void on_nested(int sig)
{
    static volatile sig_atomic_t depth, runs;

    depth++;
    if (depth > count)
        count = depth;
    if (++runs < 3)
        raise(sig);
    depth--;
}

TEST(own_signal_is_blocked_in_handler)
{
    handle(SIGUSR1, on_nested, 0);
    raise(SIGUSR1);
    CHECK_EQ(count, 1);
}

TEST(nodefer_nests)
{
    handle(SIGUSR1, on_nested, SA_NODEFER);
    raise(SIGUSR1);
    CHECK_EQ(count, 3);
}

static volatile sig_atomic_t inside_usr1, usr2_inside;

static void on_usr1(int sig)
{
    inside_usr1 = 1;
    kill(getpid(), SIGUSR2);
    inside_usr1 = 0;
}

static void on_usr2(int sig)
{
    usr2_inside = inside_usr1;
    count++;
}

TEST(other_signal_interrupts_handler)
{
    handle(SIGUSR1, on_usr1, 0);
    handle(SIGUSR2, on_usr2, 0);
    raise(SIGUSR1);
    CHECK_EQ(count, 1);
    CHECK_EQ(usr2_inside, 1);
}

TEST(sa_mask_holds_back)
{
    struct sigaction sa = {.sa_handler = on_usr1};

    sigemptyset(&sa.sa_mask);
    sigaddset(&sa.sa_mask, SIGUSR2);
    CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
    handle(SIGUSR2, on_usr2, 0);
    raise(SIGUSR1);
    CHECK_EQ(count, 1);
    CHECK_EQ(usr2_inside, 0);
}

TEST(resethand)
{
    struct sigaction now;

    handle(SIGUSR1, on_count, SA_RESETHAND);
    raise(SIGUSR1);
    CHECK_EQ(count, 1);
    CHECK_OK(sigaction(SIGUSR1, NULL, &now));
    CHECK(now.sa_handler == SIG_DFL);
}

static char other_stack[65536];
static volatile sig_atomic_t was_on_other, flags_inside, disable_error;

static void on_stack(int sig)
{
    stack_t now, off = {.ss_flags = SS_DISABLE};
    char here;

    was_on_other = &here >= other_stack && &here < other_stack + sizeof(other_stack);
    sigaltstack(NULL, &now);
    flags_inside = now.ss_flags;
    disable_error = sigaltstack(&off, NULL) < 0 ? errno : 0;
}

TEST(alternate_stack)
{
    stack_t ss = {.ss_sp = other_stack, .ss_size = sizeof(other_stack)}, now;

    CHECK_OK(sigaltstack(NULL, &now));
    CHECK(now.ss_flags & SS_DISABLE);
    CHECK_OK(sigaltstack(&ss, NULL));
    handle(SIGUSR1, on_stack, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK_EQ(was_on_other, 1);
    CHECK(flags_inside & SS_ONSTACK);
    CHECK_EQ(disable_error, EPERM);
    CHECK_OK(sigaltstack(NULL, &now));
    CHECK_EQ(now.ss_flags, 0);
    handle(SIGUSR1, on_stack, 0);
    raise(SIGUSR1);
    CHECK_EQ(was_on_other, 0);
}

TEST(alternate_stack_errors)
{
    stack_t small = {.ss_sp = other_stack, .ss_size = 100};
    stack_t bad = {.ss_sp = other_stack, .ss_size = sizeof(other_stack), .ss_flags = 0x1234};

    CHECK_ERRNO(sigaltstack(&small, NULL), ENOMEM);
    CHECK_ERRNO(sigaltstack(&bad, NULL), EINVAL);
}

TEST(read_restarts)
{
    int fds[2];
    char c = 0;
    pid_t pid, parent = getpid();

    REQUIRE(pipe(fds) == 0);
    handle(SIGUSR1, on_count, SA_RESTART);
    pid = fork();
    if (pid == 0) {
        usleep(50000);
        kill(parent, SIGUSR1);
        usleep(50000);
        _exit(write(fds[1], "x", 1) != 1);
    }
    CHECK_EQ(read(fds[0], &c, 1), 1);
    CHECK_EQ(c, 'x');
    CHECK_EQ(count, 1);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

TEST(read_is_interrupted)
{
    int fds[2], status;
    char c;
    pid_t pid, parent = getpid();

    REQUIRE(pipe(fds) == 0);
    handle(SIGUSR1, on_count, 0);
    pid = fork();
    if (pid == 0) {
        usleep(50000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_ERRNO(read(fds[0], &c, 1), EINTR);
    CHECK_EQ(count, 1);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
}

TEST(nanosleep_tells_the_rest)
{
    struct timespec want = {.tv_sec = 5}, rest = {0};
    pid_t pid, parent = getpid();

    handle(SIGUSR1, on_count, SA_RESTART);
    pid = fork();
    if (pid == 0) {
        usleep(100000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_ERRNO(nanosleep(&want, &rest), EINTR);
    CHECK(rest.tv_sec == 4 || (rest.tv_sec < 4 && rest.tv_sec >= 1));
    waitpid(pid, NULL, 0);
}

TEST(sigsuspend_swaps_mask)
{
    sigset_t set = set_of(SIGUSR1), none = set_of(0), now;

    handle(SIGUSR1, on_count, 0);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    kill(getpid(), SIGUSR1);
    CHECK_EQ(count, 0);
    CHECK_ERRNO(sigsuspend(&none), EINTR);
    CHECK_EQ(count, 1);
    CHECK_OK(sigprocmask(SIG_BLOCK, NULL, &now));
    CHECK(sigismember(&now, SIGUSR1));
}

TEST(pause_returns)
{
    struct itimerval again = {{0, 200000}, {0, 200000}}; /* the first may come before pause() */

    handle(SIGALRM, on_count, 0);
    CHECK_OK(setitimer(ITIMER_REAL, &again, NULL));
    CHECK_ERRNO(pause(), EINTR);
    CHECK(count >= 1);
}

TEST(sigtimedwait_takes)
{
    sigset_t set = set_of(SIGUSR1);
    struct timespec soon = {.tv_nsec = 20000000};
    siginfo_t info;

    CHECK_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_ERRNO(sigtimedwait(&set, &info, &soon), EAGAIN);
    kill(getpid(), SIGUSR1);
    CHECK_EQ(sigtimedwait(&set, &info, &soon), SIGUSR1);
    CHECK_EQ(info.si_signo, SIGUSR1);
    CHECK_EQ(info.si_pid, getpid());
    CHECK_ERRNO(sigtimedwait(&set, &info, &soon), EAGAIN);
}

static void on_context(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    /* What the interrupted code has blocked, and will have again. */
    count = sigismember(&uc->uc_sigmask, SIGUSR2) ? 1 : 2;
    sigaddset(&uc->uc_sigmask, SIGUSR2);
}

TEST(context_mask_is_restored)
{
    struct sigaction sa = {.sa_sigaction = on_context, .sa_flags = SA_SIGINFO};
    sigset_t now;

    sigemptyset(&sa.sa_mask);
    CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
    raise(SIGUSR1);
    CHECK_EQ(count, 2);
    CHECK_OK(sigprocmask(SIG_BLOCK, NULL, &now));
    CHECK(sigismember(&now, SIGUSR2));
}

static volatile double sink;

static void on_floats(int sig)
{
    volatile double x = 1.5;

    for (int i = 0; i < 100; i++)
        x = x * 1.01 + i;
    sink = x;
    count++;
}

TEST(handler_keeps_float_registers)
{
    double a = 1.25, b = 2.5, c = 3.75, d = 5.0, sum = 0;

    handle(SIGUSR1, on_floats, 0);
    for (int i = 0; i < 50; i++) {
        a += b;
        raise(SIGUSR1);
        c += d;
        sum += a * c;
        a -= b;
        c -= d;
    }
    CHECK(a == 1.25 && b == 2.5 && c == 3.75 && d == 5.0);
    CHECK(sum == 50 * (1.25 + 2.5) * (3.75 + 5.0));
    CHECK_EQ(count, 50);
}

TEST(divide_or_trap_gives_sigill_or_fpe)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        __builtin_trap();
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
}

TEST(blocked_fault_kills)
{
    sigset_t set = set_of(SIGSEGV);
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        handle(SIGSEGV, on_count, 0);
        sigprocmask(SIG_BLOCK, &set, NULL);
        *ktap_nowhere = 1;
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(fork_clears_pending_keeps_handlers)
{
    sigset_t set = set_of(SIGUSR1), pending;
    int status = 0;
    pid_t pid;

    handle(SIGUSR1, on_count, 0);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    pid = fork();
    if (pid == 0) {
        struct sigaction now;
        int bad;

        sigpending(&pending);
        bad = sigismember(&pending, SIGUSR1);
        sigaction(SIGUSR1, NULL, &now);
        bad |= now.sa_handler != on_count;
        sigprocmask(SIG_BLOCK, NULL, &pending);
        bad |= !sigismember(&pending, SIGUSR1);
        _exit(bad);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

TEST(many_signals)
{
    const int nr = ktap_swept ? 50 : 10000;

    handle(SIGUSR1, on_count, 0);
    for (int i = 0; i < nr; i++)
        kill(getpid(), SIGUSR1);
    CHECK_EQ(count, nr);
}

KTAP_MAIN(CASE(handler_runs), CASE(sigaction_returns_old), CASE(ignored_and_default),
          CASE(default_action_kills), CASE(blocked_stays_pending),
          CASE(kill_and_stop_cannot_be_blocked), CASE(realtime_signals_queue_in_order),
          CASE(siginfo_of_kill), CASE(kill_errors), CASE(own_signal_is_blocked_in_handler),
          CASE(nodefer_nests), CASE(other_signal_interrupts_handler), CASE(sa_mask_holds_back),
          CASE(resethand), CASE(alternate_stack), CASE(alternate_stack_errors), CASE(read_restarts),
          CASE(read_is_interrupted), CASE(nanosleep_tells_the_rest), CASE(sigsuspend_swaps_mask),
          CASE(pause_returns), CASE(sigtimedwait_takes), CASE(context_mask_is_restored),
          CASE(handler_keeps_float_registers), CASE(divide_or_trap_gives_sigill_or_fpe),
          CASE(blocked_fault_kills), CASE(fork_clears_pending_keeps_handlers), CASE(many_signals))
