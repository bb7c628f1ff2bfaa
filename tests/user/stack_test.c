/* SPDX-License-Identifier: MIT */
/* The main thread's stack: growth, the gap below it, RLIMIT_STACK, and the alternate signal stack.
 */
#include "mem.h"

#define KIB 1024

static __attribute__((noinline)) char *here(void)
{
    return __builtin_frame_address(0);
}

static __attribute__((noinline)) int descend(size_t kib)
{
    volatile char frame[KIB];

    frame[0] = (char)kib;
    frame[KIB - 1] = frame[0];
    if (kib == 0)
        return 0;
    return descend(kib - 1) + frame[KIB - 1] - frame[0];
}

static void set_limit(size_t bytes)
{
    struct rlimit rl = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

    getrlimit(RLIMIT_STACK, &rl);
    rl.rlim_cur = bytes;
    if (setrlimit(RLIMIT_STACK, &rl) < 0)
        ktap_skip("setrlimit: %s", strerror(errno));
}

TEST(named_in_maps)
{
    struct mem_map m = find_map(here());

    CHECK(strcmp(m.name, "[stack]") == 0);
    CHECK(strncmp(m.perms, "rw", 2) == 0);
    CHECK(has_vmflag(here(), "gd"));
}

TEST(grows_with_calls)
{
    struct mem_map before = find_map(here()), after;

    CHECK_EQ(descend(1024), 0);
    after = find_map(here());
    CHECK(after.start + 1000 * KIB <= before.end);
    CHECK(after.start < before.start);
    CHECK_EQ(after.end, before.end);
}

TEST(grows_by_a_far_access)
{
    struct mem_map before = find_map(here());
    char *far = (char *)(uintptr_t)(before.start - 300 * KIB);

    CHECK_EQ(try_write(far), 0);
    CHECK(find_map(here()).start <= (uintptr_t)far);
}

TEST(grows_for_the_kernel)
{
    struct mem_map before = find_map(here());
    char *far = (char *)(uintptr_t)(before.start - 100 * KIB);
    int fds[2];

    REQUIRE(pipe(fds) == 0);
    CHECK_EQ(write(fds[1], "k", 1), 1);
    CHECK_EQ(read(fds[0], far, 1), 1);
    CHECK_EQ(*far, 'k');
}

TEST(limit_stops_growth)
{
    struct mem_map m = find_map(here());
    char *below;

    set_limit((size_t)(m.end - m.start) + 256 * KIB);
    CHECK_EQ(try_write((char *)(uintptr_t)(m.start - 128 * KIB)), 0);
    below = (char *)(uintptr_t)(m.start - 512 * KIB);
    CHECK_FAULT(try_write(below), below, SIGSEGV, SEGV_MAPERR);
}

static void overflow(void *arg)
{
    _exit(descend((size_t)-1));
}

TEST(overflow_kills)
{
    int status;

    set_limit(1024 * KIB);
    status = in_child(overflow, NULL);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static sigjmp_buf overflow_back;
static volatile int on_alternate;

static void on_overflow(int sig, siginfo_t *info, void *context)
{
    char *at = here();
    stack_t now;

    sigaltstack(NULL, &now);
    on_alternate = at > (char *)now.ss_sp && at < (char *)now.ss_sp + now.ss_size &&
                   (now.ss_flags & SS_ONSTACK);
    siglongjmp(overflow_back, 1);
}

TEST(overflow_is_caught_on_alternate_stack)
{
    static char other[64 * KIB];
    stack_t ss = {.ss_sp = other, .ss_size = sizeof(other)};
    struct sigaction sa = {.sa_sigaction = on_overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    set_limit(1024 * KIB);
    CHECK_OK(sigaltstack(&ss, NULL));
    CHECK_OK(sigaction(SIGSEGV, &sa, NULL));
    if (sigsetjmp(overflow_back, 1) == 0)
        descend((size_t)-1);
    CHECK_EQ(on_alternate, 1);
}

/* A mapping close below the stack: growth must leave a gap (256 pages on Linux by default). */
TEST(guard_gap_below)
{
    struct mem_map m = find_map(here());
    char *wall = (char *)(uintptr_t)((m.start - 2048 * KIB) / page_size * page_size);
    char *near = wall + 2 * page_size;

    set_limit(64u << 20);
    if (mmap(wall, page_size, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) != wall)
        ktap_skip("something is mapped there");
    CHECK_EQ(try_write((char *)(uintptr_t)(m.start - 512 * KIB)), 0);
    CHECK_FAULT(try_write(near), near, SIGSEGV, SEGV_MAPERR);
    CHECK_EQ(try_write(wall), 0);
}

TEST(gap_is_not_needed_above_prot_none)
{
    struct mem_map m = find_map(here());
    char *wall = (char *)(uintptr_t)((m.start - 1024 * KIB) / page_size * page_size);
    char *near = wall + page_size;

    set_limit(64u << 20);
    if (mmap(wall, page_size, PROT_NONE, ANON | MAP_FIXED_NOREPLACE, -1, 0) != wall)
        ktap_skip("something is mapped there");
    CHECK_EQ(try_write(near), 0);
}

TEST(mmap_stays_out_of_the_gap)
{
    struct mem_map m = find_map(here());
    char *hint = (char *)(uintptr_t)(m.start - 16 * page_size);
    char *p = mmap(hint, page_size, RW, ANON, -1, 0);

    CHECK(p != MAP_FAILED);
    CHECK(p != hint);
}

TEST(not_executable)
{
    CHECK(find_map(here()).perms[2] == '-');
}

KTAP_MAIN(CASE(named_in_maps), CASE(grows_with_calls), CASE(grows_by_a_far_access),
          CASE(grows_for_the_kernel), CASE(limit_stops_growth), CASE(overflow_kills),
          CASE(overflow_is_caught_on_alternate_stack), CASE(guard_gap_below),
          CASE(gap_is_not_needed_above_prot_none), CASE(mmap_stays_out_of_the_gap),
          CASE(not_executable))
