/* SPDX-License-Identifier: MIT */
/* mmap(2): kinds of mappings, placement, every flag that concerns memory, and the errors. */
#include "mem.h"

#include <sys/stat.h>

TEST(anonymous_is_zero)
{
    char *p = map_pages(4, RW);

    CHECK_EQ((uintptr_t)p % page_size, 0);
    for (size_t i = 0; i < 4 * page_size; i++) {
        if (!CHECK_EQ(p[i], 0))
            return;
    }
    memset(p, 0x5a, 4 * page_size);
    CHECK_EQ(p[3 * page_size + 17], 0x5a);
    CHECK_OK(munmap(p, 4 * page_size));
}

TEST(anonymous_is_lazy)
{
    char *p = map_pages(8, RW);

    CHECK_EQ(count_present(p, 8), 0);
    p[3 * page_size] = 1;
    CHECK_EQ(count_present(p, 8), 1);
    CHECK(is_present(p + 3 * page_size));
}

TEST(read_fault_maps_zero_page)
{
    char *p = map_pages(2, RW);

    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[page_size], 0);
    if (smaps_field(p, "Anonymous") != 0)
        ktap_skip("this kernel has no shared zero page");
    p[0] = 1;
    CHECK_EQ(smaps_field(p, "Anonymous"), (long)page_size / 1024);
    CHECK_EQ(p[page_size], 0);
}

TEST(length_is_rounded_up)
{
    char *p = mmap(NULL, page_size + 1, RW, ANON, -1, 0);

    REQUIRE(p != MAP_FAILED);
    p[2 * page_size - 1] = 1;
    CHECK_OK(munmap(p, page_size + 1));
    CHECK_EQ(try_read(p + 2 * page_size - 1), SIGSEGV);
}

