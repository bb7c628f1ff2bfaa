/* SPDX-License-Identifier: MIT */
/* munmap(2) and mprotect(2): permissions, splitting and merging of mappings, and the errors. */
#include "mem.h"

typedef int (*int_fn)(void);

TEST(read_only)
{
    char *p = map_pages(2, RW);

    p[0] = 'a';
    CHECK_OK(mprotect(p, page_size, PROT_READ));
    CHECK_EQ(p[0], 'a');
    CHECK_FAULT(try_write(p + 7), p + 7, SIGSEGV, SEGV_ACCERR);
    CHECK_EQ(p[7], 0);
    CHECK_EQ(try_write(p + page_size), 0);
    CHECK_OK(mprotect(p, page_size, RW));
    CHECK_EQ(try_write(p + 7), 0);
    CHECK_EQ(p[7], 'W');
}

TEST(none_and_back_keeps_contents)
{
    char *p = map_pages(3, RW);

    memset(p, 'k', 3 * page_size);
    CHECK_OK(mprotect(p, 3 * page_size, PROT_NONE));
    CHECK_FAULT(try_read(p + page_size), p + page_size, SIGSEGV, SEGV_ACCERR);
    CHECK_OK(mprotect(p, 3 * page_size, PROT_READ));
    for (size_t i = 0; i < 3 * page_size; i += 64)
        CHECK_EQ(p[i], 'k');
}

TEST(untouched_pages_obey_too)
{
    char *p = map_pages(2, PROT_READ);

    CHECK_EQ(try_write(p), SIGSEGV);
    CHECK_OK(mprotect(p, 2 * page_size, RW));
    CHECK_EQ(try_write(p), 0);
    CHECK_EQ(try_write(p + page_size), 0);
}

TEST(zero_page_becomes_writable)
{
    char *p = map_pages(1, PROT_READ), *q = map_pages(1, PROT_READ);

    CHECK_EQ(p[0], 0);
    CHECK_EQ(q[0], 0);
    CHECK_OK(mprotect(p, page_size, RW));
    p[0] = 1;
    CHECK_EQ(q[0], 0);
}

TEST(splits_and_merges)
{
    char *p = free_range(8);

    mmap(p, 8 * page_size, RW, ANON | MAP_FIXED, -1, 0);
    CHECK_MAPS(p, 8, "|wwwwwwww");
    CHECK_OK(mprotect(p + 2 * page_size, 2 * page_size, PROT_READ));
    CHECK_MAPS(p, 8, "|ww|rr|wwww");
    CHECK_OK(mprotect(p + 4 * page_size, page_size, PROT_READ));
    CHECK_MAPS(p, 8, "|ww|rrr|www");
    CHECK_OK(mprotect(p, page_size, PROT_NONE));
    CHECK_MAPS(p, 8, "|-|w|rrr|www");
    CHECK_OK(mprotect(p, 2 * page_size, PROT_READ));
    CHECK_MAPS(p, 8, "|rrrrr|www");
    CHECK_OK(mprotect(p + 7 * page_size, page_size, PROT_READ));
    CHECK_MAPS(p, 8, "|rrrrr|ww|r");
    CHECK_OK(mprotect(p + 5 * page_size, 2 * page_size, PROT_READ));
    CHECK_MAPS(p, 8, "|rrrrrrrr");
    CHECK_OK(mprotect(p, 8 * page_size, RW));
    CHECK_MAPS(p, 8, "|wwwwwwww");
}

TEST(unmap_makes_holes)
{
    char *p = free_range(8);

    mmap(p, 8 * page_size, RW, ANON | MAP_FIXED, -1, 0);
    memset(p, 'u', 8 * page_size);
    CHECK_OK(munmap(p + 3 * page_size, 2 * page_size));
    CHECK_MAPS(p, 8, "|www..|www");
    CHECK_FAULT(try_read(p + 4 * page_size), p + 4 * page_size, SIGSEGV, SEGV_MAPERR);
    CHECK_OK(munmap(p, page_size));
    CHECK_OK(munmap(p + 7 * page_size, page_size));
    CHECK_MAPS(p, 8, ".|ww..|ww.");
    CHECK_EQ(p[page_size], 'u');
    CHECK_EQ(p[7 * page_size - 1], 'u');
    /* Over holes and borders at once. */
    CHECK_OK(munmap(p, 8 * page_size));
    CHECK_MAPS(p, 8, "........");
    CHECK_OK(munmap(p, 8 * page_size));
}

TEST(unmap_frees_memory)
{
    enum { NR = 256 }; /* Linux brings its count up to date every 64 pages only */
    char *p = map_pages(NR, RW);
    long before, after;

    memset(p, 1, NR * page_size);
    before = file_field("/proc/self/status", "VmRSS");
    CHECK_OK(munmap(p, NR * page_size));
    after = file_field("/proc/self/status", "VmRSS");
    CHECK(before - after >= (long)(NR / 2 * page_size / 1024));
    /* Mapped again it is zero. */
    p = mmap(p, NR * page_size, RW, ANON | MAP_FIXED, -1, 0);
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[(NR - 1) * page_size], 0);
}

