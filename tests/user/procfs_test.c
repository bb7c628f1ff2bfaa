/* SPDX-License-Identifier: MIT */
/* /proc: formats that programs parse, and sums that must agree with each other. */
#include "mem.h"

#include <ctype.h>
#include <sys/stat.h>

static char text[1 << 18];

/* A whole file of /proc into text; -1 when it is not there. */
static ssize_t slurp(const char *path)
{
    ssize_t len = 0, got;
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        return -1;
    while ((got = read(fd, text + len, sizeof(text) - 1 - (size_t)len)) > 0)
        len += got;
    text[len] = '\0';
    close(fd);
    return len;
}

static void need(const char *path)
{
    if (slurp(path) < 0)
        ktap_skip("%s: %s", path, strerror(errno));
}

static int map_lines, bad_lines, unsorted;

static void check_map_line(const char *line, void *arg)
{
    static uint64_t last_end;
    unsigned long long start, end, offset, inode;
    unsigned int major, minor;
    char perms[8];

    map_lines++;
    if (sscanf(line, "%llx-%llx %7s %llx %x:%x %llu", &start, &end, perms, &offset, &major, &minor,
               &inode) != 7 ||
        strlen(perms) != 4 || strspn(perms, "rwxsp-") != 4 || start >= end || start % page_size ||
        end % page_size)
        bad_lines++;
    unsorted += start < last_end;
    last_end = end;
    /* A name begins in column 74 (from 1). */
    if (strchr(line, '[') && strchr(line, '[') - line != 73)
        bad_lines++;
}

TEST(maps_format)
{
    mem_each_line("/proc/self/maps", check_map_line, NULL);
    CHECK(map_lines >= 3);
    CHECK_EQ(bad_lines, 0);
    CHECK_EQ(unsorted, 0);
}

TEST(maps_shows_program_and_offset)
{
    struct mem_map m = find_map((void *)(uintptr_t)&mem_init);
    char exe[256] = "";
    int fd = make_file(3);
    char *p = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd, (off_t)(2 * page_size));

    CHECK(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
#if !defined(__powerpc64__)
    CHECK(strcmp(m.name, exe) == 0);
#endif
    REQUIRE(p != MAP_FAILED);
    m = find_map(p);
    CHECK_EQ(m.offset, 2 * page_size);
    CHECK(strcmp(m.perms, "r--s") == 0);
    CHECK(m.inode != 0);
}

static long smaps_sum;
static const char *sum_key;

static void sum_line(const char *line, void *arg)
{
    size_t len = strlen(sum_key);

    if (strncmp(line, sum_key, len) == 0 && line[len] == ':')
        smaps_sum += strtol(line + len + 1, NULL, 10);
}

static long sum_smaps(const char *key)
{
    sum_key = key;
    smaps_sum = 0;
    mem_each_line("/proc/self/smaps", sum_line, NULL);
    return smaps_sum;
}

TEST(smaps_parts_make_rss)
{
    char *p = map_pages(10, RW);

    memset(p, 1, 6 * page_size);
    CHECK_EQ(smaps_field(p, "Size"), (long)(10 * page_size / 1024));
    CHECK_EQ(smaps_field(p, "Rss"), (long)(6 * page_size / 1024));
    CHECK_EQ(smaps_field(p, "Pss"), (long)(6 * page_size / 1024));
    CHECK_EQ(smaps_field(p, "Private_Dirty") + smaps_field(p, "Private_Clean") +
                 smaps_field(p, "Shared_Dirty") + smaps_field(p, "Shared_Clean"),
             (long)(6 * page_size / 1024));
    CHECK_EQ(smaps_field(p, "Anonymous"), (long)(6 * page_size / 1024));
    CHECK_EQ(smaps_field(p, "KernelPageSize"), (long)(page_size / 1024));
    CHECK_EQ(smaps_field(p, "MMUPageSize"), (long)(page_size / 1024));
    CHECK_EQ(smaps_field(p, "Swap"), 0);
}

