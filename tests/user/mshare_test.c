/* SPDX-License-Identifier: MIT */
/*
 * Shared spaces (msharefs): what is mapped inside is there for all who map the space, and is
 * changed once for all; what one user does with his mapping concerns him alone. Needs root for the
 * mount.
 */
#include "mshare.h"

/* ---- inside, for all ---- */

TEST(what_one_writes_the_other_reads)
{
    struct share_mark links = share_begin(SHARE_PT);
    int fd = mshare_new(2);
    char *p = mshare_map(fd, 2);
    pid_t pid;

    stage_new();
    CHECK_OK(mshare_memory(fd, 3, 64));
    CHECK_OK(mshare_memory(fd, span / page_size - 8, 16)); /* over the border of spans */
    share_fill(p + 3 * page_size, 64 * page_size, 1);
    share_fill(p + span - 8 * page_size, 16 * page_size, 1);
    pid = peer();
    if (pid == 0) {
        char *mine = mshare_map(fd, 2);

        CHECK_EQ(share_wrong(mine + 3 * page_size, 64 * page_size, 1), 0);
        CHECK_EQ(share_wrong(mine + span - 8 * page_size, 16 * page_size, 1), 0);
        mine[5 * page_size] = 'x';
        p[6 * page_size] = 'y'; /* the parent's, which is this process' too */
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(p[5 * page_size], 'x');
    CHECK_EQ(p[6 * page_size], 'y');
    CHECK_SHARED(links, 4);
}

TEST(who_comes_second_takes_one_fault)
{
    int fd = mshare_new(1);
    char *p = mshare_map(fd, 1), *second;
    struct rusage before, after;

    CHECK_OK(mshare_memory(fd, 0, 512));
    share_fill(p, 512 * page_size, 1);
    second = mshare_map(fd, 1);
    getrusage(RUSAGE_SELF, &before);
    CHECK_EQ(share_wrong(second, 512 * page_size, 1), 0);
    getrusage(RUSAGE_SELF, &after);
    CHECK(after.ru_minflt - before.ru_minflt <= 2);
}

TEST(nothing_is_there_and_beyond)
{
    int fd = mshare_new(1);
    char *p = mshare_map(fd, 2);

    share_catch();
    CHECK_EQ(share_load(p), -SIGSEGV);
    CHECK_EQ(share_load(p + span), -SIGBUS);
    CHECK_OK(mshare_memory(fd, 1, 2));
    CHECK_EQ(share_load(p), -SIGSEGV);
    CHECK_EQ(share_load(p + page_size), 0);
    CHECK_EQ(share_store(p + 2 * page_size, 1), 0);
    CHECK_EQ(share_load(p + 3 * page_size), -SIGSEGV);
    CHECK_OK(ftruncate(fd, (off_t)(2 * span)));
    CHECK_EQ(share_load(p + span), -SIGSEGV);
    CHECK_OK(mshare_memory(fd, span / page_size, 1));
    CHECK_EQ(share_store(p + span, 7), 0);
    CHECK_OK(ftruncate(fd, (off_t)span)); /* what is behind goes */
    CHECK_EQ(share_load(p + span), -SIGBUS);
    CHECK_OK(ftruncate(fd, (off_t)(2 * span)));
    CHECK_EQ(share_load(p + span), -SIGSEGV);
    CHECK_EQ(share_load(p + 2 * page_size), 1);
}

/* A peer that sees each change: it is told by a step, and says what it met. */
static void watch(int fd, size_t offset)
{
    char *mine = mshare_map(fd, 1) + offset;

    share_catch();
    for (unsigned int i = 0; i < 64; i++) {
        stage_wait(0, i + 1);
        if (stage->word[0] == 1)
            break;
        atomic_store(&stage->word[1], (unsigned long)(share_load(mine) + 1000));
        atomic_store(&stage->word[2], (unsigned long)(share_store(mine, (char)(i + 1)) + 1000));
        stage_done(1);
    }
    peer_end();
}

static unsigned int watched;

static void check_watched(long load, long store)
{
    stage_done(0);
    stage_wait(1, ++watched);
    CHECK_EQ((long)atomic_load(&stage->word[1]) - 1000, load);
    CHECK_EQ((long)atomic_load(&stage->word[2]) - 1000, store);
}

TEST(changes_inside_reach_all)
{
    int fd = mshare_new(1);
    char *p = mshare_map(fd, 1);
    pid_t pid;

    stage_new();
    share_catch();
    CHECK_OK(mshare_memory(fd, 0, 16));
    pid = peer();
    if (pid == 0)
        watch(fd, 4 * page_size);
    check_watched(0, 0);
    CHECK_OK(mshare_protect_at(fd, 4, 2, PROT_READ));
    check_watched(1, -SIGSEGV);
    CHECK_EQ(share_store(p + 4 * page_size, 1), -SIGSEGV);
    CHECK_EQ(share_store(p + 6 * page_size, 1), 0);
    CHECK_OK(mshare_protect_at(fd, 4, 2, PROT_NONE));
    check_watched(-SIGSEGV, -SIGSEGV);
    CHECK_OK(mshare_protect_at(fd, 0, 16, RW));
    check_watched(1, 0);
    CHECK_EQ(share_load(p + 4 * page_size), 4);
    CHECK_OK(mshare_unmap_at(fd, 4, 1));
    check_watched(-SIGSEGV, -SIGSEGV);
    CHECK_EQ(share_load(p + 4 * page_size), -SIGSEGV);
    CHECK_EQ(share_load(p + 5 * page_size), 0);
    CHECK_OK(mshare_memory(fd, 4, 1)); /* new memory in the old place */
    check_watched(0, 0);
    CHECK_OK(mshare_advise_at(fd, 4, 1, MADV_REMOVE));
    check_watched(0, 0);
    CHECK_OK(mshare_advise_at(fd, 4, 1, MADV_DONTNEED)); /* of the object nothing is lost */
    check_watched(7, 0);
    atomic_store(&stage->word[0], 1);
    stage_done(0);
    CHECK_PEER(pid);
}

TEST(files_inside)
{
    int fd = mshare_new(1), file = share_file(64 * page_size);
    char *direct = share_map(NULL, 64 * page_size, RW, MAP_SHARED, file, 0);
    char *p = mshare_map(fd, 1);
    pid_t pid;

    share_catch();
    CHECK_OK(mshare_create_at(fd, 100, 32, RW, file, 16));
    CHECK_OK(mshare_create_at(fd, 132, 8, PROT_READ, file, 0));
    share_fill(direct, 64 * page_size, 1);
    CHECK_EQ(p[100 * page_size], direct[16 * page_size]);
    CHECK_EQ(p[139 * page_size], direct[7 * page_size]);
    CHECK_EQ(share_store(p + 132 * page_size, 1), -SIGSEGV);
    CHECK_EQ(share_store(p + 101 * page_size, 'n'), 0);
    CHECK_EQ(direct[17 * page_size], 'n');
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_load(p + 101 * page_size), 'n');
        CHECK_OK(ftruncate(file, (off_t)(20 * page_size)));
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(share_load(p + 103 * page_size), (unsigned char)direct[19 * page_size]);
    CHECK_EQ(share_load(p + 104 * page_size), -SIGBUS); /* truncated by another user */
    close(file);
    munmap(direct, 64 * page_size);
    CHECK_EQ(share_load(p + 101 * page_size), 'n'); /* the space holds the file */
}