TEST(error_table)
{
    char *p = map_pages(2, RW), *hole = free_range(4);
    int fd = make_file(1);
    char *shared;

    CHECK_ERRNO(sys_munmap(p + 1, page_size), EINVAL);
    CHECK_ERRNO(sys_munmap(p, 0), EINVAL);
    CHECK_ERRNO(sys_munmap((void *)(~(uintptr_t)0 - page_size + 1), page_size), EINVAL);
    CHECK_ERRNO(sys_munmap(p, (size_t)-1 / page_size * page_size), EINVAL);
    CHECK_ERRNO(sys_mprotect(p + 1, page_size, PROT_READ), EINVAL);
    CHECK_OK(mprotect(p, 0, PROT_READ));
    CHECK_EQ(try_write(p), 0);
    CHECK_ERRNO(sys_mprotect(hole, page_size, PROT_READ), ENOMEM);
    CHECK_ERRNO(sys_mprotect(p, page_size, PROT_READ | 0x100), EINVAL);
    CHECK_ERRNO(sys_mprotect(p, page_size, PROT_GROWSDOWN | PROT_GROWSUP | PROT_READ), EINVAL);
    CHECK_ERRNO(sys_mprotect(p, page_size, PROT_GROWSDOWN | PROT_READ), EINVAL);
    CHECK_OK(ftruncate(fd, (off_t)page_size));
    {
        char path[] = "/tmp/ktap-mprotect-XXXXXX";
        int rw = mkstemp(path), ro = open(path, O_RDONLY);

        unlink(path);
        CHECK_OK(ftruncate(rw, (off_t)page_size));
        shared = mmap(NULL, page_size, PROT_READ, MAP_SHARED, ro, 0);
        REQUIRE(shared != MAP_FAILED);
        CHECK_ERRNO(sys_mprotect(shared, page_size, RW), EACCES);
        shared = mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, ro, 0);
        REQUIRE(shared != MAP_FAILED);
        CHECK_OK(mprotect(shared, page_size, RW));
    }
}

TEST(hole_stops_half_way)
{
    char *p = free_range(4);

    mmap(p, 4 * page_size, RW, ANON | MAP_FIXED, -1, 0);
    munmap(p + 2 * page_size, page_size);
    CHECK_ERRNO(mprotect(p, 4 * page_size, PROT_READ), ENOMEM);
    /* As Linux: what lies before the hole has changed. */
    CHECK_MAPS(p, 4, "|rr.|w");
}

TEST(length_is_rounded_up)
{
    char *p = map_pages(3, RW);

    CHECK_OK(mprotect(p, page_size + 1, PROT_READ));
    CHECK_EQ(try_write(p + page_size), SIGSEGV);
    CHECK_EQ(try_write(p + 2 * page_size), 0);
}

TEST(execute_permission)
{
    char *p = map_pages(1, RW);

    CHECK_OK(mprotect(p, page_size, PROT_READ | PROT_EXEC));
    CHECK(strcmp(find_map(p).perms, "r-xp") == 0);
    CHECK_EQ(try_write(p), SIGSEGV);
    CHECK_OK(mprotect(p, page_size, RW));
    CHECK(strcmp(find_map(p).perms, "rw-p") == 0);
}

static void run_page(void *at)
{
    ((int_fn)at)();
}

TEST(no_execute)
{
#if defined(__powerpc64__)
    ktap_skip("function descriptors: a data page cannot be called directly");
#endif
    char *p = map_pages(1, RW);
    int status;

    status = in_child(run_page, p);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

TEST(growsdown_protects_to_the_start)
{
    char *p = free_range(40);
    char *top = p + 36 * page_size;

    mmap(top, 4 * page_size, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
    CHECK_OK(mprotect(top + 2 * page_size, page_size, PROT_READ | PROT_GROWSDOWN));
    CHECK_MAPS(top, 4, "|rrr|w");
}

TEST(cow_pages_stay_private_after_protect)
{
    int fd = make_file(1);
    char *p = mmap(NULL, page_size, RW, MAP_PRIVATE, fd, 0);
    char c;

    REQUIRE(p != MAP_FAILED);
    p[0] = 'p';
    CHECK_OK(mprotect(p, page_size, PROT_READ));
    CHECK_OK(mprotect(p, page_size, RW));
    p[1] = 'q';
    CHECK_EQ(p[0], 'p');
    CHECK_EQ(pread(fd, &c, 1, 0), 1);
    CHECK_EQ(c, 'a');
}

TEST(read_only_file_page_is_not_written_through)
{
    int fd = make_file(1);
    char *p = mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, fd, 0);
    char c;

    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(p[0], 'a');
    CHECK_OK(mprotect(p, page_size, RW));
    p[0] = 'X';
    CHECK_EQ(pread(fd, &c, 1, 0), 1);
    CHECK_EQ(c, 'a');
}

TEST(thousand_alternating)
{
    const size_t nr = ktap_swept ? 200 : 1000;
    char *p = map_pages(nr, RW);

    memset(p, 7, nr * page_size);
    for (size_t i = 0; i < nr; i += 2)
        CHECK_OK(mprotect(p + i * page_size, page_size, PROT_READ));
    CHECK(count_maps(p, nr * page_size) >= (int)nr);
    for (size_t i = 0; i < nr; i += 100) {
        CHECK_EQ(try_write(p + i * page_size), SIGSEGV);
        CHECK_EQ(try_write(p + (i + 1) * page_size), 0);
    }
    CHECK_OK(mprotect(p, nr * page_size, RW));
    CHECK_EQ(count_maps(p, nr * page_size), 1);
    for (size_t i = 0; i < nr; i++)
        CHECK_EQ(p[i * page_size + 1], 7);
}

KTAP_MAIN(CASE(read_only), CASE(none_and_back_keeps_contents), CASE(untouched_pages_obey_too),
          CASE(zero_page_becomes_writable), CASE(splits_and_merges), CASE(unmap_makes_holes),
          CASE(unmap_frees_memory), CASE(error_table), CASE(hole_stops_half_way),
          CASE(length_is_rounded_up), CASE(execute_permission), CASE(no_execute),
          CASE(growsdown_protects_to_the_start), CASE(cow_pages_stay_private_after_protect),
          CASE(read_only_file_page_is_not_written_through), CASE(thousand_alternating))
