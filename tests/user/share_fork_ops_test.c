/* SPDX-License-Identifier: MIT */
/*
 * Page tables that fork shares copy-on-write: every other operation on memory that meets one, the
 * counters that tell what happened, and the switches. The other side must not notice.
 */
#include "share.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>

#define SPANS (ktap_swept ? 4 : 6)
#define STEP  share_step() /* pages from one that is written to the next: the rest are holes */

static size_t span, len;

static char *new_area(void)
{
    char *p;

    span = share_span();
    len = SPANS * span;
    p = share_map(share_place(len), len, RW, ANON, -1, 0);
    share_fill(p, len, STEP);
    return p;
}

static long rose(struct share_mark mark)
{
    return share_count(mark.name) - mark.before;
}

/* The counter rose by @n exactly; nobody else forks. */
#define CHECK_EXACTLY(mark, n)                                                                     \
    do {                                                                                           \
        if (share_forks() && !ktap_swept && !share_is_off("fork_share"))                           \
            CHECK_EQ(rose(mark), n);                                                               \
    } while (0)

static void write_each_table(char *p, char c)
{
    for (size_t i = 0; i < len; i += span)
        p[i + 1] = c;
}

/* A child that does nothing. */
static void fork_once(void)
{
    pid_t pid = peer();

    if (pid == 0)
        peer_end();
    CHECK_PEER(pid);
}

TEST(switch_per_process)
{
    char *p = new_area();
    struct share_mark mark;
    int bits = prctl(PR_GET_PT_SHARE, 0, 0, 0, 0);
    pid_t pid;

    if (bits < 0)
        ktap_skip("no prctl for shared page tables");
    CHECK_ERRNO(prctl(PR_SET_PT_SHARE, 4, 0, 0, 0), EINVAL);
    CHECK_OK(prctl(PR_SET_PT_SHARE, 1, 0, 0, 0));
    CHECK_EQ(prctl(PR_GET_PT_SHARE, 0, 0, 0, 0), bits & 1);
    mark = share_begin(SHARE_FORK);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(prctl(PR_GET_PT_SHARE, 0, 0, 0, 0), bits & 1); /* inherited */
        fork_once();
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(rose(mark), 0);
    CHECK_OK(prctl(PR_SET_PT_SHARE, 3, 0, 0, 0));
    CHECK_EQ(prctl(PR_GET_PT_SHARE, 0, 0, 0, 0), bits);
    fork_once();
    CHECK_EXACTLY(mark, SPANS);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
}

TEST(switch_per_range)
{
    char *p = new_area();
    struct share_mark mark = share_begin(SHARE_FORK);

    CHECK_OK(madvise(p, len, 0x5101)); /* MADV_NOSHAREPT */
    fork_once();
    CHECK_EQ(rose(mark), 0);
    CHECK_OK(madvise(p, len, 0x5100));
    fork_once();
    CHECK_EXACTLY(mark, SPANS);
    CHECK_OK(madvise(p, len, 0x5101)); /* what is shared is left */
    mark = share_begin(SHARE_FORK);
    fork_once();
    CHECK_EQ(rose(mark), 0);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
}