static int create_huge(int fd, size_t at, size_t bytes)
{
    struct mshare_create c = {
        .region_offset = at, .size = bytes, .prot = RW, .flags = MEMORY | MAP_HUGETLB, .fd = -1};

    return ioctl(fd, MSHAREFS_CREATE_MAPPING, &c);
}

TEST(huge_pages_inside)
{
    size_t huge = share_span();
    int pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY), fd = mshare_new(1);
    char *p = mshare_map(fd, 1);
    pid_t pid;

    share_catch();
    if (pool < 0 || write(pool, "2", 1) != 1 || file_field("/proc/meminfo", "HugePages_Free") != 2)
        ktap_skip("no two huge pages");
    CHECK_OK(create_huge(fd, huge, 2 * huge));
    CHECK_EQ(share_store(p + huge, 'h'), 0);
    CHECK_EQ(share_store(p + 3 * huge - 1, 'i'), 0);
    CHECK_EQ(share_load(p + 3 * huge), -SIGSEGV);
    pid = peer();
    if (pid == 0) {
        char *mine = mshare_map(fd, 1);

        CHECK_EQ(share_load(mine + huge), 'h');
        CHECK_EQ(share_load(mine + 3 * huge - 1), 'i');
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_ERRNO(mshare_unmap_at(fd, huge / page_size, 1), EINVAL);
    CHECK_OK(mshare_unmap_at(fd, huge / page_size, 2 * huge / page_size));
    CHECK_EQ(share_load(p + huge), -SIGSEGV);
    CHECK_EQ(file_field("/proc/meminfo", "HugePages_Free"), 2);
    CHECK_OK(mshare_memory(fd, huge / page_size, 8)); /* base pages in that place */
    CHECK_EQ(share_store(p + huge, 'b'), 0);
    CHECK_ERRNO(create_huge(fd, 0, 2 * huge), EEXIST);
    CHECK_OK(mshare_unmap_at(fd, huge / page_size, 8));
    CHECK_ERRNO(create_huge(fd, 0, 2 * huge), EBUSY); /* our link keeps the table */
    CHECK_OK(munmap(p, span));
    CHECK_OK(create_huge(fd, 0, 2 * huge));
    p = mshare_map(fd, 1);
    CHECK_EQ(share_store(p + huge, 'j'), 0);
    munmap(p, span);
    close(fd);
    CHECK_EQ(file_field("/proc/meminfo", "HugePages_Free"), 2);
    CHECK_EQ(pwrite(pool, "0", 1, 0), 1);
}

