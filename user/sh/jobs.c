/* SPDX-License-Identifier: MIT */
/*
 * Jobs: pipelines and what became of their processes.
 *
 * With job control every pipeline is a process group of its own, and the foreground one owns the
 * terminal. Parent and child both call setpgid, because either may run first; both may call
 * tcsetpgrp for the same reason. Without a terminal, or in a subshell, everything stays in the
 * shell's group and only waiting is left.
 *
 * Invariants:
 * I1. Every process that job_fork made is in exactly one job until it was waited for.
 * I2. The shell is in the terminal's foreground group whenever it reads from it.
 */
#include "sh.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct job *jobs; /* newest first: the head is %+, the next one %- */

void jobs_init(void)
{
    if (!sh.interactive)
        return;
    sh.tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (sh.tty < 0 && isatty(STDIN_FILENO))
        sh.tty = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    if (sh.tty >= 0 && sh.tty < 10) {
        int high = fcntl(sh.tty, F_DUPFD_CLOEXEC, 10);

        close(sh.tty);
        sh.tty = high;
    }
    if (sh.tty < 0 || tcgetpgrp(sh.tty) < 0) {
        sh_warn("no controlling terminal, so no job control");
        return;
    }
    /* Started in the background: wait until somebody brings this group to the foreground. */
    while (tcgetpgrp(sh.tty) != getpgrp())
        kill(0, SIGTTIN);
    sh.job_control = true;
    traps_init();
    if (getpid() != getsid(0))
        setpgid(0, 0);
    sh.pgid = getpgrp();
    tcsetpgrp(sh.tty, sh.pgid);
    tcgetattr(sh.tty, &sh.modes);
}

struct job *job_create(const char *text)
{
    struct job *j = xcalloc(1, sizeof(*j));
    int id = 1;

    for (struct job *other = jobs; other; other = other->next) {
        if (other->id >= id)
            id = other->id + 1;
    }
    j->id = id;
    j->text = xstrdup(text ? text : "");
    j->next = jobs;
    jobs = j;
    return j;
}

static void job_free(struct job *j)
{
    for (struct job **at = &jobs; *at; at = &(*at)->next) {
        if (*at == j) {
            *at = j->next;
            break;
        }
    }
    free(j->procs);
    free(j->text);
    free(j);
}

/* In a subshell: they are not its children. */
static void jobs_forget(void)
{
    while (jobs)
        job_free(jobs);
}

static void start_child(struct job *j, bool background)
{
    pid_t pgid = j ? j->pgid : 0;
    bool control = sh.job_control && j;

    if (control) {
        pgid = pgid ? pgid : getpid();
        setpgid(0, pgid);
        /* SIGTTOU is still ignored here, as in the parent. */
        if (!background)
            tcsetpgrp(sh.tty, pgid);
    }
    sh.subshell = true;
    sh.job_control = false;
    traps_reset_child();
    if (background && !control) {
        signal(SIGINT, SIG_IGN);
        signal(SIGQUIT, SIG_IGN);
    }
    sh.abort = NULL;
    sh.interrupted = 0;
}

pid_t job_fork(struct job *j, bool background)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        sh_warn("fork: %s", strerror(errno));
        return -1;
    }
    if (pid == 0) {
        start_child(j, background);
        jobs_forget();
        return 0;
    }
    if (!j)
        return pid;
    if (sh.job_control) {
        if (!j->pgid)
            j->pgid = pid;
        setpgid(pid, j->pgid);
    }
    j->procs = xrealloc(j->procs, (size_t)(j->nr_procs + 1) * sizeof(*j->procs));
    j->procs[j->nr_procs++] = (struct process){.pid = pid, .state = JOB_RUNNING};
    return pid;
}

enum job_state job_state(const struct job *j)
{
    bool stopped = false;

    for (int i = 0; i < j->nr_procs; i++) {
        if (j->procs[i].state == JOB_RUNNING)
            return JOB_RUNNING;
        stopped |= j->procs[i].state == JOB_STOPPED;
    }
    return stopped ? JOB_STOPPED : JOB_DONE;
}