TEST(error_table)
{
    int fd = make_file(1);
    size_t huge = (size_t)-1 / page_size * page_size;

    CHECK_ERRNO(sys_mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
    CHECK_ERRNO(sys_mmap(NULL, page_size, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_ERRNO(sys_mmap(NULL, page_size, RW, MAP_PRIVATE, -1, 0), EBADF);
    CHECK_ERRNO(sys_mmap(NULL, page_size, RW, MAP_PRIVATE, 9999, 0), EBADF);
    CHECK_ERRNO(sys_mmap(NULL, huge, RW, ANON, -1, 0), ENOMEM);
    CHECK_ERRNO(sys_mmap(NULL, (size_t)1 << 62, RW, ANON, -1, 0), ENOMEM);
    CHECK_ERRNO(sys_mmap(NULL, page_size, RW, MAP_PRIVATE, fd, page_size / 2), EINVAL);
    CHECK_ERRNO(sys_mmap(NULL, page_size, RW, MAP_PRIVATE, fd, ~0ul / page_size * page_size),
                EOVERFLOW);
    CHECK_ERRNO(sys_mmap((void *)1, page_size, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
    CHECK_ERRNO(sys_mmap((void *)(huge - page_size), page_size, RW, ANON | MAP_FIXED, -1, 0),
                ENOMEM);
}

TEST(file_permission_errors)
{
    char path[] = "/tmp/ktap-mmap-XXXXXX";
    int rw = mkstemp(path), ro = open(path, O_RDONLY), wo = open(path, O_WRONLY), dir, fds[2];

    REQUIRE(rw >= 0 && ro >= 0 && wo >= 0);
    unlink(path);
    CHECK_OK(ftruncate(rw, (off_t)page_size));
    CHECK_ERRNO((long)mmap(NULL, page_size, RW, MAP_SHARED, ro, 0), EACCES);
    CHECK_ERRNO((long)mmap(NULL, page_size, PROT_READ, MAP_SHARED, wo, 0), EACCES);
    CHECK_ERRNO((long)mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
    CHECK_OK((long)mmap(NULL, page_size, RW, MAP_PRIVATE, ro, 0));
    CHECK_OK((long)mmap(NULL, page_size, PROT_READ, MAP_SHARED, ro, 0));
    dir = open("/", O_RDONLY);
    CHECK_ERRNO((long)mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
    REQUIRE(pipe(fds) == 0);
    CHECK_ERRNO((long)mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, fds[0], 0), ENODEV);
}

TEST(fixed_replaces)
{
    char *p = map_pages(6, RW);

    memset(p, 'x', 6 * page_size);
    CHECK(mmap(p + 2 * page_size, 2 * page_size, RW, ANON | MAP_FIXED, -1, 0) == p + 2 * page_size);
    CHECK_EQ(p[2 * page_size - 1], 'x');
    CHECK_EQ(p[2 * page_size], 0);
    CHECK_EQ(p[4 * page_size - 1], 0);
    CHECK_EQ(p[4 * page_size], 'x');
}

TEST(fixed_noreplace)
{
    char *p = free_range(4);

    CHECK(mmap(p + page_size, page_size, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + page_size);
    p[page_size] = 'k';
    CHECK_ERRNO((long)mmap(p, 4 * page_size, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    CHECK_ERRNO((long)mmap(p + page_size, page_size, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0),
                EEXIST);
    CHECK_ERRNO((long)mmap(p, 2 * page_size, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    CHECK(mmap(p, page_size, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p);
    CHECK(mmap(p + 2 * page_size, page_size, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) ==
          p + 2 * page_size);
    CHECK_EQ(p[page_size], 'k');
}

TEST(hint_is_taken_when_free)
{
    char *p = free_range(4);
    char *q = mmap(p + page_size, page_size, RW, ANON, -1, 0), *r;

    CHECK(q == p + page_size);
    r = mmap(q, page_size, RW, ANON, -1, 0);
    CHECK(r != MAP_FAILED && r != q);
    /* A hint in the middle of a page is rounded. */
    munmap(q, page_size);
    q = mmap(p + page_size + 123, page_size, RW, ANON, -1, 0);
    CHECK(q != MAP_FAILED);
    CHECK_EQ((uintptr_t)q % page_size, 0);
}

TEST(neighbours_merge)
{
    char *p = free_range(4);

    for (size_t i = 0; i < 4; i++)
        CHECK(mmap(p + i * page_size, page_size, RW, ANON | MAP_FIXED, -1, 0) == p + i * page_size);
    CHECK_MAPS(p, 4, "|wwww");
}

TEST(different_flags_do_not_merge)
{
    char *p = free_range(4);

    mmap(p, page_size, RW, ANON | MAP_FIXED, -1, 0);
    mmap(p + page_size, page_size, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap(p + 2 * page_size, page_size, PROT_READ, ANON | MAP_FIXED, -1, 0);
    CHECK_MAPS(p, 4, "|w|w|r.");
}

TEST(file_offsets_merge)
{
    int fd = make_file(4);
    char *p = free_range(4);
    struct mem_map m;

    mmap(p + page_size, page_size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, (off_t)page_size);
    mmap(p, page_size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
    mmap(p + 2 * page_size, page_size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
         (off_t)(3 * page_size));
    CHECK_MAPS(p, 4, "|rr|r.");
    m = find_map(p + 2 * page_size);
    CHECK_EQ(m.offset, 3 * page_size);
    CHECK_EQ(p[2 * page_size], 'd');
}

TEST(shared_file_writes_reach_file)
{
    int fd = make_file(2);
    char *p = mmap(NULL, 2 * page_size, RW, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd, (off_t)page_size);
    char c;

    REQUIRE(p != MAP_FAILED && q != MAP_FAILED);
    p[page_size + 1] = 'Z';
    CHECK_EQ(q[1], 'Z');
    CHECK_EQ(pread(fd, &c, 1, (off_t)page_size + 1), 1);
    CHECK_EQ(c, 'Z');
    CHECK_EQ(pwrite(fd, "Y", 1, 5), 1);
    CHECK_EQ(p[5], 'Y');
}

TEST(private_file_writes_stay_private)
{
    int fd = make_file(2);
    char *p = mmap(NULL, 2 * page_size, RW, MAP_PRIVATE, fd, 0);
    char c;

    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(p[0], 'a');
    p[0] = 'P';
    CHECK_EQ(pread(fd, &c, 1, 0), 1);
    CHECK_EQ(c, 'a');
    /* The copy no longer sees the file, an untouched page still does. */
    CHECK_EQ(pwrite(fd, "12", 2, 0), 2);
    CHECK_EQ(p[0], 'P');
    CHECK_EQ(p[1], 0);
    CHECK_EQ(pwrite(fd, "3", 1, (off_t)page_size), 1);
    CHECK_EQ(p[page_size], '3');
}

TEST(past_end_of_file_is_sigbus)
{
    int fd = make_file(1);
    char *p = mmap(NULL, 3 * page_size, RW, MAP_SHARED, fd, 0);

    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(try_read(p), 0);
    CHECK_FAULT(try_read(p + page_size + 3), p + page_size + 3, SIGBUS, BUS_ADRERR);
    CHECK_FAULT(try_write(p + 2 * page_size), p + 2 * page_size, SIGBUS, BUS_ADRERR);
    CHECK_OK(ftruncate(fd, (off_t)(2 * page_size)));
    CHECK_EQ(try_read(p + page_size + 3), 0);
    CHECK_EQ(try_read(p + 2 * page_size), SIGBUS);
}

TEST(shared_anonymous_survives_fork)
{
    volatile int *p = mmap(NULL, page_size, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t pid;

    REQUIRE(p != MAP_FAILED);
    pid = fork();
    if (pid == 0) {
        *p = 42;
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(*p, 42);
}

TEST(populate)
{
    char *p = mmap(NULL, 8 * page_size, RW, ANON | MAP_POPULATE, -1, 0);
    long before;

    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(count_present(p, 8), 8);
    before = minor_faults();
    for (size_t i = 0; i < 8; i++)
        p[i * page_size] = 1;
    CHECK_EQ(minor_faults() - before, 0);
    /* Nothing to populate where nothing may be read: no error. */
    p = mmap(NULL, 8 * page_size, PROT_NONE, ANON | MAP_POPULATE, -1, 0);
    CHECK(p != MAP_FAILED);
}

TEST(populate_private_file_reads)
{
    int fd = make_file(4);
    char *p = mmap(NULL, 4 * page_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);

    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(count_present(p, 4), 4);
    CHECK_EQ(p[3 * page_size], 'd');
}

TEST(noreserve_and_stack_and_nonblock)
{
    CHECK_OK((long)mmap(NULL, page_size, RW, ANON | MAP_NORESERVE, -1, 0));
    CHECK_OK((long)mmap(NULL, page_size, RW, ANON | MAP_STACK, -1, 0));
    CHECK_OK((long)mmap(NULL, page_size, RW, ANON | MAP_NONBLOCK | MAP_POPULATE, -1, 0));
}

TEST(old_flags_are_ignored)
{
    int fd = make_file(1);

    CHECK_OK((long)mmap(NULL, page_size, PROT_READ, MAP_PRIVATE | MAP_DENYWRITE, fd, 0));
    CHECK_OK((long)mmap(NULL, page_size, PROT_READ, MAP_PRIVATE | MAP_EXECUTABLE, fd, 0));
}

TEST(shared_validate)
{
    int fd = make_file(1);
    int flags = 3; /* MAP_SHARED_VALIDATE */

    CHECK_OK((long)mmap(NULL, page_size, RW, flags, fd, 0));
    CHECK_ERRNO((long)mmap(NULL, page_size, RW, flags | 0x80000 /* MAP_SYNC */, fd, 0), EOPNOTSUPP);
}

TEST(locked_is_resident)
{
    char *p = mmap(NULL, 4 * page_size, RW, ANON | MAP_LOCKED, -1, 0);

    if (p == MAP_FAILED && errno == EAGAIN)
        ktap_skip("RLIMIT_MEMLOCK is too low");
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(count_present(p, 4), 4);
    CHECK_EQ(smaps_field(p, "Locked"), (long)(4 * page_size / 1024));
    CHECK(has_vmflag(p, "lo"));
}

TEST(growsdown)
{
    char *p = free_range(64);
    char *top = p + 63 * page_size;

    if (mmap(top, page_size, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) != top) {
        CHECK_OK(-1);
        return;
    }
    CHECK(has_vmflag(top, "gd"));
    CHECK_EQ(try_write(top), 0);
    CHECK_EQ(try_write(top - 1), 0);
    CHECK_EQ(find_map(top).start, (uintptr_t)(top - page_size));
    CHECK_EQ(try_write(top - 5 * page_size), 0);
    CHECK_EQ(find_map(top).start, (uintptr_t)(top - 5 * page_size));
    CHECK_ERRNO((long)mmap(NULL, page_size, RW, MAP_SHARED | MAP_GROWSDOWN, make_file(1), 0),
                EINVAL);
}

TEST(hugetlb_without_pool)
{
    char *p = mmap(NULL, 2 << 20, RW, ANON | MAP_HUGETLB, -1, 0);

    if (p != MAP_FAILED)
        ktap_skip("this machine has huge pages to give");
    CHECK(errno == ENOMEM || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP);
}

TEST(prot_none_faults)
{
    char *p = map_pages(1, PROT_NONE);

    CHECK_FAULT(try_read(p), p, SIGSEGV, SEGV_ACCERR);
    CHECK_FAULT(try_write(p + 9), p + 9, SIGSEGV, SEGV_ACCERR);
}

TEST(write_implies_read)
{
    char *p = map_pages(1, PROT_WRITE);

    CHECK_EQ(try_write(p), 0);
    CHECK_EQ(try_read(p), 0);
}

TEST(dev_zero)
{
    int fd = open("/dev/zero", O_RDWR);
    char *p;

    if (fd < 0)
        ktap_skip("no /dev/zero");
    p = mmap(NULL, 2 * page_size, RW, MAP_PRIVATE, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(p[100], 0);
    p[100] = 1;
    CHECK_EQ(p[100], 1);
    CHECK_EQ(p[page_size], 0);
}

TEST(mapping_outlives_descriptor)
{
    int fd = make_file(1);
    char *p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0);

    REQUIRE(p != MAP_FAILED);
    close(fd);
    CHECK_EQ(p[0], 'a');
    p[0] = 'n';
    CHECK_EQ(p[0], 'n');
}

TEST(below_mmap_min_addr)
{
    char *p = mmap((void *)page_size, page_size, RW, ANON, -1, 0);

    /* As a hint it only moves; fixed, an ordinary user is refused. */
    CHECK(p != MAP_FAILED);
    p = mmap(NULL, page_size, RW, ANON, -1, 0);
    CHECK(p != NULL);
}

TEST(many_mappings)
{
    const size_t nr = ktap_swept ? 200 : 2000;
    char *p = free_range(nr);

    for (size_t i = 0; i < nr; i += 2) {
        if (mmap(p + i * page_size, page_size, RW, ANON | MAP_FIXED, -1, 0) != p + i * page_size) {
            CHECK_OK(-1);
            return;
        }
        p[i * page_size] = (char)i;
    }
    CHECK_EQ(count_maps(p, nr * page_size), nr / 2);
    for (size_t i = 1; i < nr; i += 2)
        mmap(p + i * page_size, page_size, RW, ANON | MAP_FIXED, -1, 0);
    /* Linux keeps touched neighbours apart that were not one mapping before. */
    CHECK(count_maps(p, nr * page_size) <= (int)nr / 2);
    for (size_t i = 0; i < nr; i += 2)
        CHECK_EQ(p[i * page_size], (char)i);
    CHECK_OK(munmap(p, nr * page_size));
    CHECK_EQ(count_maps(p, nr * page_size), 0);
}

KTAP_MAIN(CASE(anonymous_is_zero), CASE(anonymous_is_lazy), CASE(read_fault_maps_zero_page),
          CASE(length_is_rounded_up), CASE(error_table), CASE(file_permission_errors),
          CASE(fixed_replaces), CASE(fixed_noreplace), CASE(hint_is_taken_when_free),
          CASE(neighbours_merge), CASE(different_flags_do_not_merge), CASE(file_offsets_merge),
          CASE(shared_file_writes_reach_file), CASE(private_file_writes_stay_private),
          CASE(past_end_of_file_is_sigbus), CASE(shared_anonymous_survives_fork), CASE(populate),
          CASE(populate_private_file_reads), CASE(noreserve_and_stack_and_nonblock),
          CASE(old_flags_are_ignored), CASE(shared_validate), CASE(locked_is_resident),
          CASE(growsdown), CASE(hugetlb_without_pool), CASE(prot_none_faults),
          CASE(write_implies_read), CASE(dev_zero), CASE(mapping_outlives_descriptor),
          CASE(below_mmap_min_addr), CASE(many_mappings))