TEST(advice_for_all)
{
    int fd = mshare_new(1);
    char *p = mshare_map(fd, 1);
    struct rusage before, after;

    CHECK_OK(mshare_memory(fd, 0, 64));
    CHECK_OK(mshare_advise_at(fd, 0, 64, MADV_POPULATE_WRITE));
    p[0] = 1; /* the link */
    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < 64; i++)
        p[i * page_size] = 1;
    getrusage(RUSAGE_SELF, &after);
    CHECK(after.ru_minflt - before.ru_minflt <= 1);
    CHECK_OK(mshare_advise_at(fd, 0, 64, MADV_WILLNEED));
    CHECK_OK(mshare_advise_at(fd, 0, 64, MADV_COLD));
    CHECK_OK(mshare_advise_at(fd, 0, 64, MADV_PAGEOUT));
    CHECK_ERRNO(mshare_advise_at(fd, 0, 65, MADV_DONTNEED), ENOMEM);
    CHECK_ERRNO(mshare_advise_at(fd, 0, 64, MADV_DONTFORK), EINVAL);
    CHECK_ERRNO(mshare_advise_at(fd, 0, 64, MADV_FREE), EINVAL);
    CHECK_ERRNO(mshare_advise_at(fd, 0, 64, 12345), EINVAL);
    CHECK_OK(mshare_advise_at(fd, 8, 8, MADV_REMOVE));
    CHECK_EQ(p[7 * page_size], 1);
    CHECK_EQ(p[8 * page_size], 0);
    CHECK_EQ(p[15 * page_size], 0);
    CHECK_EQ(p[16 * page_size], 1);
}

/* ---- one user's own ---- */