static int exit_status(int status)
{
    if (WIFSTOPPED(status))
        return 128 + WSTOPSIG(status);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int job_status(const struct job *j)
{
    int status = 0;

    if (!j->nr_procs)
        return 1;
    if (!sh.opt_pipefail)
        return exit_status(j->procs[j->nr_procs - 1].status);
    for (int i = 0; i < j->nr_procs; i++) {
        if (j->procs[i].status)
            status = exit_status(j->procs[i].status);
    }
    return status;
}

static void record(pid_t pid, int status)
{
    for (struct job *j = jobs; j; j = j->next) {
        for (int i = 0; i < j->nr_procs; i++) {
            if (j->procs[i].pid != pid)
                continue;
            j->procs[i].status = status;
            j->procs[i].state = WIFSTOPPED(status)     ? JOB_STOPPED
                                : WIFCONTINUED(status) ? JOB_RUNNING
                                                       : JOB_DONE;
            j->notified = false;
            return;
        }
    }
}

/* Waits for any one child. False when there is none, or at a signal when interruptible. */
static bool wait_one(bool interruptible)
{
    int status;
    pid_t pid = waitpid(-1, &status, sh.job_control ? WUNTRACED | WCONTINUED : 0);

    if (pid > 0)
        record(pid, status);
    if (pid < 0 && errno == EINTR)
        return !interruptible || (!trap_is_pending() && !sh.interrupted);
    return pid > 0;
}

/* No child is left although the job was not seen to end: somebody else has waited for it. */
static void mark_lost(struct job *j)
{
    for (int i = 0; i < j->nr_procs; i++) {
        if (j->procs[i].state == JOB_RUNNING)
            j->procs[i].state = JOB_DONE;
    }
}

/* Collects what has changed, without waiting. */
static void jobs_poll(void)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0)
        record(pid, status);
}

static const char *describe(const struct job *j, char *buf, size_t len)
{
    int status = j->nr_procs ? j->procs[j->nr_procs - 1].status : 0;

    switch (job_state(j)) {
    case JOB_RUNNING: return "Running";
    case JOB_STOPPED: return "Stopped";
    default: break;
    }
    if (WIFSIGNALED(status)) {
        snprintf(buf, len, "%s%s", strsignal(WTERMSIG(status)),
                 WCOREDUMP(status) ? " (core dumped)" : "");
        return buf;
    }
    if (!status)
        return "Done";
    snprintf(buf, len, "Exit %d", WEXITSTATUS(status));
    return buf;
}

static void print_job(const struct job *j, FILE *to, bool with_pids)
{
    char buf[64];
    char mark = j == jobs ? '+' : jobs && j == jobs->next ? '-' : ' ';

    fprintf(to, "[%d]%c  ", j->id, mark);
    for (int i = 0; i < j->nr_procs && with_pids; i++)
        fprintf(to, "%d ", (int)j->procs[i].pid);
    fprintf(to, "%-20s %s\n", describe(j, buf, sizeof(buf)), j->text);
}

void jobs_print(bool with_pids)
{
    struct job **sorted;
    int nr = 0;

    jobs_poll();
    for (struct job *j = jobs; j; j = j->next)
        nr++;
    sorted = xmalloc((size_t)nr * sizeof(*sorted));
    nr = 0;
    for (struct job *j = jobs; j; j = j->next)
        sorted[nr++] = j;
    while (nr-- > 0) {
        struct job *j = sorted[nr];

        print_job(j, stdout, with_pids);
        j->notified = true;
        if (job_state(j) == JOB_DONE)
            job_free(j);
    }
    free(sorted);
}

void jobs_notify(void)
{
    struct job *next;

    jobs_poll();
    for (struct job *j = jobs; j; j = next) {
        enum job_state state = job_state(j);

        next = j->next;
        if (state == JOB_RUNNING || (j->notified && state == JOB_STOPPED))
            continue;
        if (sh.interactive)
            print_job(j, stderr, false);
        j->notified = true;
        if (state == JOB_DONE)
            job_free(j);
    }
}

