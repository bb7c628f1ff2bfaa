/* SPDX-License-Identifier: MIT */
/*
 * What the memory tests share: mappings, accesses that may fault, and the kernel's view of the
 * address space in /proc/self/{maps,smaps,pagemap,status}. Numbers that musl's headers lack are
 * here too.
 */
#ifndef TESTS_USER_MEM_H
#define TESTS_USER_MEM_H

#include "ktap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static size_t page_size KTAP_UNUSED;

/* Before main. Huge pages are off for the process, because the tests count base pages. */
__attribute__((constructor)) static void mem_init(void)
{
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

/*
 * The plain system calls, for tables of errors: a C library may round or refuse arguments itself
 * (musl's mprotect does). The result is -1 with errno, as from the library.
 */
#define sys_mmap(addr, len, prot, flags, fd, off)                                                  \
    syscall(SYS_mmap, (long)(addr), (long)(len), (long)(prot), (long)(flags), (long)(fd),          \
            (long)(off))
#define sys_munmap(addr, len)         syscall(SYS_munmap, (long)(addr), (long)(len))
#define sys_mprotect(addr, len, prot) syscall(SYS_mprotect, (long)(addr), (long)(len), (long)(prot))
#define sys_madvise(addr, len, advice)                                                             \
    syscall(SYS_madvise, (long)(addr), (long)(len), (long)(advice))
#define sys_mremap(addr, old_len, new_len, flags, to)                                              \
    syscall(SYS_mremap, (long)(addr), (long)(old_len), (long)(new_len), (long)(flags), (long)(to))

/*
 * A free address range of nr pages that nothing else will take: from a part of the address space
 * that kernels do not choose by themselves, each range further up, with unused pages around it.
 */
KTAP_UNUSED static char *free_range(size_t nr)
{
    static uintptr_t next = (uintptr_t)1 << 44;
    uintptr_t at = next + 17 * page_size;

    next = (at + (nr + 64) * page_size + 0xfffff) & ~(uintptr_t)0xfffff;
    return (char *)at;
}

/* nr pages of private memory with no neighbour; ends the test when there is none. */
KTAP_UNUSED static char *map_pages(size_t nr, int prot)
{
    char *p = mmap(free_range(nr), nr * page_size, prot, ANON, -1, 0);

    if (p == MAP_FAILED) {
        ktap_note("mmap of %zu pages: %s", nr, strerror(errno));
        fflush(stdout);
        _exit(KTAP_STATUS_FAIL);
    }
    return p;
}

/* A file without a name that holds nr pages, the first byte of page i being 'a' + i. */
KTAP_UNUSED static int make_file(size_t nr)
{
    int fd = (int)syscall(SYS_memfd_create, "test", 0u);

    for (size_t i = 0; fd >= 0 && i < nr; i++) {
        char c = (char)('a' + i % 26);

        if (ftruncate(fd, (off_t)((i + 1) * page_size)) < 0 ||
            pwrite(fd, &c, 1, (off_t)(i * page_size)) != 1) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0) {
        ktap_note("memfd_create: %s", strerror(errno));
        fflush(stdout);
        _exit(KTAP_STATUS_FAIL);
    }
    return fd;
}

/* ---- accesses that may fault ---- */

static sigjmp_buf mem_back KTAP_UNUSED;
static siginfo_t mem_info KTAP_UNUSED; /* of the last fault; si_signo is 0 when there was none */

static void mem_on_fault(int sig, siginfo_t *info, void *context)
{
    mem_info = *info;
    siglongjmp(mem_back, 1);
}

/* The signal that an access raised, or 0. write: stores value, otherwise loads into *value. */
KTAP_UNUSED static int mem_access(volatile char *at, bool write, char *value)
{
    struct sigaction sa = {.sa_sigaction = mem_on_fault, .sa_flags = SA_SIGINFO}, segv, bus;

    memset(&mem_info, 0, sizeof(mem_info));
    sigaction(SIGSEGV, &sa, &segv);
    sigaction(SIGBUS, &sa, &bus);
    if (sigsetjmp(mem_back, 1) == 0) {
        if (write)
            *at = *value;
        else
            *value = *at;
    }
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGBUS, &bus, NULL);
    return mem_info.si_signo;
}

KTAP_UNUSED static int try_read(const void *at)
{
    char value;

    return mem_access((volatile char *)(uintptr_t)at, false, &value);
}

KTAP_UNUSED static int try_write(void *at)
{
    char value = 'W';

    return mem_access(at, true, &value);
}

/* The access raised this signal with this code at this very address. */
#define CHECK_FAULT(call, at, sig, code)                                                           \
    do {                                                                                           \
        CHECK_EQ(call, sig);                                                                       \
        CHECK_EQ(mem_info.si_code, code);                                                          \
        CHECK_EQ((uintptr_t)mem_info.si_addr, (uintptr_t)(at));                                    \
    } while (0)

