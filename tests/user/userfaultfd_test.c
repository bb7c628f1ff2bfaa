/* SPDX-License-Identifier: MIT */
/*
 * userfaultfd: holes that another thread fills. Needs root, or a kernel that lets users have it.
 */
#include "mem.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>

static int open_uffd(int flags)
{
    struct uffdio_api api = {.api = UFFD_API};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | flags);

    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        ktap_skip("userfaultfd: %s", strerror(errno));
    CHECK(fd >= 0);
    CHECK_OK(ioctl(fd, UFFDIO_API, &api));
    CHECK(api.ioctls & 1ull << _UFFDIO_REGISTER);
    return fd;
}

static int reg(int fd, void *p, size_t len, uint64_t mode)
{
    struct uffdio_register r = {.range = {(uintptr_t)p, len}, .mode = mode};

    return ioctl(fd, UFFDIO_REGISTER, &r);
}

static char *filler_source;
static int filler_uffd, filler_count;

/* Answers each fault with a page of its number, until the descriptor is closed. */
static void *filler(void *arg)
{
    int wanted = *(int *)arg;
    struct uffd_msg m;

    while (filler_count < wanted && read(filler_uffd, &m, sizeof(m)) == sizeof(m)) {
        struct uffdio_copy c = {.dst = m.arg.pagefault.address & ~(page_size - 1),
                                .src = (uintptr_t)filler_source,
                                .len = page_size};

        if (m.event != UFFD_EVENT_PAGEFAULT)
            break;
        memset(filler_source, 'A' + filler_count, page_size);
        filler_count++;
        ioctl(filler_uffd, UFFDIO_COPY, &c);
    }
    return NULL;
}

TEST(faults_are_answered)
{
    char *p = map_pages(4, RW);
    pthread_t thread;
    int nr = 3;

    filler_source = map_pages(1, RW);
    filler_uffd = open_uffd(0);
    CHECK_OK(reg(filler_uffd, p, 4 * page_size, UFFDIO_REGISTER_MODE_MISSING));
    CHECK(has_vmflag(p, "um"));
    CHECK_EQ(pthread_create(&thread, NULL, filler, &nr), 0);
    CHECK_EQ(p[0], 'A');
    CHECK_EQ(p[1], 'A');
    p[2 * page_size] = 'w'; /* a write waits, too, and then finds the rest */
    CHECK_EQ(p[2 * page_size + 1], 'B');
    CHECK_EQ(p[page_size + 5], 'C');
    CHECK_EQ(filler_count, 3);
    pthread_join(thread, NULL);
    close(filler_uffd);
    CHECK_EQ(p[3 * page_size], 0); /* nobody fills it any more: ordinary memory */
    CHECK_EQ(p[0], 'A');
}

TEST(system_calls_wait_too)
{
    char *p = map_pages(1, RW);
    int fds[2], nr = 1;
    pthread_t thread;
    char c = 0;

    filler_source = map_pages(1, RW);
    filler_uffd = open_uffd(0);
    CHECK_OK(reg(filler_uffd, p, page_size, UFFDIO_REGISTER_MODE_MISSING));
    REQUIRE(pipe(fds) == 0);
    CHECK_EQ(pthread_create(&thread, NULL, filler, &nr), 0);
    CHECK_EQ(write(fds[1], p + 9, 1), 1);
    CHECK_EQ(read(fds[0], &c, 1), 1);
    CHECK_EQ(c, 'A');
    pthread_join(thread, NULL);
    close(filler_uffd);
}

