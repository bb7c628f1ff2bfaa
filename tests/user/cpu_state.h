/* SPDX-License-Identifier: MIT */
/*
 * What the cpu_test.c of all machines do alike: a handler that keeps what a signal said and may
 * change the frame, and registers that are the thread's own over switches and fork.
 *
 * In two parts, since the includer's code stands between them: first CPU_STATE_SIGNALS (it declares
 * note_frame and take_signal_and_exit, which the includer defines), then CPU_STATE_VECTORS, behind
 * the includer's struct vectors, load_vectors and vectors_are.
 */
#if defined(CPU_STATE_SIGNALS) && !defined(CPU_STATE_HAS_SIGNALS)
#define CPU_STATE_HAS_SIGNALS

static volatile sig_atomic_t caught, caught_code;
static volatile unsigned long caught_addr;
static void (*volatile change)(ucontext_t *uc);

/* Keeps what the machine says besides. */
static void note_frame(const ucontext_t *uc);

static void handler(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    void (*fn)(ucontext_t *) = change;

    caught = sig;
    caught_code = info->si_code;
    caught_addr = (unsigned long)info->si_addr;
    note_frame(uc);
    if (fn)
        fn(uc);
}

static void catch_signal(int sig)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

    sigaction(sig, &sa, NULL);
}

/* Sends SIGUSR1 to itself; status 0 when the program is whole behind that. */
static void take_signal_and_exit(void);

/* In a child, a handler that changes its frame with @fn returns; the child's wait status. */
static int return_with(void (*fn)(ucontext_t *))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        catch_signal(SIGUSR1);
        change = fn;
        take_signal_and_exit();
    }
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}
#endif

#if defined(CPU_STATE_VECTORS) && !defined(CPU_STATE_HAS_VECTORS)
#define CPU_STATE_HAS_VECTORS

/* So many must have started before any goes on: else each may have run alone. */
static int spoilers_wanted, spoilers;

static void *spoil_vectors(void *arg)
{
    struct vectors v;
    bool ok = true;

    __atomic_add_fetch(&spoilers, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&spoilers, __ATOMIC_SEQ_CST) < spoilers_wanted)
        syscall(SYS_sched_yield);
    memset(&v, (int)(long)arg, sizeof(v));
    for (int i = 0; i < 2000; i++) {
        load_vectors(&v);
        syscall(SYS_sched_yield);
        ok &= vectors_are(&v);
    }
    return (void *)(long)ok;
}

TEST(vectors_survive_switches)
{
    pthread_t t[4];
    void *ok;

    spoilers_wanted = 4;
    for (long i = 0; i < 4; i++)
        REQUIRE(pthread_create(&t[i], NULL, spoil_vectors, (void *)(i + 1)) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &ok);
        CHECK(ok != NULL);
    }
}

TEST(vectors_survive_fork)
{
    struct vectors v;
    int status;
    long pid;

    memset(&v, 0x5a, sizeof(v));
    load_vectors(&v);
    /* The raw call: the library's fork may use the registers. */
    pid = syscall(SYS_fork);
    if (pid == 0)
        syscall(SYS_exit_group, vectors_are(&v) ? 0 : 1);
    CHECK(vectors_are(&v));
    CHECK_EQ(syscall(SYS_wait4, pid, &status, 0, 0), pid);
    CHECK_EQ(status, 0);
}
#endif
