/* SPDX-License-Identifier: MIT */
/*
 * Huge pages from a pool: MAP_HUGETLB, reservations, copy-on-write and who loses a page, memfds,
 * System V segments, and the calls that change mappings. Needs root, for the pool.
 */
#include "huge.h"

#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/uio.h>

#ifndef SHM_HUGETLB
#define SHM_HUGETLB 04000
#endif

TEST(pool_grows_and_shrinks)
{
    struct pool p;

    set_pool(0);
    CHECK(write_number(NR_FILE, 5));
    p = pool_now();
    CHECK_EQ(p.total, 5);
    CHECK_EQ(p.free, 5);
    CHECK_EQ(number_in(NR_FILE), 5);
    CHECK(file_field("/proc/meminfo", "Hugetlb") >= (long)(5 * huge_size / 1024));
    CHECK(write_number(NR_FILE, 2));
    CHECK_EQ(pool_now().total, 2);
    CHECK(write_number(NR_FILE, 0));
    CHECK_EQ(pool_now().total, 0);
}

TEST(sysfs_names_each_size)
{
    char path[128];

    set_pool(3);
    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
             huge_size / 1024);
    if (access(path, R_OK))
        ktap_skip("%s: %s", path, strerror(errno));
    CHECK_EQ(number_in(path), 3);
    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/free_hugepages",
             huge_size / 1024);
    CHECK_EQ(number_in(path), 3);
    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/resv_hugepages",
             huge_size / 1024);
    CHECK_EQ(number_in(path), 0);
}