/* The first write in each table copies it; who is alone with one takes it over. */
TEST(first_write_breaks_the_last_user_takes_over)
{
    char *p = new_area();
    struct share_mark share = share_begin(SHARE_FORK), broken = share_begin("pt_fork_break"),
                      adopt = share_begin("pt_fork_adopt"), cow = share_begin("pgcow");
    pid_t pid = peer();

    if (pid == 0) {
        write_each_table(p, 'c');
        write_each_table(p, 'd');
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EXACTLY(share, SPANS);
    CHECK_EXACTLY(broken, SPANS);
    CHECK_EXACTLY(adopt, 0);
    cow = share_begin("pgcow");
    write_each_table(p, 'p');
    CHECK_EXACTLY(adopt, SPANS);
    CHECK_EXACTLY(cow, 0);
    /* Without a write in between there is nothing to do but count links. */
    fork_once();
    fork_once();
    CHECK_EXACTLY(share, 3 * SPANS);
    CHECK_EXACTLY(broken, SPANS);
    CHECK_EXACTLY(adopt, SPANS);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
}

TEST(accounts_of_tables_and_pages)
{
    char *p = new_area();
    long tables = SPANS * (long)page_size / 1024, pte, shared, anon, violations;
    pid_t pid;

    for (size_t i = 1; i < len / page_size; i += STEP) /* zeroes count for nobody */
        CHECK_EQ(p[i * page_size], 0);
    pte = file_field("/proc/self/status", "VmPTE");
    shared = file_field("/proc/self/status", "VmPTEShared");
    anon = file_field("/proc/self/status", "RssAnon");
    stage_new();
    pid = peer();
    if (pid == 0) {
        long mine = file_field("/proc/self/status", "RssAnon"), slack = 64 * (long)page_size / 1024;

        CHECK(mine >= anon - slack && mine <= anon + slack);
        if (share_forks() && !ktap_swept) {
            CHECK(file_field("/proc/self/status", "VmPTEShared") >= tables);
            CHECK(smaps_field(p, "TableShared") >= tables);
        }
        write_each_table(p, 'c');
        CHECK_EQ(smaps_field(p, "TableShared"), 0);
        mine = file_field("/proc/self/status", "RssAnon");
        CHECK(mine >= anon - slack && mine <= anon + slack);
        stage_done(0);
        stage_wait(1, 1);
        peer_end();
    }
    if (share_forks() && !ktap_swept) {
        CHECK(file_field("/proc/self/status", "VmPTEShared") >= shared + tables);
        CHECK(file_field("/proc/self/status", "VmPTE") <= pte - tables);
    }
    stage_wait(0, 1);
    violations = share_violations();
    CHECK_EQ(violations, 0);
    stage_done(1);
    CHECK_PEER(pid);
    write_each_table(p, 'p');
    CHECK_EQ(file_field("/proc/self/status", "VmPTEShared"), shared);
    CHECK_EQ(file_field("/proc/self/status", "RssAnon"), anon);
}

/* A pin of before the fork keeps its table out of it; when it is gone, the next copy shows that. */
TEST(pin_before_fork)
{
    char *p = new_area(), c = 0;
    struct share_mark mark;
    struct iovec iov = {p + span + STEP * page_size, 1};
    int fds[2];
    pid_t pid;

    CHECK_OK(pipe(fds));
    if (syscall(SYS_vmsplice, fds[1], &iov, 1, 0) != 1)
        ktap_skip("vmsplice: %s", strerror(errno));
    stage_new();
    mark = share_begin(SHARE_FORK);
    pid = peer();
    if (pid == 0) {
        stage_wait(0, 1);
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        peer_end();
    }
    CHECK_EXACTLY(mark, SPANS - 1);
    *(char *)iov.iov_base = 'p';
    CHECK_EQ(read(fds[0], &c, 1), 1);
    CHECK_EQ(c, 'p'); /* the pin's page is the parent's still */
    *(char *)iov.iov_base = (char)share_byte(span / page_size + STEP);
    stage_done(0);
    CHECK_PEER(pid);
    mark = share_begin(SHARE_FORK);
    fork_once();
    CHECK_EXACTLY(mark, SPANS - 1);
    fork_once();
    CHECK_EXACTLY(mark, 2 * SPANS - 1);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
}

/* A pin through a link that does not allow writing is of the pinner's own page. */
TEST(pin_after_fork)
{
    char *p = new_area();
    pid_t pid;

    for (int child_pins = 0; child_pins < 2; child_pins++) {
        stage_new();
        pid = peer();
        if ((pid == 0) == child_pins) {
            struct iovec iov = {p, 1};
            char c = 0;
            int fds[2];

            CHECK_OK(pipe(fds));
            if (syscall(SYS_vmsplice, fds[1], &iov, 1, 0) == 1) {
                p[0] = 'v';
                CHECK_EQ(read(fds[0], &c, 1), 1);
                CHECK_EQ(c, 'v');
            }
            p[0] = (char)share_byte(0);
            stage_done(0);
            close(fds[0]);
            close(fds[1]);
        } else {
            stage_wait(0, 1);
        }
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        if (pid == 0)
            peer_end();
        CHECK_PEER(pid);
    }
}

TEST(other_process_reads_and_writes)
{
    char *p = new_area(), text[8] = "written";
    struct iovec local = {text, sizeof(text)}, remote = {p + 1, sizeof(text)};
    struct share_mark broken;
    pid_t pid;

    stage_new();
    pid = peer();
    if (pid == 0) {
        stage_wait(0, 1);
        CHECK(memcmp(p + 1, "written", 8) == 0);
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        peer_end();
    }
    CHECK_EQ(syscall(SYS_process_vm_writev, pid, &local, 1, &remote, 1, 0), sizeof(text));
    memset(text, 0, sizeof(text));
    CHECK_EQ(syscall(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0), sizeof(text));
    CHECK(memcmp(text, "written", 8) == 0);
    CHECK_EQ(p[1], 0);
    /* Who holds a page of a table must not see what is written there in place later. */
    broken = share_begin("pt_fork_break");
    remote.iov_base = p + span + 1;
    CHECK_EQ(syscall(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0), sizeof(text));
    CHECK_EXACTLY(broken, 1);
    stage_done(0);
    CHECK_PEER(pid);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
}

/* Holes of a shared table: read, then written, on either side. */
TEST(holes)
{
    char *p = new_area();

    for (int write_first = 0; write_first < 2; write_first++) {
        pid_t pid = peer();
        char *hole = p + page_size + (size_t)write_first * span;

        if (pid == 0) {
            if (write_first)
                hole[0] = 'c';
            CHECK_EQ(hole[0], write_first ? 'c' : 0);
            CHECK_EQ(hole[page_size], 0);
            hole[0] = 'd';
            CHECK_EQ(hole[page_size], 0);
            peer_end();
        }
        CHECK_PEER(pid);
        CHECK_EQ(hole[0], 0);
        CHECK_EQ(share_wrong(p, len, STEP), 0);
    }
}

struct race {
    char *p;
    atomic_uint met;
};

/* Both threads meet at each table, then write 64 of its pages, three quarters of them holes. */
static void *write_beside(void *arg)
{
    struct race *r = arg;

    for (unsigned int table = 0; table < SPANS; table++) {
        atomic_fetch_add(&r->met, 1);
        while (atomic_load(&r->met) < 2 * (table + 1))
            sched_yield();
        for (size_t k = 0; k < 64; k++)
            r->p[table * span + k * (STEP / 4) * page_size + 2] = 't';
    }
    return NULL;
}

/* Two threads of the child write first, at once. */
TEST(two_threads_break)
{
    char *p = new_area();

    skip_race_under_sweep();
    for (int i = 0; i < 20; i++) {
        pid_t pid = peer();

        if (pid == 0) {
            struct race race = {.p = p};
            pthread_t thread;

            if (CHECK_EQ(pthread_create(&thread, NULL, write_beside, &race), 0)) {
                write_beside(&race);
                pthread_join(thread, NULL);
            }
            CHECK_EQ(share_wrong(p, len, STEP), 0);
            peer_end();
        }
        CHECK_PEER(pid);
        for (size_t k = 0; k < len; k += STEP * page_size)
            CHECK_EQ(p[k + 2], 0);
    }
}

/* A thread pins and unpins pages of the area by vmsplice, writes to them, and gets what it wrote.
 */
struct pinner {
    pthread_t thread;
    char *p;
    atomic_bool stop;
    unsigned long pins, wrong;
};

static void *pins(void *arg)
{
    struct pinner *a = arg;
    int fds[2];

    if (pipe(fds) != 0)
        return NULL;
    for (unsigned int i = 0; !atomic_load(&a->stop); i++) {
        char *at = a->p + i % 7 * STEP * page_size + i % SPANS * span + 3, c = 0;
        struct iovec iov = {at, 1};

        if (syscall(SYS_vmsplice, fds[1], &iov, 1, 0) != 1)
            break;
        *at = (char)i;
        if (read(fds[0], &c, 1) != 1)
            break;
        a->pins++;
        a->wrong += c != (char)i;
    }
    close(fds[0]);
    close(fds[1]);
    return NULL;
}

TEST(pins_beside_forks)
{
    struct pinner a = {.p = new_area()};
    time_t end = time(NULL) + 4;
    int forks = 0;

    skip_race_under_sweep();
    if (!share_forks())
        ktap_skip("fork_share=off");
    CHECK_EQ(pthread_create(&a.thread, NULL, pins, &a), 0);
    for (; forks < 60 && time(NULL) < end; forks++) {
        pid_t pid = peer();

        if (pid == 0) {
            char seen[SPANS];

            for (int k = 0; k < SPANS; k++)
                seen[k] = a.p[k * span + 3];
            if (forks % 2)
                write_each_table(a.p, 'c');
            for (int k = 0; k < SPANS; k++)
                CHECK_EQ(a.p[k * span + 3], seen[k]);
            CHECK_EQ(share_wrong(a.p, len, STEP), 0);
            peer_end();
        }
        CHECK_PEER(pid);
    }
    atomic_store(&a.stop, true);
    pthread_join(a.thread, NULL);
    ktap_note("%d forks beside %lu pins", forks, a.pins);
    CHECK(forks == 0 || a.pins > 0);
    CHECK_EQ(a.wrong, 0);
    CHECK_EQ(share_wrong(a.p, len, STEP), 0);
}

/* ---- operations ---- */

static void op_lock(char *p)
{
    size_t part = ktap_swept ? span / 16 : span; /* on each side of a boundary */
    char *at = p + 2 * span - part;

    CHECK_OK(mlock(at, 2 * part));
    CHECK_EQ(smaps_field(at, "Locked"), (long)(2 * part / 1024));
    CHECK_OK(munlock(at, 2 * part));
}

static void op_clear_refs(char *p)
{
    static const char what[] = {'1', '2', '4'};
    int fd = open("/proc/self/clear_refs", O_WRONLY);

    (void)p;
    if (fd < 0)
        return;
    for (size_t i = 0; i < sizeof(what); i++)
        CHECK_EQ(write(fd, &what[i], 1), 1);
    close(fd);
}

static void op_collapse(char *p)
{
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    (void)madvise(p, 2 * span, 25); /* MADV_COLLAPSE; there may be no huge pages */
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

static void op_populate(char *p)
{
    size_t first = ktap_swept ? span - span / 16 : 0;
    size_t last = ktap_swept ? span + span / 16 : 3 * span;

    CHECK_OK(madvise(p, len, MADV_POPULATE_READ));
    CHECK_OK(madvise(p + first, last - first, MADV_POPULATE_WRITE));
}

static void op_free(char *p)
{
    CHECK_OK(madvise(p + page_size, (STEP - 1) * page_size, MADV_FREE));
    CHECK_OK(madvise(p + span + page_size, span, MADV_DONTFORK));
    CHECK_OK(madvise(p + span + page_size, span, MADV_DOFORK));
}

static void op_userfault(char *p)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register r = {.range = {(uintptr_t)p, 2 * span},
                                .mode = UFFDIO_REGISTER_MODE_MISSING};
    struct uffdio_copy c = {(uintptr_t)p + page_size, (uintptr_t)p, page_size, 0, 0};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return;
    CHECK_OK(ioctl(fd, UFFDIO_API, &api));
    CHECK_OK(ioctl(fd, UFFDIO_REGISTER, &r));
    CHECK_OK(ioctl(fd, UFFDIO_COPY, &c));
    CHECK_EQ(memcmp(p, p + page_size, page_size), 0);
    close(fd);
}

static void op_move_part(char *p)
{
    char *to = share_place(len);

    CHECK(sys_mremap(p + span / 2, span, span, MREMAP_MAYMOVE | MREMAP_FIXED, to) == (long)to);
    to[0] = 'm';
    CHECK(sys_mremap(to, span, span, MREMAP_MAYMOVE | MREMAP_FIXED, p + span / 2) ==
          (long)(p + span / 2));
    p[span / 2] = (char)share_byte(span / 2 / page_size);
}

static void op_protect_one(char *p)
{
    CHECK_OK(mprotect(p + 3 * span, page_size, PROT_READ));
    CHECK_EQ(try_write(p + 3 * span), SIGSEGV);
    CHECK_OK(mprotect(p + 3 * span, page_size, RW));
}

static void op_dontneed_part(char *p)
{
    CHECK_OK(madvise(p + span - page_size, 2 * span + 2 * page_size, MADV_DONTNEED));
    CHECK_EQ(p[2 * span], 0);
    for (size_t i = span - page_size; i < 3 * span + page_size;
         i += i < span ? page_size : STEP / (ktap_swept ? 1 : 4) * page_size)
        p[i] = i / page_size % STEP ? 0 : (char)share_byte(i / page_size);
}

static void op_shrink(char *p)
{
    CHECK(sys_mremap(p, len, len - span / 2, 0, 0) == (long)p);
    CHECK(sys_mremap(p, len - span / 2, len, 0, 0) == (long)p);
    share_fill(p + len - span / 2, span / 2, STEP);
    for (size_t i = len - span / 2; i < len; i += STEP * page_size)
        p[i] = (char)share_byte(i / page_size);
}

static void op_wipe(char *p)
{
    pid_t pid;

    CHECK_OK(madvise(p, 2 * span, MADV_WIPEONFORK));
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(p[0], 0);
        CHECK_EQ((unsigned char)p[2 * span], share_byte(2 * span / page_size));
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_OK(madvise(p, 2 * span, MADV_KEEPONFORK));
}

static void op_exclusive(char *p)
{
    CHECK(!share_forks() || ktap_swept || (pagemap(p) >> 56 & 1) == 0); /* the other has it, too */
    p[1] = 'x';
    CHECK(!share_forks() || (pagemap(p) >> 56 & 1) == 1);
}

static const struct op {
    const char *name;
    void (*run)(char *p);
} ops[] = {
    {"mlock", op_lock},
    {"clear_refs", op_clear_refs},
    {"collapse", op_collapse},
    {"populate", op_populate},
    {"free", op_free},
    {"userfault", op_userfault},
    {"move", op_move_part},
    {"protect", op_protect_one},
    {"dontneed", op_dontneed_part},
    {"shrink", op_shrink},
    {"wipeonfork", op_wipe},
    {"exclusive", op_exclusive},
};

/* Each by the child, by the parent beside a child, and by the parent as the only user. */
TEST(operations)
{
    char *kept = NULL; /* under the sweep: what only a child has worked on serves the next, too */

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        int before = ktap_failures, first = ktap_swept ? (int)i % 3 : 0;

        for (int who = first; who < (ktap_swept ? first + 1 : 3); who++) {
            char *p = kept ? kept : new_area();
            pid_t pid;

            stage_new();
            pid = peer();
            if (pid == 0) {
                if (who == 0)
                    ops[i].run(p);
                else if (who == 1)
                    stage_wait(0, 1);
                CHECK_EQ(share_wrong(p, len, STEP), 0);
                peer_end();
            }
            if (who == 1) {
                ops[i].run(p);
                CHECK_EQ(share_violations(), 0);
                stage_done(0);
            }
            CHECK_PEER(pid);
            if (who == 2 && ops[i].run != op_exclusive)
                ops[i].run(p);
            CHECK_EQ(share_wrong(p, len, STEP), 0);
            kept = ktap_swept && who == 0 ? p : NULL;
            if (!kept)
                munmap(p, len);
        }
        if (ktap_failures != before)
            ktap_note("  that was %s", ops[i].name);
    }
}

