/* SPDX-License-Identifier: MIT */
/*
 * qsh: start, where commands come from, and the prompt.
 *
 *   sh [-eufxil] [-o option]                     commands from standard input
 *   sh [options] -c 'commands' [name [arg...]]
 *   sh [options] script [arg...]
 *
 * Interactive when standard input is a terminal and no script or -c is given. A login shell (-l, or
 * a name that begins with "-") reads /etc/profile first.
 */
#include "sh.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

struct shell sh = {.tty = -1};

void sh_warn(const char *format, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "%s: ", sh.name);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

/* \w is the working directory, \$ is # for root; everything else stands for itself. */
static char *make_prompt(bool continued)
{
    const char *ps = var_get(continued ? "PS2" : "PS1");
    struct strbuf sb = {0};
    char here[PATH_MAX];

    for (; *ps; ps++) {
        if (ps[0] == '\\' && ps[1] == 'w') {
            strbuf_puts(&sb, getcwd(here, sizeof(here)) ? here : "?");
            ps++;
        } else if (ps[0] == '\\' && ps[1] == '$') {
            strbuf_addc(&sb, geteuid() == 0 ? '#' : '$');
            ps++;
        } else {
            strbuf_addc(&sb, *ps);
        }
    }
    strbuf_add(&sb, "", 0);
    return sb.text;
}

/* A line from the terminal. Ctrl-C while editing gives an empty line and drops what was begun. */
static bool refill_terminal(struct source *src, bool continued)
{
    char *prompt, *line;

    if (!continued)
        jobs_notify();
    prompt = make_prompt(continued);
    line = edit_line(prompt);
    free(prompt);
    if (!line)
        return false;
    if (sh.interrupted) {
        src->interrupted = true;
        free(line);
        return false;
    }
    if (*line)
        history_add(line);
    strbuf_puts(&src->buf, line);
    strbuf_addc(&src->buf, '\n');
    free(line);
    return true;
}

/* Byte by byte: commands that read standard input must find what follows this line. */
static bool refill_stdin(struct source *src, bool continued)
{
    size_t before = src->buf.len;
    char c = 0;

    while (c != '\n') {
        ssize_t got = read(src->fd, &c, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (c)
            strbuf_addc(&src->buf, c);
    }
    if (src->buf.len == before)
        return false;
    if (c != '\n')
        strbuf_addc(&src->buf, '\n');
    return true;
}

static int run_stdin(void)
{
    struct source src = {.refill = refill_stdin, .fd = STDIN_FILENO, .line = 1};
    int status;

    if (!sh.interactive) {
        status = eval_source(&src);
        strbuf_free(&src.buf);
        return status;
    }
    src.refill = refill_terminal;
    while (!src.eof) {
        eval_source(&src);
        if (sh.interrupted)
            sh.status = 128 + SIGINT;
        sh.unwind = UNWIND_NONE;
        sh.interrupted = 0;
        if (src.interrupted)
            src.drained = src.interrupted = false;
    }
    fputs("exit\n", stderr);
    return sh.status;
}

static int run_script(const char *path)
{
    int status = eval_file(path);

    if (status < 0) {
        sh_warn("%s: %s", path, strerror(errno));
        return errno == ENOENT ? 127 : 126;
    }
    return sh.status;
}

static void init_variables(void)
{
    char number[16], here[PATH_MAX];

    var_import(environ);
    if (!var_get("PATH"))
        var_set("PATH", "/bin:/sbin:/usr/bin");
    var_set("IFS", " \t\n");
    var_set("PS1", "\\w \\$ ");
    var_set("PS2", "> ");
    snprintf(number, sizeof(number), "%d", (int)getppid());
    var_set("PPID", number);
    if (getcwd(here, sizeof(here)))
        var_set("PWD", here);
}

struct options {
    const char *command;
    char **rest;
};

static void parse_options(char **argv, struct options *o)
{
    static const struct {
        char letter;
        bool *flag;
    } flags[] = {{'e', &sh.opt_errexit}, {'x', &sh.opt_xtrace},  {'u', &sh.opt_nounset},
                 {'f', &sh.opt_noglob},  {'i', &sh.interactive}, {'l', &sh.login}};
    bool command = false;

    for (argv++; *argv && (*argv)[0] == '-' && (*argv)[1]; argv++) {
        if (strcmp(*argv, "--") == 0) {
            argv++;
            break;
        }
        for (const char *letter = *argv + 1; *letter; letter++) {
            bool known = *letter == 'c' || *letter == 's';

            command |= *letter == 'c';
            for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
                if (flags[i].letter == *letter) {
                    *flags[i].flag = true;
                    known = true;
                }
            }
            if (!known) {
                sh_warn("unknown option -%c", *letter);
                exit(2);
            }
        }
    }
    if (command) {
        if (!*argv) {
            sh_warn("-c needs a command");
            exit(2);
        }
        o->command = *argv++;
    }
    o->rest = argv;
}

static void set_params(char **argv)
{
    sh.params = argv;
    while (argv[sh.nr_params])
        sh.nr_params++;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    int status;

    sh.name = argv[0] && *argv[0] ? argv[0] : "sh";
    if (*sh.name == '-') {
        sh.name++;
        sh.login = true;
    }
    sh.pid = getpid();
    parse_options(argv, &o);
    if (!o.command && !*o.rest && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
        sh.interactive = true;
    init_variables();
    traps_init();
    jobs_init();
    if (sh.login && access("/etc/profile", R_OK) == 0)
        eval_file("/etc/profile");
    if (o.command) {
        if (*o.rest)
            sh.name = *o.rest++;
        set_params(o.rest);
        status = eval_string(o.command, NULL);
    } else if (*o.rest) {
        sh.name = *o.rest;
        set_params(o.rest + 1);
        status = run_script(o.rest[0]);
    } else {
        set_params(o.rest);
        status = run_stdin();
    }
    eval_exit(status);
}