TEST(mapping_is_huge)
{
    char *p;

    set_pool(4);
    p = map_huge(2, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ((uintptr_t)p % huge_size, 0);
    CHECK_POOL(4, 2);
    CHECK_EQ(smaps_field(p, "KernelPageSize"), huge_size / 1024);
    CHECK_EQ(smaps_field(p, "MMUPageSize"), huge_size / 1024);
    CHECK(has_vmflag(p, "ht"));
    for (size_t i = 0; i < 2 * huge_size; i += page_size)
        if (p[i] != 0 || p[i + page_size - 1] != 0) {
            CHECK_EQ(i, -1);
            break;
        }
    touch_huge(p, 2, 'x');
    CHECK_POOL(2, 0);
    CHECK_EQ(smaps_field(p, "Private_Hugetlb"), 2 * huge_size / 1024);
    CHECK_EQ(smaps_field(p, "Rss"), 0);
    CHECK_EQ(file_field("/proc/self/status", "HugetlbPages"), 2 * huge_size / 1024);
    CHECK_OK(munmap(p, 2 * huge_size));
    CHECK_POOL(4, 0);
}

TEST(length_is_rounded_to_huge_pages)
{
    char *p;

    set_pool(2);
    p = mmap(NULL, page_size, RW, HUGE, -1, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(find_map(p).end - find_map(p).start, huge_size);
    CHECK_POOL(2, 1);
    CHECK_OK(munmap(p, huge_size));
}

TEST(promises_are_kept)
{
    char *p, *q, *r;

    set_pool(4);
    p = map_huge(3, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_ERRNO((long)map_huge(2, 0), ENOMEM);
    q = map_huge(3, MAP_NORESERVE);
    REQUIRE(q != MAP_FAILED);
    CHECK_EQ(try_write(q), 0); /* the one that nobody was promised */
    CHECK_FAULT(try_write(q + huge_size + 77),
                q + huge_size + (mem_info.si_addr == q + huge_size ? 0 : 77), SIGBUS, BUS_ADRERR);
    touch_huge(p, 3, 'p');
    CHECK_POOL(0, 0);
    CHECK_ERRNO((long)map_huge(1, 0), ENOMEM);
    CHECK_OK(munmap(q, 3 * huge_size));
    r = map_huge(1, 0);
    CHECK(r != MAP_FAILED);
    CHECK_EQ(try_write(r), 0);
}

TEST(sizes_in_the_flags)
{
    int log = 0;
    char *p;

    set_pool(1);
    while (1ul << log < huge_size)
        log++;
    p = mmap(NULL, huge_size, RW, HUGE | log << MAP_HUGE_SHIFT, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(try_write(p), 0);
    CHECK_ERRNO(sys_mmap(NULL, huge_size, RW, HUGE | 13 << MAP_HUGE_SHIFT, -1, 0), EINVAL);
    CHECK_ERRNO(sys_mmap(NULL, huge_size, RW, HUGE | 63u << MAP_HUGE_SHIFT, -1, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_memfd_create, "x", MFD_HUGETLB | 13u << 26), ENODEV);
}

TEST(error_table)
{
    char *p, *at;
    int fd;

    set_pool(4);
    p = map_huge(2, 0);
    REQUIRE(p != MAP_FAILED);
    touch_huge(p, 2, 'x');
    at = (char *)(((uintptr_t)1 << 40) + page_size);
    CHECK_ERRNO(sys_mmap(at, huge_size, RW, HUGE | MAP_FIXED, -1, 0), EINVAL);
    CHECK_ERRNO(sys_mmap(NULL, 0, RW, HUGE, -1, 0), EINVAL);
    CHECK_ERRNO(sys_munmap(p, page_size), EINVAL);
    CHECK_ERRNO(sys_munmap(p + page_size, huge_size), EINVAL);
    CHECK_ERRNO(sys_mprotect(p, page_size, PROT_READ), EINVAL);
    CHECK_ERRNO(sys_mprotect(p + huge_size + page_size, page_size, PROT_READ), EINVAL);
    CHECK_ERRNO(sys_madvise(p + page_size, huge_size, MADV_DONTNEED), EINVAL);
    CHECK_ERRNO(sys_madvise(p, huge_size, MADV_FREE), EINVAL);
    CHECK_ERRNO(sys_madvise(p, huge_size, MADV_COLD), EINVAL);
    CHECK_ERRNO(sys_mremap(p, 2 * huge_size, 3 * huge_size, MREMAP_MAYMOVE, 0), EINVAL);
    CHECK_ERRNO(sys_mremap(p + page_size, huge_size, huge_size, MREMAP_MAYMOVE, 0), EINVAL);
    CHECK_EQ(p[0], 'x');
    CHECK_EQ(p[huge_size], 'x');
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    CHECK_ERRNO(ftruncate(fd, (off_t)(huge_size + page_size)), EINVAL);
    CHECK_ERRNO(write(fd, "x", 1), EINVAL);
    CHECK_OK(ftruncate(fd, (off_t)(2 * huge_size)));
    CHECK_ERRNO(sys_mmap(NULL, huge_size, RW, MAP_SHARED, fd, page_size), EINVAL);
    CHECK_ERRNO(sys_mmap(NULL, page_size, RW, MAP_PRIVATE | MAP_HUGETLB, make_file(1), 0), EINVAL);
    CHECK_ERRNO(fallocate(fd, 0x10 /* zero range */, 0, (off_t)huge_size), EOPNOTSUPP);
}

TEST(partial_operations_on_borders)
{
    char *p;

    set_pool(4);
    p = map_huge(4, 0);
    REQUIRE(p != MAP_FAILED);
    touch_huge(p, 4, 'x');
    CHECK_OK(munmap(p + huge_size, huge_size));
    CHECK_POOL(1, 0);
    CHECK_EQ(try_read(p + huge_size), SIGSEGV);
    CHECK_OK(mprotect(p + 3 * huge_size, huge_size, PROT_READ));
    CHECK_FAULT(try_write(p + 3 * huge_size + 5), p + 3 * huge_size + 5, SIGSEGV, SEGV_ACCERR);
    CHECK_OK(mprotect(p + 3 * huge_size, huge_size, PROT_NONE));
    CHECK_EQ(try_read(p + 3 * huge_size), SIGSEGV);
    CHECK_OK(mprotect(p + 3 * huge_size, huge_size, RW));
    CHECK_EQ(p[3 * huge_size], 'x');
    CHECK_EQ(try_write(p + 3 * huge_size), 0);
}

static void child_writes(void *arg)
{
    char *p = arg;

    CHECK_EQ(p[0], 'p');
    p[0] = 'c';
    CHECK_EQ(p[0], 'c');
    CHECK_EQ(p[huge_size], 'p');
}

TEST(fork_copies_on_write)
{
    char *p;

    set_pool(4);
    p = map_huge(2, 0);
    REQUIRE(p != MAP_FAILED);
    touch_huge(p, 2, 'p');
    CHECK_EQ(in_child(child_writes, p), 0);
    CHECK_EQ(p[0], 'p');
    CHECK_POOL(2, 0);
    p[0] = 'q';
    CHECK_POOL(2, 0);
}

static void child_is_refused(void *arg)
{
    char *p = arg;

    CHECK_EQ(p[0], 'p');
    CHECK_EQ(try_write(p), SIGBUS);
}

TEST(child_gets_sigbus_when_the_pool_is_empty)
{
    char *p;

    set_pool(1);
    p = map_huge(1, 0);
    REQUIRE(p != MAP_FAILED);
    p[0] = 'p';
    CHECK_EQ(in_child(child_is_refused, p), 0);
    CHECK_EQ(p[0], 'p');
    CHECK_EQ(try_write(p), 0);
}

struct talk {
    int to_child[2], to_parent[2];
    char *p;
};

static void child_waits_and_reads(void *arg)
{
    struct talk *t = arg;
    char c = t->p[0];

    CHECK_EQ(c, 'p');
    CHECK_EQ(write(t->to_parent[1], "r", 1), 1);
    CHECK_EQ(read(t->to_child[0], &c, 1), 1);
    CHECK_EQ(try_read(t->p), SIGBUS);
}

/* The owner was promised its pages; who shares one by fork loses it when there is no other. */
TEST(owner_takes_the_page_from_its_child)
{
    struct talk t;
    int status = -1;
    pid_t pid;
    char c;

    set_pool(1);
    REQUIRE(pipe(t.to_child) == 0 && pipe(t.to_parent) == 0);
    t.p = map_huge(1, 0);
    REQUIRE(t.p != MAP_FAILED);
    t.p[0] = 'p';
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        ktap_failures = 0;
        child_waits_and_reads(&t);
        fflush(stdout);
        _exit(ktap_failures != 0);
    }
    CHECK_EQ(read(t.to_parent[0], &c, 1), 1);
    CHECK_EQ(try_write(t.p), 0);
    CHECK_EQ(t.p[0], 'W');
    CHECK_EQ(write(t.to_child[1], "g", 1), 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_POOL(0, 0);
    CHECK_OK(munmap(t.p, huge_size));
    CHECK_POOL(1, 0);
}

static void child_writes_shared(void *arg)
{
    ((char *)arg)[7] = 's';
}

TEST(shared_mapping_is_shared)
{
    char *p;

    set_pool(2);
    p = mmap(NULL, 2 * huge_size, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_POOL(2, 2);
    CHECK_EQ(in_child(child_writes_shared, p), 0);
    CHECK_EQ(p[7], 's');
    CHECK_POOL(1, 1);
    CHECK_OK(munmap(p, 2 * huge_size));
    CHECK_POOL(2, 0);
}

TEST(memfd_size_and_holes)
{
    static char buf[64];
    struct stat st;
    char *p;
    int fd;

    set_pool(4);
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    CHECK_OK(ftruncate(fd, (off_t)(3 * huge_size)));
    CHECK_POOL(4, 0);
    p = mmap(NULL, 3 * huge_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_POOL(4, 3);
    memcpy(p + huge_size - 2, "abcd", 4);
    CHECK_POOL(2, 1);
    CHECK_EQ(pread(fd, buf, 6, (off_t)huge_size - 3), 6);
    CHECK(memcmp(buf, "\0abcd\0", 6) == 0);
    CHECK_EQ(pread(fd, buf, 8, (off_t)(2 * huge_size + 100)), 8);
    CHECK_EQ(buf[0], 0);
    CHECK_EQ(pread(fd, buf, 8, (off_t)(3 * huge_size)), 0);
    CHECK_POOL(2, 1);
    CHECK_OK(fstat(fd, &st));
    CHECK_EQ(st.st_blksize, huge_size);
    CHECK_EQ(st.st_blocks, 2 * huge_size / 512);
    CHECK_OK(munmap(p, 3 * huge_size));
    CHECK_POOL(2, 1); /* the file keeps pages and promises */
    close(fd);
    CHECK_POOL(4, 0);
}

TEST(truncation_takes_pages_away)
{
    char *p, *q;
    int fd;

    set_pool(4);
    fd = huge_memfd();
    REQUIRE(fd >= 0 && ftruncate(fd, (off_t)(2 * huge_size)) == 0);
    p = mmap(NULL, 2 * huge_size, RW, MAP_SHARED, fd, 0);
    q = mmap(NULL, 2 * huge_size, RW, MAP_PRIVATE, fd, 0);
    REQUIRE(p != MAP_FAILED && q != MAP_FAILED);
    CHECK_POOL(4, 4);
    touch_huge(p, 2, 'a');
    CHECK_EQ(q[huge_size], 'a');
    q[huge_size] = 'b';
    CHECK_EQ(p[huge_size], 'a');
    CHECK_EQ(q[0], 'a');
    CHECK_POOL(1, 1);
    CHECK_OK(ftruncate(fd, (off_t)huge_size));
    CHECK_EQ(try_read(p + huge_size), SIGBUS);
    CHECK_EQ(try_read(q + huge_size), SIGBUS);
    CHECK_EQ(p[0], 'a');
    CHECK_EQ(q[0], 'a');
    CHECK_EQ(pool_now().free, 3);
    CHECK_OK(munmap(q, 2 * huge_size));
    CHECK_OK(munmap(p, 2 * huge_size));
    close(fd);
    CHECK_POOL(4, 0);
}

TEST(fallocate_and_punch)
{
    char *p;
    int fd;

    set_pool(3);
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    CHECK_OK(fallocate(fd, 0, 0, (off_t)(2 * huge_size)));
    CHECK_POOL(1, 0);
    p = mmap(NULL, 2 * huge_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_POOL(1, 0); /* they are there: nothing to promise */
    touch_huge(p, 2, 'a');
    CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)huge_size));
    CHECK_POOL(2, 0);
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[huge_size], 'a');
    CHECK_ERRNO(fallocate(fd, 0, 0, (off_t)(8 * huge_size)), ENOSPC);
    CHECK_OK(munmap(p, 2 * huge_size));
    close(fd);
    CHECK_POOL(3, 0);
}

/* What a call that failed or KEEP_SIZE has left beyond the size goes with the next truncation, even
 * when that changes nothing else. */
TEST(truncation_looks_beyond_the_size)
{
    int fd;

    set_pool(3);
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    CHECK_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)(2 * huge_size)));
    CHECK_POOL(1, 0);
    CHECK_OK(ftruncate(fd, 0));
    CHECK_POOL(3, 0);
    CHECK_ERRNO(fallocate(fd, 0, 0, (off_t)(4 * huge_size)), ENOSPC);
    CHECK_POOL(0, 0);
    CHECK_OK(ftruncate(fd, (off_t)huge_size));
    CHECK_POOL(2, 0);
    close(fd);
    CHECK_POOL(3, 0);
}