TEST(protection_of_one)
{
    struct share_mark kept = share_begin("pt_share_protect");
    int fd = mshare_new(2);
    char *p = mshare_map(fd, 2), *other = mshare_map(fd, 2);

    share_catch();
    CHECK_OK(mshare_memory(fd, 0, 8));
    CHECK_EQ(share_store(p, 1), 0);
    CHECK_EQ(share_store(other, 2), 0);
    CHECK_ERRNO(mprotect(p, page_size, PROT_READ), mshare_links_carry(fd) ? EINVAL : EOPNOTSUPP);
    CHECK_OK(mprotect(p, span, PROT_NONE));
    CHECK_EQ(share_load(p), -SIGSEGV);
    CHECK_EQ(share_load(other), 2);
    CHECK_OK(mprotect(p, span, RW));
    CHECK_EQ(share_store(p, 3), 0);
    if (!mshare_links_carry(fd)) {
        CHECK_ERRNO(mprotect(p, span, PROT_READ), EOPNOTSUPP);
        return;
    }
    CHECK_OK(mprotect(p, span, PROT_READ));
    CHECK_EQ(share_load(p), 3);
    CHECK_EQ(share_store(p, 4), -SIGSEGV);
    CHECK_EQ(share_store(other, 5), 0);
    CHECK_EQ(share_load(p), 5);
    CHECK_OK(mprotect(p, 2 * span, RW));
    CHECK_EQ(share_store(p, 6), 0);
    CHECK_ROSE(kept, 2, "shared_pt=no");
    CHECK_OK(munmap(p, 2 * span));
    p = mshare_map_prot(fd, 0, 1, PROT_READ); /* read-only from the beginning */
    CHECK_EQ(share_load(p), 6);
    CHECK_EQ(share_store(p, 7), -SIGSEGV);
    CHECK_OK(mprotect(p, span, RW));
    CHECK_EQ(share_store(p, 7), 0);
    CHECK_EQ(share_load(other), 7);
    CHECK_OK(mshare_protect_at(fd, 0, 8, PROT_READ)); /* what is inside is the most */
    CHECK_EQ(share_store(p, 8), -SIGSEGV);
}

TEST(unmapping_by_one)
{
    int fd = mshare_new(3);
    char *p = mshare_map(fd, 3), *other = mshare_map(fd, 3), *moved;

    share_catch();
    CHECK_OK(mshare_memory(fd, 0, 8));
    CHECK_OK(mshare_memory(fd, 2 * span / page_size, 8));
    CHECK_EQ(share_store(p, 1), 0);
    CHECK_EQ(share_store(p + 2 * span, 2), 0);
    CHECK_EQ(share_load(other), 1);
    CHECK_ERRNO(munmap(p, page_size), EINVAL);
    CHECK_ERRNO(munmap(p + page_size, span), EINVAL);
    CHECK_EQ(share_load(p), 1);
    CHECK_OK(munmap(p, span));
    CHECK_EQ(share_load(p), -SIGSEGV);
    CHECK_EQ(share_load(other), 1);
    CHECK_EQ(share_load(p + 2 * span), 2);
    CHECK_OK(madvise(p + 2 * span, span, MADV_DONTNEED)); /* his link, nobody's page */
    CHECK_EQ(share_load(p + 2 * span), 2);
    CHECK_ERRNO(madvise(p + 2 * span + page_size, page_size, MADV_DONTNEED), EINVAL);
    CHECK_ERRNO(madvise(p + 2 * span, span, MADV_FREE), EINVAL);
    CHECK_ERRNO(madvise(p + 2 * span, span, MADV_REMOVE), EOPNOTSUPP);
    moved = share_place(span);
    CHECK(mremap(p + 2 * span, span, span, MREMAP_MAYMOVE | MREMAP_FIXED, moved) == moved);
    CHECK_EQ(share_load(moved), 2);
    CHECK_EQ(share_load(p + 2 * span), -SIGSEGV);
    CHECK_EQ(share_store(moved, 9), 0);
    CHECK_EQ(share_load(other + 2 * span), 9);
    CHECK(mremap(moved, span, page_size, 0) == moved); /* rounded up to a span */
    CHECK_EQ(share_load(moved + span - page_size), -SIGSEGV);
    CHECK_EQ(share_load(moved), 9);
}

TEST(children_and_lifetimes)
{
    int fd = mshare_new(1);
    char *p = mshare_map(fd, 1);
    pid_t pid;

    share_catch();
    stage_new();
    CHECK_OK(mshare_memory(fd, 0, 32));
    share_fill(p, 32 * page_size, 1);
    close(fd); /* the areas hold the space */
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_wrong(p, 32 * page_size, 1), 0);
        CHECK_EQ(share_store(p, 99), 0);
        CHECK_OK(munmap(p, span));
        CHECK_EQ(share_load(p), -SIGSEGV);
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(share_load(p), 99);
    pid = peer();
    if (pid == 0) {
        stage_wait(0, 1); /* the parent has unmapped it */
        CHECK_EQ(share_load(p), 99);
        CHECK_EQ(share_load(p + page_size), share_byte(1));
        peer_end();
    }
    CHECK_OK(munmap(p, span));
    stage_done(0);
    CHECK_PEER(pid);
}

