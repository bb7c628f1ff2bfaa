/* SPDX-License-Identifier: MIT */
/* brk(2), as the plain system call: it returns the new break, or the old one when it fails. */
#include "mem.h"

static char *raw_brk(char *to)
{
    return (char *)syscall(SYS_brk, to);
}

static char *break_now(void)
{
    return raw_brk(NULL);
}

static char *round_up(char *p)
{
    return (char *)(((uintptr_t)p + page_size - 1) / page_size * page_size);
}

TEST(grow_and_shrink)
{
    char *start = break_now(), *first = round_up(start);

    CHECK(raw_brk(first + 4 * page_size) == first + 4 * page_size);
    CHECK(break_now() == first + 4 * page_size);
    CHECK_EQ(first[0], 0);
    first[0] = 'b';
    first[4 * page_size - 1] = 'e';
    CHECK(raw_brk(first + page_size) == first + page_size);
    CHECK_EQ(first[0], 'b');
    CHECK_FAULT(try_read(first + 2 * page_size), first + 2 * page_size, SIGSEGV, SEGV_MAPERR);
    CHECK(raw_brk(first + 4 * page_size) == first + 4 * page_size);
    CHECK_EQ(first[4 * page_size - 1], 0);
    CHECK(raw_brk(start) == start);
}

TEST(bytes_not_pages)
{
    char *first = round_up(break_now());

    CHECK(raw_brk(first + 100) == first + 100);
    CHECK(break_now() == first + 100);
    /* The rest of the page is there all the same. */
    CHECK_EQ(try_write(first + 200), 0);
    CHECK(raw_brk(first + 50) == first + 50);
    CHECK_EQ(try_read(first + 200), 0);
}

TEST(heap_in_maps)
{
    char *first = round_up(break_now());
    struct mem_map m;

    CHECK(raw_brk(first + 2 * page_size) == first + 2 * page_size);
    m = find_map(first);
    CHECK(strcmp(m.name, "[heap]") == 0);
    CHECK(strcmp(m.perms, "rw-p") == 0);
    CHECK_EQ(m.end, (uintptr_t)(first + 2 * page_size));
}

TEST(below_start_is_refused)
{
    char *now = break_now();

    CHECK(raw_brk((char *)page_size) == now);
    CHECK(raw_brk((char *)1) == now);
    CHECK(break_now() == now);
}

TEST(absurd_is_refused)
{
    char *now = break_now();

    CHECK(raw_brk((char *)~(uintptr_t)0) == now);
    CHECK(raw_brk((char *)((uintptr_t)1 << 62)) == now);
}

TEST(does_not_run_into_a_mapping)
{
    char *first = round_up(break_now());
    char *wall = first + 16 * page_size;

    if (mmap(wall, page_size, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) != wall)
        ktap_skip("something is mapped behind the heap");
    CHECK(raw_brk(wall + 2 * page_size) != wall + 2 * page_size);
    CHECK(raw_brk(first + 4 * page_size) == first + 4 * page_size);
    *wall = 1;
}

TEST(limit_data)
{
    char *now = break_now();
    struct rlimit rl = {.rlim_cur = page_size, .rlim_max = RLIM_INFINITY};

    CHECK_OK(setrlimit(RLIMIT_DATA, &rl));
    CHECK(raw_brk(now + 64 * page_size) == now);
}

static void check_child(void *arg)
{
    char *first = arg;

    CHECK_EQ(first[0], 'p');
    first[0] = 'c';
    CHECK(raw_brk(first + page_size) == first + page_size);
}

TEST(fork_copies)
{
    char *first = round_up(break_now());

    CHECK(raw_brk(first + 2 * page_size) == first + 2 * page_size);
    first[0] = 'p';
    CHECK_EQ(in_child(check_child, first), 0);
    CHECK_EQ(first[0], 'p');
    CHECK(break_now() == first + 2 * page_size);
}

TEST(holes_in_the_heap)
{
    char *first = round_up(break_now());

    CHECK(raw_brk(first + 6 * page_size) == first + 6 * page_size);
    memset(first, 'h', 6 * page_size);
    CHECK_OK(munmap(first + 2 * page_size, page_size));
    CHECK(raw_brk(first + page_size) == first + page_size);
    CHECK_EQ(first[0], 'h');
    CHECK_MAPS(first + page_size, 5, ".....");
}

KTAP_MAIN(CASE(grow_and_shrink), CASE(bytes_not_pages), CASE(heap_in_maps),
          CASE(below_start_is_refused), CASE(absurd_is_refused), CASE(does_not_run_into_a_mapping),
          CASE(limit_data), CASE(fork_copies), CASE(holes_in_the_heap))