/* ---- /proc ---- */

/*
 * The lines of a file, without stdio: its buffers would be mappings that come and go in the middle
 * of what is looked at. Skips the test when the file cannot be opened.
 */
KTAP_UNUSED static void mem_each_line(const char *path, void (*visit)(const char *line, void *arg),
                                      void *arg)
{
    static char buf[16384];
    size_t have = 0;
    ssize_t got;
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        ktap_skip("%s: %s", path, strerror(errno));
    while ((got = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
        char *line = buf, *newline;

        have += (size_t)got;
        buf[have] = '\0';
        while ((newline = strchr(line, '\n'))) {
            *newline = '\0';
            visit(line, arg);
            line = newline + 1;
        }
        have -= (size_t)(line - buf);
        memmove(buf, line, have);
    }
    close(fd);
}

struct mem_map {
    uint64_t start, end, offset, inode;
    char perms[5];
    char name[256];
};

KTAP_UNUSED static bool mem_parse_map(const char *line, struct mem_map *m)
{
    int name_at = 0;

    m->name[0] = '\0';
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64 " %n", &m->start,
               &m->end, m->perms, &m->offset, &m->inode, &name_at) < 5)
        return false;
    if (name_at)
        snprintf(m->name, sizeof(m->name), "%.*s", (int)strcspn(line + name_at, "\n"),
                 line + name_at);
    return true;
}

struct mem_map_walk {
    uint64_t from, to;
    void (*visit)(const struct mem_map *, void *);
    void *arg;
    int nr;
};

static void mem_map_line(const char *line, void *arg)
{
    struct mem_map_walk *walk = arg;
    struct mem_map m;

    if (!mem_parse_map(line, &m) || m.end <= walk->from || m.start >= walk->to)
        return;
    walk->nr++;
    if (walk->visit)
        walk->visit(&m, walk->arg);
}

/* Calls visit for the mappings that touch [start, start + len); returns their number. */
KTAP_UNUSED static int mem_each_map(const void *start, size_t len,
                                    void (*visit)(const struct mem_map *, void *), void *arg)
{
    struct mem_map_walk walk = {
        .from = (uintptr_t)start, .to = (uintptr_t)start + len, .visit = visit, .arg = arg};

    mem_each_line("/proc/self/maps", mem_map_line, &walk);
    return walk.nr;
}

KTAP_UNUSED static int count_maps(const void *start, size_t len)
{
    return mem_each_map(start, len, NULL, NULL);
}

KTAP_UNUSED static void mem_copy_map(const struct mem_map *m, void *arg)
{
    *(struct mem_map *)arg = *m;
}

/* The mapping that holds an address; start is 0 when there is none. */
KTAP_UNUSED static struct mem_map find_map(const void *at)
{
    struct mem_map m = {0};

    mem_each_map(at, 1, mem_copy_map, &m);
    return m;
}

/*
 * A picture of the mappings in a range, a letter per page: "." nothing, "-" no access, r, w, x; "|"
 * before a page where a mapping begins inside the range. "|ww|r." is four pages.
 */
struct mem_picture {
    uint64_t start;
    size_t nr;
    char pages[64], begins[64];
};

KTAP_UNUSED static void mem_draw(const struct mem_map *m, void *arg)
{
    struct mem_picture *pic = arg;
    char c = m->perms[1] == 'w' ? 'w' : m->perms[2] == 'x' ? 'x' : m->perms[0] == 'r' ? 'r' : '-';

    for (size_t i = 0; i < pic->nr; i++) {
        uint64_t at = pic->start + i * page_size;

        if (at < m->start || at >= m->end)
            continue;
        pic->pages[i] = c;
        pic->begins[i] = at == m->start;
    }
}

KTAP_UNUSED static const char *draw_maps(const void *start, size_t nr)
{
    static char text[160];
    struct mem_picture pic = {.start = (uintptr_t)start, .nr = nr};
    size_t len = 0;

    memset(pic.pages, '.', sizeof(pic.pages));
    mem_each_map(start, nr * page_size, mem_draw, &pic);
    for (size_t i = 0; i < nr; i++) {
        if (pic.begins[i])
            text[len++] = '|';
        text[len++] = pic.pages[i];
    }
    text[len] = '\0';
    return text;
}

#define CHECK_MAPS(start, nr, want)                                                                \
    do {                                                                                           \
        const char *drawn_ = draw_maps(start, nr);                                                 \
                                                                                                   \
        if (!CHECK(strcmp(drawn_, want) == 0))                                                     \
            ktap_note("  mappings are %s, not %s", drawn_, want);                                  \
    } while (0)

struct mem_smaps_query {
    uint64_t at;
    const char *key;
    bool inside, flag;
    long value;
};