TEST(files_with_names)
{
    struct stat st;
    int fd, second;
    char *p;

    mshare_mount();
    fd = open(MSHARE_DIR "/a", O_CREAT | O_EXCL | O_RDWR, 0644);
    REQUIRE(fd >= 0);
    CHECK_OK(ftruncate(fd, (off_t)span));
    CHECK_OK(fstat(fd, &st));
    CHECK_EQ(st.st_size, (long long)span);
    CHECK_EQ(st.st_blksize, (long long)span);
    CHECK_OK(mshare_memory(fd, 0, 4));
    second = open(MSHARE_DIR "/a", O_RDWR);
    p = mshare_map(second, 1);
    p[0] = 'n';
    close(fd);
    close(second);
    CHECK_OK(unlink(MSHARE_DIR "/a"));
    CHECK_EQ(p[0], 'n');
    CHECK_ERRNO(umount2(MSHARE_DIR, 0), EBUSY);
    munmap(p, span);
    CHECK_OK(umount2(MSHARE_DIR, 0));
}

/* ---- what the kernel says about it ---- */

TEST(what_proc_shows)
{
    int fd = mshare_new(1);
    char *p = mshare_map(fd, 1);
    unsigned char vec[4];
    long rss;

    CHECK_OK(mshare_memory(fd, 0, 100));
    rss = file_field("/proc/self/status", "VmRSS");
    share_fill(p, 100 * page_size, 1);
    CHECK(file_field("/proc/self/status", "VmRSS") >= rss + 100 * (long)page_size / 1024);
    CHECK_EQ(smaps_field(p, "Rss"), 100 * (long)page_size / 1024);
    CHECK_EQ(smaps_field(p, "KernelPageSize"), (long)page_size / 1024);
    CHECK(smaps_field(p, "TableShared") > 0);
    CHECK(pagemap(p + 99 * page_size) & PAGEMAP_PRESENT);
    CHECK(!(pagemap(p + 100 * page_size) & PAGEMAP_PRESENT));
    CHECK_OK(mincore(p + 98 * page_size, 4 * page_size, vec));
    CHECK_EQ(vec[0] & 1, 1);
    CHECK_EQ(vec[1] & 1, 1);
    CHECK_EQ(vec[2] & 1, 0);
}

TEST(remote_access_pins_and_locks)
{
    int fd = mshare_new(1), pipes[2];
    char *p = mshare_map(fd, 1), text[8] = "";
    struct iovec local = {text, 4}, remote = {p + page_size - 2, 4};
    pid_t pid;

    REQUIRE(pipe(pipes) == 0);
    CHECK_OK(mshare_memory(fd, 0, 8));
    CHECK_OK(mshare_memory(fd, 16, 1));
    CHECK_OK(mshare_protect_at(fd, 16, 1, PROT_READ));
    memcpy(p + page_size - 2, "abcd", 4);
    pid = peer();
    if (pid == 0) {
        if (read(pipes[0], text, 1) < 0)
            ktap_failures++;
        _exit(p[page_size] == 'Z' ? 0 : 1);
    }
    CHECK_EQ(syscall(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0), 4);
    CHECK(memcmp(text, "abcd", 4) == 0);
    text[2] = 'Z';
    CHECK_EQ(syscall(SYS_process_vm_writev, pid, &local, 1, &remote, 1, 0), 4);
    remote.iov_base = p + 9 * page_size;
    CHECK_ERRNO(syscall(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0), EFAULT);
    remote.iov_base = p + 16 * page_size;
    CHECK_EQ(syscall(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0), 4);
    CHECK_ERRNO(syscall(SYS_process_vm_writev, pid, &local, 1, &remote, 1, 0), EFAULT);
    /* The area may be read, what is inside not. */
    CHECK_OK(mshare_protect_at(fd, 16, 1, PROT_WRITE));
    CHECK_ERRNO(syscall(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0), EFAULT);
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    CHECK_PEER(pid);
    CHECK_EQ(write(pipes[1], p + page_size, 1), 1); /* the kernel's own accesses */
    CHECK_ERRNO(write(pipes[1], p + 9 * page_size, 1), EFAULT);
    CHECK_EQ(read(pipes[0], p + 2 * page_size, 1), 1);
    CHECK_EQ(p[2 * page_size], 'Z');
    CHECK_OK(madvise(p, 8 * page_size, MADV_POPULATE_WRITE));
    CHECK_ERRNO(madvise(p, 12 * page_size, MADV_POPULATE_READ), EFAULT);
    CHECK_OK(mlock(p, span) == -1 && errno == ENOMEM ? 0 : -1); /* parts are not there */
    CHECK_OK(munlock(p, span));
}