TEST(smaps_pss_of_shared)
{
    char *p = mmap(free_range(8), 8 * page_size, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fds[2];
    pid_t pid;

    REQUIRE(p != MAP_FAILED && pipe(fds) == 0);
    memset(p, 1, 8 * page_size);
    pid = fork();
    if (pid == 0) {
        close(fds[1]);
        for (size_t i = 0; i < 8; i++)
            CHECK_EQ(p[i * page_size], 1);
        CHECK_EQ(smaps_field(p, "Pss"), (long)(4 * page_size / 1024));
        CHECK_EQ(smaps_field(p, "Shared_Dirty") + smaps_field(p, "Shared_Clean"),
                 (long)(8 * page_size / 1024));
        fflush(stdout);
        _exit(ktap_failures != 0);
    }
    {
        int status;

        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    CHECK_EQ(smaps_field(p, "Pss"), (long)(8 * page_size / 1024));
}

TEST(smaps_rollup_is_the_sum)
{
    long rss, rollup;

    need("/proc/self/smaps_rollup");
    CHECK(strstr(text, "[rollup]") != NULL);
    for (int i = 0; i < 2; i++) { /* the first time touches buffers and code */
        rss = sum_smaps("Rss");
        rollup = file_field("/proc/self/smaps_rollup", "Rss");
    }
    CHECK(labs(rss - rollup) <= (long)(4 * page_size / 1024));
}

TEST(statm_and_status_agree)
{
    unsigned long size, resident, shared, code, lib, data, dt;
    char *p = map_pages(500, RW);

    /* Linux before 6.2 counts up to 64 pages per thread later. */
    memset(p, 1, 500 * page_size);
    need("/proc/self/statm");
    CHECK_EQ(sscanf(text, "%lu %lu %lu %lu %lu %lu %lu", &size, &resident, &shared, &code, &lib,
                    &data, &dt),
             7);
    CHECK(resident >= 400 && resident <= size);
    CHECK(shared <= resident);
    CHECK(data >= 500);
    CHECK_EQ(file_field("/proc/self/status", "VmSize"), (long)(size * page_size / 1024));
    /* Linux counts resident pages per CPU and adds them up late. */
    CHECK(labs(file_field("/proc/self/status", "VmRSS") - (long)(resident * page_size / 1024)) <=
          (long)(128 * page_size / 1024));
}

TEST(statm_follows_mmap)
{
    long before = file_field("/proc/self/status", "VmSize"), after;
    char *p = map_pages(256, RW);

    after = file_field("/proc/self/status", "VmSize");
    CHECK_EQ(after - before, (long)(256 * page_size / 1024));
    munmap(p, 256 * page_size);
    CHECK_EQ(file_field("/proc/self/status", "VmSize"), before);
}

TEST(status_keys)
{
    static const char *const keys[] = {
        "Name",   "State", "Tgid",  "Pid",     "PPid",    "Uid",     "Gid",      "VmPeak",
        "VmSize", "VmLck", "VmHWM", "VmRSS",   "RssAnon", "RssFile", "RssShmem", "VmData",
        "VmStk",  "VmExe", "VmPTE", "Threads", "SigPnd",  "SigBlk",  "SigIgn",   "SigCgt"};

    need("/proc/self/status");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char want[32];

        snprintf(want, sizeof(want), "%s%s:\t", i ? "\n" : "", keys[i]);
        if (!CHECK(strstr(text, want) != NULL))
            ktap_note("  %s is missing", keys[i]);
    }
    CHECK_EQ(file_field("/proc/self/status", "Pid"), getpid());
    CHECK_EQ(file_field("/proc/self/status", "PPid"), getppid());
    CHECK_EQ(file_field("/proc/self/status", "Threads"), 1);
}

TEST(stat_has_52_fields)
{
    int pid, ppid, fields = 0;
    char name[64], state, *at;

    need("/proc/self/stat");
    CHECK_EQ(sscanf(text, "%d (%63[^)]) %c %d", &pid, name, &state, &ppid), 4);
    CHECK_EQ(pid, getpid());
    CHECK_EQ(ppid, getppid());
    CHECK_EQ(state, 'R');
    at = strrchr(text, ')');
    for (at++; *at; at++)
        fields += *at == ' ';
    CHECK_EQ(fields + 2, 52);
}

TEST(cmdline_is_argv)
{
    ssize_t len;

    need("/proc/self/cmdline");
    len = slurp("/proc/self/cmdline");
    CHECK(len > 0 && text[len - 1] == '\0');
    CHECK(strstr(text, "procfs_test") != NULL);
}

TEST(comm_is_the_name)
{
    need("/proc/self/comm");
    CHECK(strcmp(text, "procfs_test\n") == 0);
}

TEST(pagemap_bits)
{
    int fd = make_file(1);
    char *p = map_pages(3, RW), *q = mmap(free_range(1), page_size, PROT_READ, MAP_SHARED, fd, 0);

    p[page_size] = 1;
    CHECK_EQ(pagemap(p) >> 63, 0);
    CHECK_EQ(pagemap(p + page_size) >> 63, 1);
    CHECK(!(pagemap(p + page_size) & PAGEMAP_FILE));
    CHECK(pagemap(p + page_size) & PAGEMAP_EXCLUSIVE);
    CHECK(!(pagemap(p + page_size) & PAGEMAP_SWAPPED));
    REQUIRE(q != MAP_FAILED);
    CHECK_EQ(q[0], 'a');
    CHECK(pagemap(q) & PAGEMAP_FILE);
    CHECK_EQ(pagemap(free_range(1)), 0);
}

TEST(pagemap_reads_many)
{
    char *p = map_pages(64, RW);
    uint64_t words[64];
    int fd = open("/proc/self/pagemap", O_RDONLY);
    off_t at = (off_t)((uintptr_t)p / page_size * 8);
    char byte;

    if (fd < 0)
        ktap_skip("no pagemap");
    for (size_t i = 0; i < 64; i += 3)
        p[i * page_size] = 1;
    CHECK_EQ(pread(fd, words, sizeof(words), at), (long)sizeof(words));
    for (size_t i = 0; i < 64; i++)
        CHECK_EQ(words[i] >> 63, i % 3 == 0);
    CHECK_ERRNO(pread(fd, &byte, 1, at), EINVAL);
    CHECK_ERRNO(pread(fd, words, 8, at + 1), EINVAL);
}

TEST(soft_dirty)
{
    char *p = map_pages(2, RW);
    int fd = open("/proc/self/clear_refs", O_WRONLY);

    if (fd < 0)
        ktap_skip("no clear_refs");
    memset(p, 1, 2 * page_size);
    if (!(pagemap(p) & PAGEMAP_SOFT))
        ktap_skip("no soft-dirty bit");
    CHECK_EQ(write(fd, "4", 1), 1);
    CHECK(!(pagemap(p) & PAGEMAP_SOFT));
    p[page_size] = 2;
    CHECK(!(pagemap(p) & PAGEMAP_SOFT));
    CHECK(pagemap(p + page_size) & PAGEMAP_SOFT);
}

TEST(self_links)
{
    char link[64] = "", want[64];

    snprintf(want, sizeof(want), "%d", (int)getpid());
    CHECK(readlink("/proc/self", link, sizeof(link) - 1) > 0);
    CHECK(strcmp(link, want) == 0);
    memset(link, 0, sizeof(link));
    if (readlink("/proc/thread-self", link, sizeof(link) - 1) > 0) {
        snprintf(want, sizeof(want), "%d/task/%d", (int)getpid(), (int)getpid());
        CHECK(strcmp(link, want) == 0);
    }
}

TEST(fd_links)
{
    char path[64], link[128] = "";
    int fd = open("/dev/null", O_RDONLY);

    if (fd < 0)
        ktap_skip("no /dev/null");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (readlink(path, link, sizeof(link) - 1) < 0)
        ktap_skip("%s: %s", path, strerror(errno));
    CHECK(strcmp(link, "/dev/null") == 0);
}

TEST(other_process)
{
    char path[64];
    int fds[2];
    pid_t pid;
    char c;

    REQUIRE(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        close(fds[1]);
        _exit(read(fds[0], &c, 1) != 0);
    }
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    CHECK_EQ(file_field(path, "Pid"), pid);
    CHECK_EQ(file_field(path, "PPid"), getpid());
    close(fds[1]);
    waitpid(pid, NULL, 0);
    CHECK(slurp(path) < 0);
    CHECK_EQ(errno, ENOENT);
}

TEST(meminfo)
{
    static const char *const keys[] = {
        "MemTotal",  "MemFree",         "MemAvailable", "Buffers",    "Cached",      "AnonPages",
        "Mapped",    "Shmem",           "Slab",         "PageTables", "CommitLimit", "Committed_AS",
        "SwapTotal", "HugePages_Total", "Hugepagesize"};
    long total = file_field("/proc/meminfo", "MemTotal");

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!CHECK(file_field("/proc/meminfo", keys[i]) >= 0))
            ktap_note("  %s is missing", keys[i]);
    }
    CHECK(file_field("/proc/meminfo", "MemFree") < total);
    CHECK(file_field("/proc/meminfo", "MemAvailable") < total);
}