TEST(punching_parts_zeroes_them)
{
    char *p;
    int fd;

    set_pool(1);
    fd = huge_memfd();
    REQUIRE(fd >= 0 && fallocate(fd, 0, 0, (off_t)huge_size) == 0);
    p = mmap(NULL, huge_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    memset(p, 'x', huge_size);
    CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
    if (p[4096] == 'x')
        ktap_skip("Linux before 5.18 leaves parts of pages alone");
    CHECK_EQ(p[4095], 'x');
    CHECK_EQ(p[4096], 0);
    CHECK_EQ(p[4096 + 8191], 0);
    CHECK_EQ(p[4096 + 8192], 'x');
}

TEST(private_file_mapping)
{
    char *s, *p;
    int fd;

    set_pool(4);
    fd = huge_memfd();
    REQUIRE(fd >= 0 && ftruncate(fd, (off_t)(2 * huge_size)) == 0);
    s = mmap(NULL, huge_size, RW, MAP_SHARED, fd, 0);
    p = mmap(NULL, 2 * huge_size, RW, MAP_PRIVATE, fd, 0);
    REQUIRE(s != MAP_FAILED && p != MAP_FAILED);
    s[0] = 's';
    CHECK_EQ(p[0], 's');
    p[0] = 'p';
    CHECK_EQ(s[0], 's');
    CHECK_EQ(p[0], 'p');
    CHECK_EQ(p[huge_size], 0); /* a hole: a page of the mapping's own */
    CHECK_POOL(1, 0);
    CHECK_OK(munmap(p, 2 * huge_size));
    CHECK_OK(munmap(s, huge_size));
    close(fd);
    CHECK_POOL(4, 0);
}

TEST(dontneed)
{
    char *p;

    set_pool(3);
    p = map_huge(2, 0);
    REQUIRE(p != MAP_FAILED);
    touch_huge(p, 2, 'x');
    CHECK_OK(madvise(p, huge_size, MADV_DONTNEED));
    CHECK_EQ(pool_now().free, 2);
    CHECK_EQ(p[huge_size], 'x');
    CHECK_EQ(p[0], 0);
    CHECK_EQ(pool_now().free, 1);
    CHECK_OK(munmap(p, 2 * huge_size));
    CHECK_POOL(3, 0);
}

TEST(remove_punches_the_object)
{
    char *p;
    int fd;

    set_pool(2);
    fd = huge_memfd();
    REQUIRE(fd >= 0 && ftruncate(fd, (off_t)(2 * huge_size)) == 0);
    p = mmap(NULL, 2 * huge_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    touch_huge(p, 2, 'x');
    CHECK_OK(madvise(p, huge_size, MADV_REMOVE));
    CHECK_EQ(pool_now().free, 1);
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[huge_size], 'x');
}

TEST(populate)
{
    char *p;

    set_pool(4);
    p = map_huge(2, MAP_POPULATE);
    REQUIRE(p != MAP_FAILED);
    CHECK_POOL(2, 0);
    CHECK_OK(munmap(p, 2 * huge_size));
    p = map_huge(2, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(sys_madvise(p, 2 * huge_size, MADV_POPULATE_WRITE));
    CHECK_POOL(2, 0);
    CHECK_OK(mlock(p, 2 * huge_size));
    CHECK_OK(munlock(p, 2 * huge_size));
}

TEST(mlock_makes_present)
{
    unsigned char vec[2];
    char *p;

    set_pool(2);
    p = map_huge(2, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(mincore(p, 2 * page_size, vec));
    CHECK_EQ(vec[0] & 1, 0);
    CHECK_OK(mlock(p, huge_size));
    CHECK_POOL(1, 1);
    CHECK_OK(mincore(p + huge_size - page_size, 2 * page_size, vec));
    CHECK_EQ(vec[0] & 1, 1);
    CHECK_EQ(vec[1] & 1, 0);
}

TEST(mremap_moves_whole_pages)
{
    char *p, *q, *to;

    set_pool(4);
    p = map_huge(3, 0);
    REQUIRE(p != MAP_FAILED);
    touch_huge(p, 2, 'm');
    CHECK_POOL(2, 1);
    to = map_huge(3, MAP_NORESERVE);
    REQUIRE(to != MAP_FAILED);
    CHECK_OK(munmap(to, 3 * huge_size));
    q = (char *)sys_mremap(p, 3 * huge_size, 3 * huge_size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    if (q != to) {
        CHECK_OK(-1);
        return;
    }
    CHECK_EQ(q[0], 'm');
    CHECK_EQ(q[huge_size], 'm');
    CHECK_EQ(try_read(p), SIGSEGV);
    CHECK_POOL(2, 1);
    CHECK_EQ(try_write(q + 2 * huge_size), 0);
    CHECK_POOL(1, 0);
    q = (char *)sys_mremap(q, 3 * huge_size, huge_size, 0, 0);
    CHECK_EQ(q, to);
    CHECK_POOL(3, 0);
    CHECK_ERRNO(sys_mremap(q, huge_size, huge_size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), EINVAL);
    CHECK_OK(munmap(q, huge_size));
    CHECK_POOL(4, 0);
}

TEST(sysv_segment)
{
    struct shmid_ds ds;
    char *p, *q;
    int id;

    set_pool(3);
    id = shmget(IPC_PRIVATE, huge_size + 5, IPC_CREAT | SHM_HUGETLB | 0600);
    if (!CHECK(id >= 0))
        return;
    CHECK_POOL(3, 2);
    p = shmat(id, NULL, 0);
    REQUIRE(p != (char *)-1);
    CHECK_EQ((uintptr_t)p % huge_size, 0);
    p[huge_size + 1] = 'z';
    q = shmat(id, NULL, SHM_RDONLY);
    REQUIRE(q != (char *)-1);
    CHECK_EQ(q[huge_size + 1], 'z');
    CHECK_EQ(try_write(q), SIGSEGV);
    CHECK_OK(shmctl(id, IPC_STAT, &ds));
    CHECK_EQ(ds.shm_nattch, 2);
    CHECK_OK(shmctl(id, IPC_RMID, NULL));
    CHECK_OK(shmdt(q));
    CHECK_POOL(2, 1);
    CHECK_OK(shmdt(p));
    CHECK_POOL(3, 0);
    CHECK_ERRNO(shmget(IPC_PRIVATE, 9 * huge_size, IPC_CREAT | SHM_HUGETLB | 0600), ENOMEM);
    CHECK_ERRNO(shmget(IPC_PRIVATE, huge_size, IPC_CREAT | SHM_HUGETLB | 13 << 26 | 0600), EINVAL);
}

TEST(pagemap_sees_every_part)
{
    size_t parts, looks;
    uint64_t first;
    char *p;

    set_pool(1);
    p = map_huge(1, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK(!is_present(p));
    p[0] = 1;
    first = pagemap(p) & PAGEMAP_PFN;
    parts = huge_size / page_size;
    looks = ktap_swept ? 16 : parts;
    CHECK_EQ(first % parts, 0);
    CHECK_EQ(count_present(p, looks), looks);
    CHECK_EQ(pagemap(p + huge_size - 1) & PAGEMAP_PFN, first ? first + parts - 1 : 0);
    CHECK(!(pagemap(p) & PAGEMAP_FILE));
    CHECK(pagemap(p + 5 * page_size) & PAGEMAP_EXCLUSIVE);
}

TEST(others_can_read_and_write_it)
{
    char buf[8] = "0123456";
    struct iovec mine = {buf, 6}, theirs;
    int fd;
    char *p;

    set_pool(2);
    p = map_huge(2, 0);
    REQUIRE(p != MAP_FAILED);
    theirs = (struct iovec){p + huge_size - 3, 6};
    CHECK_EQ(process_vm_writev(getpid(), &mine, 1, &theirs, 1, 0), 6);
    CHECK(memcmp(p + huge_size - 3, "012345", 6) == 0);
    memset(buf, 0, sizeof(buf));
    CHECK_EQ(process_vm_readv(getpid(), &mine, 1, &theirs, 1, 0), 6);
    CHECK(memcmp(buf, "012345", 6) == 0);
    fd = open("/proc/self/mem", O_RDWR);
    REQUIRE(fd >= 0);
    CHECK_EQ(pwrite(fd, "AB", 2, (off_t)(uintptr_t)p + 5000), 2);
    CHECK_EQ(p[5001], 'B');
    fd = make_file(2);
    CHECK_EQ(pread(fd, p + huge_size - 1, 2, 0), 2); /* the kernel's own access, over the border */
    CHECK_EQ(p[huge_size - 1], 'a');
    CHECK_POOL(0, 0);
}

TEST(surplus_comes_and_goes)
{
    long before = number_in(SURPLUS_FILE);
    struct pool now;
    char *p;

    set_pool(1);
    CHECK(write_number(SURPLUS_FILE, 2));
    p = map_huge(3, 0);
    CHECK(p != MAP_FAILED);
    now = pool_now();
    CHECK_EQ(now.total, 3);
    CHECK_EQ(now.surplus, 2);
    if (p != MAP_FAILED) {
        touch_huge(p, 3, 's');
        CHECK_POOL(0, 0);
        CHECK_ERRNO((long)map_huge(1, 0), ENOMEM);
        CHECK_OK(munmap(p, 3 * huge_size));
    }
    now = pool_now();
    CHECK_EQ(now.total, 1);
    CHECK_EQ(now.free, 1);
    CHECK_EQ(now.surplus, 0);
    CHECK(write_number(SURPLUS_FILE, before));
}

TEST(used_pages_become_surplus)
{
    struct pool now;
    char *p;

    set_pool(3);
    p = map_huge(2, 0);
    REQUIRE(p != MAP_FAILED);
    touch_huge(p, 1, 'x');
    CHECK(write_number(NR_FILE, 0));
    now = pool_now();
    CHECK_EQ(now.total, 2);
    CHECK_EQ(now.surplus, 2);
    CHECK_EQ(now.reserved, 1);
    CHECK_EQ(try_write(p + huge_size), 0);
    CHECK_OK(munmap(p, 2 * huge_size));
    CHECK_EQ(pool_now().total, 0);
}

TEST(seals)
{
    int fd = (int)syscall(SYS_memfd_create, "huge", MFD_HUGETLB | 2u);
    char *p;

    set_pool(2);
    REQUIRE(fd >= 0 && ftruncate(fd, (off_t)huge_size) == 0);
    CHECK_OK(fcntl(fd, 1033, 2 | 4)); /* F_ADD_SEALS: SHRINK | GROW */
    CHECK_ERRNO(ftruncate(fd, 0), EPERM);
    CHECK_ERRNO(ftruncate(fd, (off_t)(2 * huge_size)), EPERM);
    p = mmap(NULL, huge_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_ERRNO(fcntl(fd, 1033, 8), EBUSY);
    CHECK_OK(munmap(p, huge_size));
    CHECK_OK(fcntl(fd, 1033, 8));
    CHECK_ERRNO(sys_mmap(NULL, huge_size, RW, MAP_SHARED, fd, 0), EPERM);
    CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)huge_size),
                EPERM);
}

TEST(advice_about_fork)
{
    char *p;

    set_pool(1);
    p = map_huge(1, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(sys_madvise(p, huge_size, MADV_DONTFORK));
    CHECK_OK(sys_madvise(p, huge_size, MADV_DOFORK));
    CHECK_ERRNO(sys_madvise(p, huge_size, 18 /* WIPEONFORK */), EINVAL);
    CHECK_OK(sys_madvise(p, huge_size, MADV_DONTDUMP));
    CHECK_OK(sys_madvise(p, huge_size, MADV_DODUMP));
    CHECK_ERRNO(sys_madvise(p, page_size, MADV_DONTFORK), EINVAL);
}

/* A pin on any part of a huge page keeps all of it, also when the mapping goes. */
TEST(pinned_by_a_pipe)
{
    struct iovec iov;
    char buf[8] = "";
    int fds[2];
    char *p;

    set_pool(2);
    p = map_huge(1, 0);
    REQUIRE(p != MAP_FAILED && pipe(fds) == 0);
    memcpy(p + 5 * page_size, "pinned", 6);
    iov = (struct iovec){p + 5 * page_size, 6};
    CHECK_EQ(vmsplice(fds[1], &iov, 1, 0), 6);
    CHECK_OK(munmap(p, huge_size));
    CHECK_EQ(pool_now().free, 1);
    p = map_huge(1, 0);
    REQUIRE(p != MAP_FAILED);
    memset(p, 'x', huge_size); /* another page */
    CHECK_EQ(read(fds[0], buf, 6), 6);
    CHECK(memcmp(buf, "pinned", 6) == 0);
    CHECK_OK(munmap(p, huge_size));
    close(fds[0]);
    close(fds[1]);
    CHECK_POOL(2, 0);
}

#define BIG_DIR "/sys/kernel/mm/hugepages/hugepages-1048576kB/"
#define BIG     (1ul << 30)

/* Needs a gigabyte of contiguous memory, set aside at boot (hugepagesz=1G hugepages=1) or now. */
TEST(gigantic_pages)
{
    long before = number_in(BIG_DIR "nr_hugepages");
    char *p;

    if (before < 0)
        ktap_skip("no pages of 1 GiB here");
    if (before == 0 &&
        (!write_number(BIG_DIR "nr_hugepages", 1) || number_in(BIG_DIR "free_hugepages") != 1)) {
        write_number(BIG_DIR "nr_hugepages", 0);
        ktap_skip("no gigabyte of contiguous memory");
    }
    CHECK_ERRNO(write_number(BIG_DIR "nr_overcommit_hugepages", 1) ? 0 : -1, EINVAL);
    p = mmap(NULL, BIG, RW, HUGE | 30 << MAP_HUGE_SHIFT, -1, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ((uintptr_t)p % BIG, 0);
    CHECK_EQ(smaps_field(p, "KernelPageSize"), BIG / 1024);
    CHECK_EQ(number_in(BIG_DIR "resv_hugepages"), 1);
    p[BIG - 1] = 'g';
    p[123456789] = 'b';
    CHECK_EQ(number_in(BIG_DIR "free_hugepages"), before > 0 ? before - 1 : 0);
    CHECK_EQ(smaps_field(p, "Private_Hugetlb"), BIG / 1024);
    CHECK_ERRNO(sys_munmap(p, BIG / 2), EINVAL);
    CHECK_OK(munmap(p, BIG));
    CHECK(write_number(BIG_DIR "nr_hugepages", before));
    CHECK_EQ(number_in(BIG_DIR "nr_hugepages"), before);
}

static void numa_line(const char *line, void *arg)
{
    struct mem_smaps_query *q = arg;

    if (strtoull(line, NULL, 16) == q->at)
        q->flag = strstr(line, " huge") && strstr(line, " anon=2") && strstr(line, " N0=2") &&
                  strstr(line, q->key);
}

TEST(numa_maps_counts_huge_pages)
{
    char key[64];
    struct mem_smaps_query q = {.key = key};
    char *p;

    set_pool(3);
    p = map_huge(3, 0);
    REQUIRE(p != MAP_FAILED);
    touch_huge(p, 2, 'n');
    snprintf(key, sizeof(key), " kernelpagesize_kB=%zu", huge_size / 1024);
    q.at = (uintptr_t)p;
    mem_each_line("/proc/self/numa_maps", numa_line, &q);
    CHECK(q.flag);
}

static long number_behind(const char *text, const char *what)
{
    const char *at = strstr(text, what);

    return at ? strtol(at + strlen(what), NULL, 10) : -1;
}

/* What the hash table has of the segment around @p: entries as they are counted, entries that are
 * found in the groups, and the size of a page of theirs in KiB. */
static void segment_statistics(const void *p, long *counted, long *found, long *base_kb)
{
    char text[1024];

    snprintf(text, sizeof(text), "%d %ld", getpid(), (long)p);
    CHECK_OK(write_text("/proc/hpt_lookup", text));
    read_text("/proc/hpt_lookup", text, sizeof(text));
    *base_kb = number_behind(text, "base page: ");
    *counted = number_behind(text, " entries of the segment: ");
    *found = number_behind(text, "in groups: ");
}

/* POWER's hash MMU: a segment with nothing but huge pages has one entry of the table for each, by
 * the segment's count and by what stands in the groups. How many the whole table has says less: one
 * that comes may take the place of one that is dead. */
TEST(one_hash_entry_per_huge_page)
{
    enum { NR = 4 };
    long base_kb = 0, counted = 0, found = 0;
    char *p;

    if (access("/proc/hpt_lookup", R_OK))
        ktap_skip("no hash table here");
    set_pool(NR);
    p = mmap((void *)(1ul << 44), NR * huge_size, RW, HUGE | MAP_FIXED, -1, 0);
    REQUIRE(p != MAP_FAILED);
    for (int i = 0; i < 10 && found != NR; i++) { /* others' may push one out */
        for (size_t at = 0; at < NR * huge_size; at += page_size)
            p[at] = 1;
        segment_statistics(p, &counted, &found, &base_kb);
    }
    CHECK_EQ(counted, NR);
    CHECK_EQ(found, NR);
    CHECK_EQ(base_kb, (long)huge_size / 1024);
    CHECK_OK(munmap(p, NR * huge_size));
}

KTAP_MAIN(CASE(pool_grows_and_shrinks), CASE(sysfs_names_each_size), CASE(mapping_is_huge),
          CASE(length_is_rounded_to_huge_pages), CASE(promises_are_kept), CASE(sizes_in_the_flags),
          CASE(error_table), CASE(partial_operations_on_borders), CASE(fork_copies_on_write),
          CASE(child_gets_sigbus_when_the_pool_is_empty), CASE(owner_takes_the_page_from_its_child),
          CASE(shared_mapping_is_shared), CASE(memfd_size_and_holes),
          CASE(truncation_takes_pages_away), CASE(fallocate_and_punch),
          CASE(truncation_looks_beyond_the_size), CASE(punching_parts_zeroes_them),
          CASE(private_file_mapping), CASE(dontneed), CASE(remove_punches_the_object),
          CASE(populate), CASE(mlock_makes_present), CASE(mremap_moves_whole_pages),
          CASE(sysv_segment), CASE(pagemap_sees_every_part), CASE(others_can_read_and_write_it),
          CASE(surplus_comes_and_goes), CASE(used_pages_become_surplus), CASE(seals),
          CASE(advice_about_fork), CASE(pinned_by_a_pipe), CASE(one_hash_entry_per_huge_page),
          CASE(gigantic_pages), CASE(numa_maps_counts_huge_pages))