/* ---- errors ---- */

TEST(errors_of_mmap)
{
    int fd = mshare_new(2), readable;
    char *at = share_place(4 * span);

    CHECK_ERRNO(sys_mmap(at, span, RW, MAP_PRIVATE | MAP_FIXED, fd, 0), EINVAL);
    CHECK_ERRNO(sys_mmap(at + page_size, span, RW, MAP_SHARED | MAP_FIXED, fd, 0), EINVAL);
    CHECK_ERRNO(sys_mmap(at, span, RW, MAP_SHARED | MAP_FIXED, fd, page_size), EINVAL);
    CHECK_ERRNO(sys_mmap(at, page_size, RW, MAP_SHARED | MAP_FIXED, fd, 0), EINVAL);
    CHECK_ERRNO(sys_mmap(at, span, RW | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0), EACCES);
    CHECK_ERRNO(read(fd, at, 1), EINVAL);
    CHECK_ERRNO(ftruncate(fd, (off_t)page_size), EINVAL);
    CHECK_ERRNO(ftruncate(fd, (off_t)1 << 62), EFBIG);
    mshare_mount();
    readable = open(MSHARE_DIR "/r", O_CREAT | O_RDONLY, 0400);
    CHECK_ERRNO(mshare_memory(readable, 0, 1), EACCES);
    CHECK_ERRNO(sys_mmap(at, span, RW, MAP_SHARED | MAP_FIXED, readable, 0), EACCES);
    CHECK_EQ(sys_mmap(at, span, PROT_READ, MAP_SHARED | MAP_FIXED, readable, 0), (long)at);
    CHECK_ERRNO(mprotect(at, span, RW), EACCES);
    CHECK_OK(unlink(MSHARE_DIR "/r"));
    CHECK_ERRNO(mount("none", MSHARE_DIR, "msharefs", 0, "size=1"), EINVAL);
    mshare_unmount();
}

