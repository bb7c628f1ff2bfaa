/* SPDX-License-Identifier: MIT */
/* msync(2). */
#include "mem.h"

TEST(sync_file)
{
    int fd = make_file(2);
    char *p = mmap(NULL, 2 * page_size, RW, MAP_SHARED, fd, 0);
    char c;

    REQUIRE(p != MAP_FAILED);
    p[page_size + 3] = 's';
    CHECK_OK(msync(p, 2 * page_size, MS_SYNC));
    CHECK_OK(msync(p, 2 * page_size, MS_ASYNC));
    CHECK_OK(msync(p, 2 * page_size, MS_SYNC | MS_INVALIDATE));
    CHECK_OK(msync(p, 2 * page_size, 0));
    CHECK_EQ(pread(fd, &c, 1, (off_t)page_size + 3), 1);
    CHECK_EQ(c, 's');
}

TEST(anonymous_is_accepted)
{
    char *p = map_pages(1, RW);

    p[0] = 'm';
    CHECK_OK(msync(p, page_size, MS_SYNC));
    CHECK_EQ(p[0], 'm');
}

TEST(invalidate_of_locked_is_busy)
{
    char *p = map_pages(1, RW);

    if (mlock(p, page_size) < 0)
        ktap_skip("mlock: %s", strerror(errno));
    CHECK_ERRNO(msync(p, page_size, MS_INVALIDATE), EBUSY);
    CHECK_OK(msync(p, page_size, MS_SYNC));
}

TEST(error_table)
{
    char *p = map_pages(3, RW);

    CHECK_ERRNO(msync(p + 1, page_size, MS_SYNC), EINVAL);
    CHECK_ERRNO(msync(p, page_size, MS_SYNC | MS_ASYNC), EINVAL);
    CHECK_ERRNO(msync(p, page_size, 0x100), EINVAL);
    CHECK_OK(msync(p, 0, MS_SYNC));
    munmap(p + page_size, page_size);
    CHECK_ERRNO(msync(p, 3 * page_size, MS_SYNC), ENOMEM);
    CHECK_ERRNO(msync(p + page_size, page_size, MS_SYNC), ENOMEM);
}

KTAP_MAIN(CASE(sync_file), CASE(anonymous_is_accepted), CASE(invalidate_of_locked_is_busy),
          CASE(error_table))
