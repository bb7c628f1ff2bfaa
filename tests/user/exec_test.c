/* SPDX-License-Identifier: MIT */
/*
 * execve(2): arguments, environment, auxiliary vector, what survives, scripts, static PIE, and
 * errors. The program starts itself with "helper" as its first argument and prints what the tests
 * look at.
 */
#include "mem.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/stat.h>

extern char **environ;

static char self[256], output[8192];

/* ---- the helper: what a freshly executed program sees ---- */

static int helper_args(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        printf("[%s]", argv[i]);
    for (char **e = environ; *e; e++)
        printf("{%s}", *e);
    return 0;
}

static int helper_auxv(void)
{
    Elf64_Ehdr *ehdr = (Elf64_Ehdr *)(uintptr_t)(getauxval(AT_PHDR) - sizeof(Elf64_Ehdr));
    const unsigned char *random = (void *)(uintptr_t)getauxval(AT_RANDOM);
    const char *execfn = (void *)(uintptr_t)getauxval(AT_EXECFN);
    bool zero = true;

    for (int i = 0; random && i < 16; i++)
        zero &= !random[i];
    printf("pagesz=%d entry=%d phent=%d phnum=%d uid=%d euid=%d secure=%d random=%d clktck=%lu "
           "execfn=%s platform=%d",
           getauxval(AT_PAGESZ) == (unsigned long)sysconf(_SC_PAGESIZE),
           getauxval(AT_ENTRY) != 0 && memcmp(ehdr->e_ident, ELFMAG, SELFMAG) == 0 &&
               ehdr->e_entry == getauxval(AT_ENTRY),
           getauxval(AT_PHENT) == sizeof(Elf64_Phdr), getauxval(AT_PHNUM) == ehdr->e_phnum,
           getauxval(AT_UID) == getuid(), getauxval(AT_EUID) == geteuid(),
           (int)getauxval(AT_SECURE), random && !zero, getauxval(AT_CLKTCK), execfn,
           getauxval(AT_PLATFORM) != 0);
    return 0;
}

static int helper_state(void)
{
    struct sigaction usr1, usr2;
    sigset_t mask;

    sigaction(SIGUSR1, NULL, &usr1);
    sigaction(SIGUSR2, NULL, &usr2);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    printf("usr1=%s usr2=%s hup=%d fd50=%d fd51=%d pid=%d alarm=%d",
           usr1.sa_handler == SIG_DFL ? "default" : "?",
           usr2.sa_handler == SIG_IGN ? "ignored" : "?", sigismember(&mask, SIGHUP),
           fcntl(50, F_GETFD) >= 0, fcntl(51, F_GETFD) >= 0, (int)getpid(), alarm(0) > 0);
    return 0;
}

static int helper_stack(int argc, char **argv)
{
    struct mem_map m = find_map(argv);

    printf("stack=%d align=%d", strcmp(m.name, "[stack]") == 0,
           (uintptr_t)argv % sizeof(void *) == 0);
    return argc;
}

static int helper(int argc, char **argv)
{
    if (strcmp(argv[2], "args") == 0)
        return helper_args(argc - 3, argv + 3);
    if (strcmp(argv[2], "auxv") == 0)
        return helper_auxv();
    if (strcmp(argv[2], "state") == 0)
        return helper_state();
    if (strcmp(argv[2], "stack") == 0)
        return helper_stack(argc, argv);
    if (strcmp(argv[2], "count") == 0) {
        printf("%d %zu", argc - 3, argc > 3 ? strlen(argv[argc - 1]) : 0);
        return 0;
    }
    return argc > 3 ? atoi(argv[3]) : 0;
}

/* ---- the tests ---- */

/* Runs a program with its output in output; returns the wait status, errno << 16 if exec failed. */
static int run(const char *path, char *const *argv, char *const *envp)
{
    int fds[2], status = -1;
    ssize_t got;
    size_t len = 0;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        execve(path, argv, envp);
        _exit(200 + (errno < 50 ? errno : 50));
    }
    close(fds[1]);
    while ((got = read(fds[0], output + len, sizeof(output) - 1 - len)) > 0)
        len += (size_t)got;
    output[len] = '\0';
    close(fds[0]);
    waitpid(pid, &status, 0);
    return status;
}