/*
 * Linux keeps freed pages in per-CPU lists that MemFree leaves out, so one round shows nothing;
 * many rounds must not eat memory. Other processes take some too, so it may be tried again.
 */
TEST(meminfo_gets_memory_back)
{
    enum { ROUNDS = 10 };
    const size_t nr = ktap_swept ? 64 : 4096;
    long whole = (long)(nr * page_size / 1024), before, after = 0;

    for (int attempt = 0; attempt < 5; attempt++) {
        before = file_field("/proc/meminfo", "MemFree");
        for (int round = 0; round < ROUNDS; round++) {
            char *p = map_pages(nr, RW);

            memset(p, 1, nr * page_size);
            munmap(p, nr * page_size);
        }
        after = file_field("/proc/meminfo", "MemFree");
        if (before - after < ROUNDS / 2 * whole)
            return;
    }
    CHECK_EQ(after, before);
}

TEST(vmstat_counts_faults)
{
    enum { NR = 500 };
    long before = file_field("/proc/vmstat", "pgfault"), after;
    char *p = map_pages(NR, RW);

    CHECK(before > 0);
    memset(p, 1, NR * page_size);
    after = file_field("/proc/vmstat", "pgfault");
    CHECK(after - before >= NR);
}

TEST(rusage_counts_faults)
{
    char *p = map_pages(100, RW);
    long before = minor_faults();

    for (size_t i = 0; i < 100; i++) /* no memset: its code may be touched for the first time */
        p[i * page_size] = 1;
    CHECK_EQ(minor_faults() - before, 100);
}