static void mem_smaps_line(const char *line, void *arg)
{
    struct mem_smaps_query *q = arg;
    size_t len = strlen(q->key);
    struct mem_map m;

    if (mem_parse_map(line, &m))
        q->inside = q->at >= m.start && q->at < m.end;
    else if (q->inside && strncmp(line, "VmFlags:", 8) == 0)
        q->flag = strstr(line, q->key) != NULL;
    else if (q->inside && strncmp(line, q->key, len) == 0 && line[len] == ':')
        q->value = strtol(line + len + 1, NULL, 10);
}

/* A field of the smaps entry that holds an address, in KiB; -1 when absent. */
KTAP_UNUSED static long smaps_field(const void *at, const char *key)
{
    struct mem_smaps_query q = {.at = (uintptr_t)at, .key = key, .value = -1};

    mem_each_line("/proc/self/smaps", mem_smaps_line, &q);
    return q.value;
}

/* True when VmFlags of the mapping at an address has a two-letter flag. */
KTAP_UNUSED static bool has_vmflag(const void *at, const char *flag)
{
    char key[8];
    struct mem_smaps_query q = {.at = (uintptr_t)at, .key = key};

    snprintf(key, sizeof(key), " %s", flag);
    mem_each_line("/proc/self/smaps", mem_smaps_line, &q);
    return q.flag;
}

struct mem_field_query {
    const char *key;
    long value;
};

static void mem_field_line(const char *line, void *arg)
{
    struct mem_field_query *q = arg;
    size_t len = strlen(q->key);

    if (strncmp(line, q->key, len) == 0 && (line[len] == ':' || line[len] == ' '))
        q->value = strtol(line + len + 1, NULL, 10);
}

/* A "Key:  123 kB" or "key 123" line of a file; -1 when absent. */
KTAP_UNUSED static long file_field(const char *path, const char *key)
{
    struct mem_field_query q = {.key = key, .value = -1};

    mem_each_line(path, mem_field_line, &q);
    return q.value;
}

#define PAGEMAP_PRESENT   (1ull << 63)
#define PAGEMAP_SWAPPED   (1ull << 62)
#define PAGEMAP_FILE      (1ull << 61)
#define PAGEMAP_EXCLUSIVE (1ull << 56)
#define PAGEMAP_SOFT      (1ull << 55)
#define PAGEMAP_PFN       ((1ull << 55) - 1)

/* The pagemap word of a page of this process. */
KTAP_UNUSED static uint64_t pagemap(const void *at)
{
    int fd = open("/proc/self/pagemap", O_RDONLY);
    uint64_t word = 0;

    if (fd < 0)
        ktap_skip("no /proc/self/pagemap");
    if (pread(fd, &word, sizeof(word), (off_t)((uintptr_t)at / page_size * sizeof(word))) !=
        sizeof(word))
        word = 0;
    close(fd);
    return word;
}

KTAP_UNUSED static bool is_present(const void *at)
{
    return pagemap(at) & PAGEMAP_PRESENT;
}

/* Contents of a small file, or skips the test. */
KTAP_UNUSED static void read_text(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY);
    ssize_t n;

    if (fd < 0)
        ktap_skip("%s: %s", path, strerror(errno));
    n = read(fd, buf, size - 1);
    buf[n > 0 ? n : 0] = '\0';
    close(fd);
}

/* 0, or -1 with errno, as write. Skips the test when the file is not there. */
KTAP_UNUSED static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY), saved;
    ssize_t n;

    if (fd < 0)
        ktap_skip("%s: %s", path, strerror(errno));
    n = write(fd, text, strlen(text));
    saved = errno;
    close(fd);
    errno = saved;
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* The same: a request for the pages of [at, at + len) of this process, in the format that files of
 * /sys/kernel/debug take. */
KTAP_UNUSED static int write_range(const char *path, const void *at, size_t len)
{
    char text[80];

    snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(), (unsigned long)at,
             (unsigned long)at + len);
    return write_text(path, text);
}

/* How many of nr pages are in memory, by pagemap. */
KTAP_UNUSED static size_t count_present(const char *at, size_t nr)
{
    size_t present = 0;

    for (size_t i = 0; i < nr; i++)
        present += is_present(at + i * page_size);
    return present;
}

KTAP_UNUSED static long minor_faults(void)
{
    struct rusage ru;

    getrusage(RUSAGE_SELF, &ru);
    return ru.ru_minflt;
}

/* Runs fn in a child and returns its wait status. */
KTAP_UNUSED static int in_child(void (*fn)(void *), void *arg)
{
    int status = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        ktap_failures = 0;
        fn(arg);
        fflush(stdout);
        _exit(ktap_failures ? KTAP_STATUS_FAIL : 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

#endif