/* A foreground job that a signal has killed: the user wants to know, except for the usual two. */
static void report_death(struct job *j)
{
    int status = j->procs[j->nr_procs - 1].status;

    if (!WIFSIGNALED(status) || sh.subshell)
        return;
    if (WTERMSIG(status) == SIGINT) {
        if (sh.interactive) {
            fputc('\n', stderr);
            sh.interrupted = 1;
        }
    } else if (WTERMSIG(status) != SIGPIPE) {
        fprintf(stderr, "%s%s\n", strsignal(WTERMSIG(status)),
                WCOREDUMP(status) ? " (core dumped)" : "");
    }
}

/* Takes the terminal back, with the modes that the shell had. */
static void reclaim_terminal(struct job *j)
{
    if (!sh.job_control)
        return;
    tcsetpgrp(sh.tty, sh.pgid);
    if (job_state(j) == JOB_STOPPED)
        j->has_modes = tcgetattr(sh.tty, &j->modes) == 0;
    if (job_state(j) == JOB_STOPPED || WIFSIGNALED(j->procs[j->nr_procs - 1].status))
        tcsetattr(sh.tty, TCSADRAIN, &sh.modes);
    else
        tcgetattr(sh.tty, &sh.modes);
}

int job_wait(struct job *j)
{
    int status;

    if (!j->nr_procs) {
        job_free(j);
        return 1;
    }
    if (sh.job_control)
        tcsetpgrp(sh.tty, j->pgid);
    while (job_state(j) == JOB_RUNNING) {
        if (!wait_one(false))
            mark_lost(j);
    }
    reclaim_terminal(j);
    status = job_status(j);
    if (job_state(j) == JOB_STOPPED) {
        j->background = true;
        j->notified = true;
        fputc('\n', stderr);
        print_job(j, stderr, false);
        return status;
    }
    report_death(j);
    job_free(j);
    return status;
}

int job_wait_interruptible(struct job *j)
{
    int status;

    while (job_state(j) == JOB_RUNNING) {
        if (!wait_one(true)) {
            if (trap_is_pending() || sh.interrupted)
                return 128 + SIGINT;
            mark_lost(j);
        }
    }
    status = job_status(j);
    if (job_state(j) == JOB_DONE)
        job_free(j);
    return status;
}

int job_background(struct job *j)
{
    if (!j->nr_procs) {
        job_free(j);
        return 1;
    }
    j->background = true;
    sh.last_background = j->procs[j->nr_procs - 1].pid;
    if (sh.interactive && !sh.subshell)
        fprintf(stderr, "[%d] %d\n", j->id, (int)sh.last_background);
    return 0;
}

struct job *jobs_first_running(void)
{
    for (struct job *j = jobs; j; j = j->next) {
        if (job_state(j) == JOB_RUNNING)
            return j;
    }
    return NULL;
}

static bool has_pid(const struct job *j, pid_t pid)
{
    for (int i = 0; i < j->nr_procs; i++) {
        if (j->procs[i].pid == pid)
            return true;
    }
    return false;
}

struct job *job_find(const char *spec)
{
    if (!spec || strcmp(spec, "%%") == 0 || strcmp(spec, "%+") == 0 || strcmp(spec, "%") == 0)
        return jobs;
    if (strcmp(spec, "%-") == 0)
        return jobs ? jobs->next : NULL;
    for (struct job *j = jobs; j; j = j->next) {
        if (*spec != '%') {
            if (has_pid(j, (pid_t)atoi(spec)))
                return j;
        } else if (isdigit((unsigned char)spec[1])) {
            if (j->id == atoi(spec + 1))
                return j;
        } else if (strncmp(j->text, spec + 1, strlen(spec + 1)) == 0) {
            return j;
        }
    }
    return NULL;
}

int job_continue(struct job *j, bool foreground)
{
    fprintf(foreground ? stdout : stderr, "%s%s\n", j->text, foreground ? "" : " &");
    fflush(stdout);
    for (int i = 0; i < j->nr_procs; i++) {
        if (j->procs[i].state == JOB_STOPPED)
            j->procs[i].state = JOB_RUNNING;
    }
    j->background = !foreground;
    if (foreground) {
        tcsetpgrp(sh.tty, j->pgid);
        if (j->has_modes)
            tcsetattr(sh.tty, TCSADRAIN, &j->modes);
    }
    if (kill(-j->pgid, SIGCONT) < 0)
        sh_warn("kill: %s", strerror(errno));
    return foreground ? job_wait(j) : 0;
}