TEST(errors_of_create)
{
    int fd = mshare_new(2), other = mshare_new(1), file = share_file(4 * page_size);
    int null = open("/dev/null", O_RDWR), text = open("/proc/self/exe", O_RDONLY);
    struct mshare_create good = {.size = page_size, .prot = RW, .flags = MEMORY, .fd = -1}, c;
    size_t end = 2 * span / page_size;

    CHECK_ERRNO(ioctl(fd, MSHAREFS_CREATE_MAPPING, NULL), EFAULT);
    CHECK_ERRNO(ioctl(fd, _IO('x', 9), &good), ENOTTY);
    CHECK_ERRNO(mshare_memory(fd, 0, 0), EINVAL);
    CHECK_ERRNO(mshare_memory(fd, end, 1), EINVAL);
    CHECK_ERRNO(mshare_memory(fd, end - 1, 2), EINVAL);
    CHECK_ERRNO(mshare_memory(fd, (size_t)0 - 1, 2), EINVAL);
#define BAD(field, value, error)                                                                   \
    do {                                                                                           \
        c = good;                                                                                  \
        c.field = value;                                                                           \
        CHECK_ERRNO(ioctl(fd, MSHAREFS_CREATE_MAPPING, &c), error);                                \
    } while (0)
    BAD(region_offset, 1, EINVAL);
    BAD(size, page_size + 1, EINVAL);
    BAD(offset, page_size, EINVAL);
    BAD(zero, 1, EINVAL);
    BAD(fd, 0, EINVAL);
    BAD(prot, 8, EINVAL);
    BAD(prot, PROT_EXEC, EACCES);
    BAD(flags, MAP_PRIVATE | MAP_ANONYMOUS, EINVAL);
    BAD(flags, MEMORY | MAP_GROWSDOWN, EINVAL);
    BAD(flags, MAP_SHARED | MAP_HUGETLB, EINVAL);
    BAD(flags, MEMORY | MAP_HUGETLB | 12 << 26, EINVAL);
    BAD(flags, MAP_SHARED, EBADF); /* fd -1 */
    CHECK_ERRNO(mshare_create_at(fd, 0, span / page_size, RW, fd, 0), EINVAL);
    CHECK_ERRNO(mshare_create_at(fd, 0, span / page_size, RW, other, 0), EINVAL);
    CHECK_ERRNO(mshare_create_at(fd, 0, 1, RW, null, 0), ENODEV);
    CHECK_ERRNO(mshare_create_at(fd, 0, 1, RW, text, 0), EACCES);
    CHECK_OK(mshare_create_at(fd, 0, 1, PROT_READ, text, 0));
    CHECK_OK(mshare_create_at(fd, 1, 4, RW, file, 0));
    CHECK_ERRNO(mshare_memory(fd, 4, 4), EEXIST);
    CHECK_ERRNO(mshare_protect_at(fd, 0, 1, RW), EACCES); /* the file is open for reading */
    CHECK_ERRNO(mshare_protect_at(fd, 1, 1, PROT_EXEC), EACCES);
    CHECK_ERRNO(mshare_protect_at(fd, 1, 1, 64), EINVAL);
    CHECK_ERRNO(mshare_protect_at(fd, 4, 4, PROT_READ), ENOMEM);
    CHECK_ERRNO(mshare_protect_at(fd, end, 1, PROT_READ), EINVAL);
    CHECK_ERRNO(mshare_unmap_at(fd, 0, 0), EINVAL);
    CHECK_ERRNO(mshare_unmap_at(fd, end, 1), EINVAL);
    CHECK_OK(mshare_unmap_at(fd, 5, 10)); /* nothing there is no error, as of munmap */
    CHECK_ERRNO(ioctl(fd, MSHAREFS_UNMAP, NULL), EFAULT);
    CHECK_ERRNO(ioctl(fd, MSHAREFS_PROTECT, NULL), EFAULT);
    CHECK_ERRNO(ioctl(fd, MSHAREFS_ADVISE, NULL), EFAULT);
}

TEST(what_the_mode_allows)
{
    int fd = mshare_new_mode(1, 0700), carries = mshare_links_carry(fd);
    char *p = mshare_map_prot(fd, 0, 1, RW | PROT_EXEC);

    CHECK_OK(mshare_create_at(fd, 0, 4, RW, -1, 0));
    CHECK_OK(mshare_protect_at(fd, 0, 1, PROT_READ | PROT_EXEC));
    CHECK_EQ(*(volatile char *)p, 0);
    p = (char *)sys_mmap(share_place(span), span, RW, MAP_SHARED | MAP_FIXED, fd, 0);
    CHECK(carries ? p != MAP_FAILED : p == MAP_FAILED && errno == EOPNOTSUPP);
}

KTAP_MAIN(CASE(what_one_writes_the_other_reads), CASE(who_comes_second_takes_one_fault),
          CASE(nothing_is_there_and_beyond), CASE(changes_inside_reach_all), CASE(files_inside),
          CASE(huge_pages_inside), CASE(advice_for_all), CASE(protection_of_one),
          CASE(unmapping_by_one), CASE(children_and_lifetimes), CASE(files_with_names),
          CASE(what_proc_shows), CASE(remote_access_pins_and_locks), CASE(errors_of_mmap),
          CASE(errors_of_create), CASE(what_the_mode_allows))