TEST(filling_without_a_fault)
{
    char *p = map_pages(4, RW), *src = map_pages(2, RW);
    int fd = open_uffd(O_NONBLOCK);
    struct uffdio_copy c = {.dst = (uintptr_t)p, .src = (uintptr_t)src, .len = 2 * page_size};
    struct uffdio_zeropage z = {.range = {(uintptr_t)p + 2 * page_size, page_size}};
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    struct uffd_msg m;

    memset(src, 's', 2 * page_size);
    CHECK_OK(reg(fd, p, 4 * page_size, UFFDIO_REGISTER_MODE_MISSING));
    CHECK_EQ(poll(&pfd, 1, 0), 0);
    CHECK_ERRNO(read(fd, &m, sizeof(m)), EAGAIN);
    CHECK_OK(ioctl(fd, UFFDIO_COPY, &c));
    CHECK_EQ(c.copy, 2 * page_size);
    CHECK_EQ(p[page_size], 's');
    CHECK_ERRNO(ioctl(fd, UFFDIO_COPY, &c), EEXIST);
    CHECK_EQ(c.copy, -EEXIST);
    CHECK_OK(ioctl(fd, UFFDIO_ZEROPAGE, &z));
    CHECK_EQ(z.zeropage, page_size);
    CHECK_EQ(p[2 * page_size], 0);
    p[2 * page_size] = 'z';
    CHECK_EQ(p[2 * page_size], 'z');
    CHECK_EQ(is_present(p + 3 * page_size), 0);
    close(fd);
}

TEST(errors)
{
    char *p = map_pages(4, RW), *file;
    int fd = open_uffd(O_NONBLOCK), other = open_uffd(O_NONBLOCK);
    struct uffdio_range r = {(uintptr_t)p, page_size};
    struct uffdio_copy c = {.dst = (uintptr_t)p, .src = (uintptr_t)p, .len = page_size};
    struct uffdio_api api = {.api = 1};

    CHECK_ERRNO(syscall(SYS_userfaultfd, 0x40000000), EINVAL);
    CHECK_ERRNO(ioctl(fd, UFFDIO_API, &api), EINVAL);
    CHECK_ERRNO(reg(fd, p + 1, page_size, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
    CHECK_ERRNO(reg(fd, p, 0, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
    CHECK_ERRNO(reg(fd, p, page_size, 0), EINVAL);
    CHECK_OK(reg(fd, p, 2 * page_size, UFFDIO_REGISTER_MODE_MISSING));
    CHECK_ERRNO(reg(other, p, page_size, UFFDIO_REGISTER_MODE_MISSING), EBUSY);
    c.dst = (uintptr_t)(p + 3 * page_size); /* not registered */
    CHECK_ERRNO(ioctl(fd, UFFDIO_COPY, &c), ENOENT);
    CHECK_OK(ioctl(fd, UFFDIO_UNREGISTER, &r));
    CHECK_EQ(p[0], 0);
    CHECK(!has_vmflag(p, "um"));
    CHECK(has_vmflag(p + page_size, "um"));
    file = mmap(NULL, page_size, PROT_READ, MAP_SHARED, open("/proc/self/exe", O_RDONLY), 0);
    if (file != MAP_FAILED)
        CHECK(reg(fd, file, page_size, UFFDIO_REGISTER_MODE_MISSING) == -1);
    close(fd);
    close(other);
}

static void child_reads(void *arg)
{
    CHECK_EQ(*(char *)arg, 0); /* nobody fills a child's holes */
}

TEST(child_and_moved_memory_are_ordinary)
{
    char *p = map_pages(2, RW), *q;
    int fd = open_uffd(O_NONBLOCK);

    CHECK_OK(reg(fd, p, 2 * page_size, UFFDIO_REGISTER_MODE_MISSING));
    CHECK_EQ(in_child(child_reads, p), 0);
    q = (char *)sys_mremap(p, 2 * page_size, 2 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
                           free_range(2));
    REQUIRE(q != MAP_FAILED);
    CHECK_EQ(q[0], 0);
    close(fd);
}

static void on_alarm(int sig)
{
    _exit(0);
}

/* A wait ends with a signal. */
TEST(signals_interrupt)
{
    char *p = map_pages(1, RW);
    int fd = open_uffd(O_NONBLOCK);

    CHECK_OK(reg(fd, p, page_size, UFFDIO_REGISTER_MODE_MISSING));
    signal(SIGALRM, on_alarm);
    alarm(1);
    (void)*(volatile char *)p;
    CHECK(!"went on without a page");
}

KTAP_MAIN(CASE(faults_are_answered), CASE(system_calls_wait_too), CASE(filling_without_a_fault),
          CASE(errors), CASE(child_and_moved_memory_are_ordinary), CASE(signals_interrupt))