/* A heap, which shrinks into a span that is shared and grows again. */
TEST(heap)
{
    size_t step = (ktap_swept ? 8 : 1) * page_size;
    char *old = (char *)syscall(SYS_brk, 0), *top;
    pid_t pid;

    span = share_span();
    top = old + 6 * span;
    if ((char *)syscall(SYS_brk, top) != top)
        ktap_skip("no heap of that size");
    for (char *p = old; p < top; p += step)
        *p = 'h';
    pid = peer();
    if (pid == 0) {
        CHECK((char *)syscall(SYS_brk, top - span - span / 2) == top - span - span / 2);
        CHECK_EQ(top[-span - span / 2 - 1], 0);
        CHECK((char *)syscall(SYS_brk, top) == top);
        CHECK_EQ(top[-span], 0);
        top[-span] = 'c';
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(top[-(long)step], 'h');
    for (char *p = old; p < top; p += step)
        if (*p != 'h' && !CHECK_EQ(*p, 'h'))
            break;
    CHECK((char *)syscall(SYS_brk, old) == old);
}

/* Users end all at once, with nobody before them or behind. */
TEST(last_users_at_once)
{
    enum { NR = 6 };
    pid_t pids[NR];
    long pages;

    skip_race_under_sweep();
    fork_once();
    pages = share_free_pages();
    for (int round = 0; round < 10; round++) {
        char *p = new_area();

        stage_new();
        for (int i = 0; i < NR; i++) {
            pids[i] = peer();
            if (pids[i])
                continue;
            if (i == 0)
                write_each_table(p, 'w');
            stage_meet(0, NR + 1);
            if (i % 2)
                munmap(p, len);
            peer_end();
        }
        stage_meet(0, NR + 1);
        munmap(p, len);
        for (int i = 0; i < NR; i++)
            CHECK_PEER(pids[i]);
    }
    CHECK_EQ(share_violations(), 0);
    for (int i = 0; i < 50 && share_free_pages() < pages - 64; i++)
        usleep(10000);
    CHECK(share_free_pages() >= pages - 64);
}

KTAP_MAIN(CASE(switch_per_process), CASE(switch_per_range),
          CASE(first_write_breaks_the_last_user_takes_over), CASE(accounts_of_tables_and_pages),
          CASE(pin_before_fork), CASE(pin_after_fork), CASE(other_process_reads_and_writes),
          CASE(holes), CASE(two_threads_break), CASE(pins_beside_forks), CASE(operations),
          CASE(heap), CASE(last_users_at_once))