TEST(uptime_moves)
{
    double a, b, idle;

    need("/proc/uptime");
    CHECK_EQ(sscanf(text, "%lf %lf", &a, &idle), 2);
    usleep(50000);
    slurp("/proc/uptime");
    CHECK_EQ(sscanf(text, "%lf", &b), 1);
    CHECK(b >= a + 0.03);
}

TEST(loadavg_cpuinfo_mounts)
{
    double one, five, fifteen;
    int running, all, last;

    need("/proc/loadavg");
    CHECK_EQ(sscanf(text, "%lf %lf %lf %d/%d %d", &one, &five, &fifteen, &running, &all, &last), 6);
    CHECK(running >= 1 && all >= running);
    need("/proc/cpuinfo");
    CHECK(strstr(text, "processor") != NULL);
    need("/proc/mounts");
    CHECK(strstr(text, " /proc proc ") != NULL);
    need("/proc/self/mounts");
}

TEST(sysctl_vm)
{
    need("/proc/sys/vm/overcommit_memory");
    CHECK(text[0] >= '0' && text[0] <= '2' && text[1] == '\n');
    need("/proc/sys/vm/max_map_count");
    CHECK(atol(text) > 1000);
    need("/proc/sys/vm/mmap_min_addr");
}

TEST(read_in_small_pieces)
{
    static char again[1 << 18];
    int fd;
    size_t len = 0;
    ssize_t got, whole;

    need("/proc/self/maps");
    whole = slurp("/proc/self/maps");
    fd = open("/proc/self/maps", O_RDONLY);
    while ((got = read(fd, again + len, 7)) > 0)
        len += (size_t)got;
    close(fd);
    CHECK_EQ(len, whole);
    CHECK(memcmp(again, text, len) == 0);
}

/* What programs count and look for next to /proc/cpuinfo. */
TEST(cpus_have_directories)
{
    long nr = sysconf(_SC_NPROCESSORS_ONLN);
    struct stat st;
    char path[64];

    for (long cpu = 0; cpu < nr; cpu++) {
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld", cpu);
        CHECK_OK(stat(path, &st));
        CHECK(S_ISDIR(st.st_mode));
    }
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld", nr);
    CHECK_ERRNO(stat(path, &st), ENOENT);
}

TEST(not_there)
{
    struct stat st;

    CHECK_ERRNO(stat("/proc/99999999", &st), ENOENT);
    CHECK_ERRNO(stat("/proc/self/nonsense", &st), ENOENT);
    CHECK(open("/proc/new", O_CREAT | O_WRONLY, 0600) < 0);
    CHECK_OK(stat("/proc/self", &st));
    CHECK(S_ISDIR(st.st_mode));
}

KTAP_MAIN(CASE(maps_format), CASE(maps_shows_program_and_offset), CASE(smaps_parts_make_rss),
          CASE(smaps_pss_of_shared), CASE(smaps_rollup_is_the_sum), CASE(statm_and_status_agree),
          CASE(statm_follows_mmap), CASE(status_keys), CASE(stat_has_52_fields),
          CASE(cmdline_is_argv), CASE(comm_is_the_name), CASE(pagemap_bits),
          CASE(pagemap_reads_many), CASE(soft_dirty), CASE(self_links), CASE(fd_links),
          CASE(other_process), CASE(meminfo), CASE(meminfo_gets_memory_back),
          CASE(vmstat_counts_faults), CASE(rusage_counts_faults), CASE(uptime_moves),
          CASE(loadavg_cpuinfo_mounts), CASE(sysctl_vm), CASE(read_in_small_pieces),
          CASE(cpus_have_directories), CASE(not_there))