#define RUN(...) run(self, (char *[]){self, "helper", __VA_ARGS__, NULL}, (char *[]){"E=1", NULL})
#define CHECK_OUTPUT(want)                                                                         \
    do {                                                                                           \
        if (!CHECK(strcmp(output, want) == 0))                                                     \
            ktap_note("  output is: %s", output);                                                  \
    } while (0)

static const char *script(const char *name, const char *text, mode_t mode)
{
    static char path[128];
    int fd;

    snprintf(path, sizeof(path), "/tmp/ktap-exec-%d-%s", (int)getpid(), name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
    close(fd);
    return path;
}

TEST(arguments_and_environment)
{
    CHECK_EQ(RUN("args", "one", "", "two words"), 0);
    CHECK_OUTPUT("[one][][two words]{E=1}");
    CHECK_EQ(run(self, (char *[]){self, "helper", "args", NULL}, (char *[]){NULL}), 0);
    CHECK_OUTPUT("");
    CHECK_EQ(RUN("exit", "37"), 37 << 8);
}

TEST(auxiliary_vector)
{
    char want[512];

    CHECK_EQ(RUN("auxv"), 0);
    snprintf(want, sizeof(want),
             "pagesz=1 entry=1 phent=1 phnum=1 uid=1 euid=1 secure=0 random=1 clktck=100 "
             "execfn=%s platform=1",
             self);
    CHECK_OUTPUT(want);
}

static void on_signal(int sig)
{
}

TEST(what_survives)
{
    sigset_t mask;
    char want[128];
    int fd = open("/dev/null", O_RDONLY), status;
    pid_t pid;
    int fds[2];

    REQUIRE(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        signal(SIGUSR1, on_signal);
        signal(SIGUSR2, SIG_IGN);
        sigemptyset(&mask);
        sigaddset(&mask, SIGHUP);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        dup2(fd, 50);
        fcntl(fd, F_DUPFD_CLOEXEC, 51);
        dup2(fds[1], 1);
        alarm(100);
        execve(self, (char *[]){self, "helper", "state", NULL}, environ);
        _exit(1);
    }
    close(fds[1]);
    memset(output, 0, 512);
    CHECK(read(fds[0], output, 511) > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    snprintf(want, sizeof(want), "usr1=default usr2=ignored hup=1 fd50=1 fd51=0 pid=%d alarm=1",
             (int)pid);
    CHECK_OUTPUT(want);
}

TEST(stack_of_the_new_program)
{
    CHECK_EQ(RUN("stack"), 3 << 8);
    CHECK_OUTPUT("stack=1 align=1");
}

TEST(long_argument_lists)
{
    enum { LEN = 100000 };
    const int nr = ktap_swept ? 150 : 2000;
    char **argv = calloc(nr + 4, sizeof(*argv)), *big = malloc(LEN + 1);
    char want[64];

    REQUIRE(argv && big);
    argv[0] = self;
    argv[1] = "helper";
    argv[2] = "count";
    for (int i = 0; i < nr; i++)
        argv[i + 3] = "argument";
    CHECK_EQ(run(self, argv, environ), 0);
    snprintf(want, sizeof(want), "%d 8", nr);
    CHECK_OUTPUT(want);
    memset(big, 'b', LEN);
    big[LEN] = '\0';
    argv[nr + 2] = big;
    CHECK_EQ(run(self, argv, environ), 0);
    snprintf(want, sizeof(want), "%d %d", nr, LEN);
    CHECK_OUTPUT(want);
}

TEST(too_long_is_e2big)
{
    enum { NR = 200, LEN = 130000 };
    char **argv = calloc(NR + 1, sizeof(*argv)), *big = malloc(LEN + 1), *one = malloc(200000);

    REQUIRE(argv && big && one);
    memset(big, 'b', LEN);
    big[LEN] = '\0';
    for (int i = 0; i < NR; i++)
        argv[i] = big;
    if (ktap_swept) /* what the stack may have sets the limit: fewer pages are copied up to it */
        CHECK_OK(setrlimit(RLIMIT_STACK, &(struct rlimit){512 << 10, 512 << 10}));
    CHECK_EQ(run(self, argv, environ), (200 + E2BIG) << 8);
    /* A single string is limited to 32 pages. */
    memset(one, 'o', 199999);
    one[199999] = '\0';
    if (page_size == 4096)
        CHECK_EQ(run(self, (char *[]){self, one, NULL}, environ), (200 + E2BIG) << 8);
}

TEST(empty_argv)
{
    int status = run(self, (char *[]){NULL}, environ);

    /* Linux makes it { "" } since 5.18: the program then runs its tests' main with no arguments. */
    CHECK(!WIFSIGNALED(status));
}

TEST(error_table)
{
    char *argv[] = {self, NULL};

    CHECK_ERRNO(execve("/none", argv, environ), ENOENT);
    CHECK_ERRNO(execve("", argv, environ), ENOENT);
    CHECK_ERRNO(execve("/tmp", argv, environ), EACCES);
    CHECK_ERRNO(execve(script("a", "text\n", 0644), argv, environ), EACCES);
    CHECK_ERRNO(execve(script("b", "text\n", 0755), argv, environ), ENOEXEC);
    CHECK_ERRNO(execve(script("c", "", 0755), argv, environ), ENOEXEC);
    CHECK_ERRNO(
        execve(script("d", "\177ELF garbage that is no program at all....", 0755), argv, environ),
        ENOEXEC);
    CHECK_ERRNO(execve(script("e", "#!/none\n", 0755), argv, environ), ENOENT);
    CHECK_ERRNO(execve(script("f", "#!\n", 0755), argv, environ), ENOEXEC);
    CHECK_ERRNO(execve(self, (char **)ktap_nowhere, environ), EFAULT);
    CHECK_ERRNO(execve(ktap_nowhere, argv, environ), EFAULT);
    CHECK_ERRNO(execve("/proc/self/exe/x", argv, environ), ENOTDIR);
}

TEST(foreign_machine)
{
    Elf64_Ehdr ehdr;
    const char *path = script("foreign", "", 0755);
    int in = open(self, O_RDONLY), out = open(path, O_WRONLY);

    REQUIRE(in >= 0 && out >= 0);
    CHECK_EQ(read(in, &ehdr, sizeof(ehdr)), (long)sizeof(ehdr));
    ehdr.e_machine = EM_ALPHA;
    CHECK_EQ(write(out, &ehdr, sizeof(ehdr)), (long)sizeof(ehdr));
    close(out);
    CHECK_ERRNO(execve(path, (char *[]){"x", NULL}, environ), ENOEXEC);
}

/* The interpreter gets its own path, its argument (all of the line), the script's path, the rest.
 */
TEST(scripts)
{
    char text[400], want[600], path[160];

    snprintf(text, sizeof(text), "#! %s \t script one argument \nwhatever follows\n", self);
    snprintf(path, sizeof(path), "%s", script("s", text, 0755));
    CHECK_EQ(run(path, (char *[]){"ignored", "x", "y z", NULL}, (char *[]){"E=2", NULL}), 0);
    snprintf(want, sizeof(want), "[%s][script one argument][%s][x][y z]{E=2}", self, path);
    CHECK_OUTPUT(want);
    unlink(path);
}

TEST(script_without_argument)
{
    char text[400], path[160];

    /* No newline at the end either. The interpreter is cat: it prints the script. */
    if (access("/bin/cat", X_OK) < 0)
        ktap_skip("no /bin/cat");
    snprintf(text, sizeof(text), "#!/bin/cat");
    snprintf(path, sizeof(path), "%s", script("cat", text, 0755));
    CHECK_EQ(run(path, (char *[]){"ignored", NULL}, environ), 0);
    CHECK_OUTPUT("#!/bin/cat");
    unlink(path);
}

TEST(nested_scripts)
{
    char text[400], path[160];

    snprintf(text, sizeof(text), "#!%s\n", script("loop", "", 0755));
    snprintf(path, sizeof(path), "%s", script("loop", text, 0755));
    CHECK_ERRNO(execve(path, (char *[]){"x", NULL}, environ), ELOOP);
}

TEST(static_pie)
{
    char path[300], *slash;

    snprintf(path, sizeof(path), "%s", self);
    slash = strrchr(path, '/');
    snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "exec_pie");
    if (access(path, X_OK) < 0)
        ktap_skip("%s is not there", path);
    CHECK_EQ(run(path, (char *[]){path, "a", NULL}, environ), 0);
    CHECK_OUTPUT("pie argc=2 relocated=1 data=1 phdr=1");
}

TEST(large_address_space_goes_away)
{
    char *p = map_pages(1000, RW);
    int status;
    pid_t pid;

    /* The old address space goes away, however large. */
    memset(p, 1, 1000 * page_size);
    pid = fork();
    if (pid == 0) {
        execve(self, (char *[]){self, "helper", "exit", "9", NULL}, environ);
        _exit(1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 9);
}

TEST(vfork_exec)
{
    int status;
    pid_t pid = vfork();

    if (pid == 0) {
        execve(self, (char *[]){self, "helper", "exit", "11", NULL}, environ);
        _exit(1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 11);
}

TEST(exec_of_a_descriptor)
{
    int fd = open(self, O_RDONLY), status;
    pid_t pid = fork();

    if (pid == 0) {
        syscall(SYS_execveat, fd, "", (char *[]){self, "helper", "exit", "13", NULL}, environ,
                AT_EMPTY_PATH);
        _exit(errno == ENOSYS ? 99 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 99)
        ktap_skip("no execveat");
    CHECK_EQ(WEXITSTATUS(status), 13);
}

TEST(text_is_busy)
{
    char path[160], buf[65536];
    int in = open(self, O_RDONLY), out, fd, fds[2], status;
    ssize_t got;
    pid_t pid;

    snprintf(path, sizeof(path), "%s", script("copy", "", 0755));
    out = open(path, O_WRONLY);
    while ((got = read(in, buf, sizeof(buf))) > 0)
        CHECK_EQ(write(out, buf, (size_t)got), got);
    CHECK_ERRNO(execve(path, (char *[]){path, NULL}, environ), ETXTBSY);
    close(out);
    REQUIRE(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        execve(path, (char *[]){self, "helper", "exit", "3", NULL}, environ);
        _exit(1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 3);
    fd = open(path, O_WRONLY);
    CHECK(fd >= 0);
    unlink(path);
}

static const struct ktap_case all_cases[] = {CASE(arguments_and_environment),
                                             CASE(auxiliary_vector),
                                             CASE(what_survives),
                                             CASE(stack_of_the_new_program),
                                             CASE(long_argument_lists),
                                             CASE(too_long_is_e2big),
                                             CASE(empty_argv),
                                             CASE(error_table),
                                             CASE(foreign_machine),
                                             CASE(scripts),
                                             CASE(script_without_argument),
                                             CASE(nested_scripts),
                                             CASE(static_pie),
                                             CASE(large_address_space_goes_away),
                                             CASE(vfork_exec),
                                             CASE(exec_of_a_descriptor),
                                             CASE(text_is_busy)};

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "helper") == 0) {
        int status = helper(argc, argv);

        fflush(stdout);
        return status;
    }
    if (argc > 1 && strncmp(argv[1], "script", 6) == 0) {
        helper_args(argc, argv);
        fflush(stdout);
        return 0;
    }
    if (argc == 0 || !*argv[0])
        return 0;
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        snprintf(self, sizeof(self), "%s", argv[0]);
    return ktap_main(all_cases, (int)(sizeof(all_cases) / sizeof(all_cases[0])), argc, argv);
}
