/* SPDX-License-Identifier: MIT */
/*
 * The table of builtins, and those that change the shell itself. Printing and test are in
 * builtin_print.c and builtin_test.c, jobs and signals in builtin_jobs.c.
 */
#include "sh.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int builtin_true(int argc, char **argv)
{
    return 0;
}

static int builtin_false(int argc, char **argv)
{
    return 1;
}

static int builtin_cd(int argc, char **argv)
{
    const char *to = argc > 1 ? argv[1] : var_get("HOME");
    char here[PATH_MAX];
    bool show = false;

    if (to && strcmp(to, "-") == 0) {
        to = var_get("OLDPWD");
        show = true;
    }
    if (!to) {
        sh_warn("cd: no directory to go to");
        return 1;
    }
    if (!getcwd(here, sizeof(here)))
        here[0] = '\0';
    if (chdir(to) < 0) {
        sh_warn("cd: %s: %s", to, strerror(errno));
        return 1;
    }
    var_set("OLDPWD", here);
    if (getcwd(here, sizeof(here)))
        var_set("PWD", here);
    if (show)
        puts(here);
    return 0;
}

static int builtin_pwd(int argc, char **argv)
{
    char here[PATH_MAX];

    if (!getcwd(here, sizeof(here))) {
        sh_warn("pwd: %s", strerror(errno));
        return 1;
    }
    puts(here);
    return 0;
}

static int builtin_exit(int argc, char **argv)
{
    eval_exit(argc > 1 ? atoi(argv[1]) & 255 : sh.status);
}

static int builtin_return(int argc, char **argv)
{
    if (!sh.func_depth && !sh.source_depth) {
        sh_warn("return: not inside a function");
        return 1;
    }
    sh.status = argc > 1 ? atoi(argv[1]) & 255 : sh.status;
    sh.unwind = UNWIND_RETURN;
    return sh.status;
}

static int leave_loop(int argc, char **argv, enum unwind how)
{
    int levels = argc > 1 ? atoi(argv[1]) : 1;

    if (levels < 1) {
        sh_warn("%s: bad number '%s'", argv[0], argv[1]);
        return 1;
    }
    if (!sh.loop_depth)
        return 0;
    sh.unwind = how;
    sh.unwind_levels = levels < sh.loop_depth ? levels : sh.loop_depth;
    return 0;
}

static int builtin_break(int argc, char **argv)
{
    return leave_loop(argc, argv, UNWIND_BREAK);
}

static int builtin_continue(int argc, char **argv)
{
    return leave_loop(argc, argv, UNWIND_CONTINUE);
}

/* NAME or NAME=value for export, readonly and local. */
static int declare(int argc, char **argv, void (*mark)(const char *name))
{
    int status = 0;

    for (int i = 1; i < argc; i++) {
        size_t len = strcspn(argv[i], "=");
        char *name = xstrndup(argv[i], len);

        if (!var_is_name(name, len)) {
            sh_warn("%s: '%s' is no name", argv[0], name);
            status = 1;
        } else if (mark == var_local) {
            var_local(name);
            if (argv[i][len])
                status |= !var_set(name, argv[i] + len + 1);
        } else {
            if (argv[i][len])
                status |= !var_set(name, argv[i] + len + 1);
            mark(name);
        }
        free(name);
    }
    return status;
}

static int builtin_export(int argc, char **argv)
{
    if (argc == 1 || strcmp(argv[1], "-p") == 0) {
        var_print("export ", true);
        return 0;
    }
    return declare(argc, argv, var_export);
}

static int builtin_readonly(int argc, char **argv)
{
    return declare(argc, argv, var_readonly);
}

static int builtin_local(int argc, char **argv)
{
    if (!sh.func_depth) {
        sh_warn("local: not inside a function");
        return 1;
    }
    return declare(argc, argv, var_local);
}

static int builtin_unset(int argc, char **argv)
{
    bool functions = argc > 1 && strcmp(argv[1], "-f") == 0;
    int first = argc > 1 && (functions || strcmp(argv[1], "-v") == 0) ? 2 : 1;

    for (int i = first; i < argc; i++) {
        if (functions)
            func_unset(argv[i]);
        else
            var_unset(argv[i]);
    }
    return 0;
}

static bool *option_by_letter(char letter)
{
    switch (letter) {
    case 'e': return &sh.opt_errexit;
    case 'x': return &sh.opt_xtrace;
    case 'u': return &sh.opt_nounset;
    case 'f': return &sh.opt_noglob;
    default: return NULL;
    }
}

static bool *option_by_name(const char *name)
{
    static const struct {
        const char *name;
        bool *flag;
    } options[] = {{"errexit", &sh.opt_errexit},
                   {"xtrace", &sh.opt_xtrace},
                   {"nounset", &sh.opt_nounset},
                   {"noglob", &sh.opt_noglob},
                   {"pipefail", &sh.opt_pipefail}};

    for (size_t i = 0; name && i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(options[i].name, name) == 0)
            return options[i].flag;
    }
    return NULL;
}

/* The old parameters are not freed: a running "for" or function may still hold them. */
static void set_params(char **argv)
{
    int nr = 0;
    char **params;

    while (argv[nr])
        nr++;
    params = xcalloc((size_t)nr + 1, sizeof(*params));
    for (int i = 0; i < nr; i++)
        params[i] = xstrdup(argv[i]);
    sh.params = params;
    sh.nr_params = nr;
}

/* -e +e -o name, used for the command line of the shell too. Returns words taken, -1 on error. */
static int set_option(char **argv)
{
    bool on = argv[0][0] == '-';
    bool *flag;

    for (const char *letter = argv[0] + 1; *letter; letter++) {
        if (*letter == 'o') {
            flag = option_by_name(argv[1]);
            if (!flag) {
                sh_warn("set: unknown option '%s'", argv[1] ? argv[1] : "");
                return -1;
            }
            *flag = on;
            return 2;
        }
        flag = option_by_letter(*letter);
        if (!flag) {
            sh_warn("set: unknown option '%c%c'", argv[0][0], *letter);
            return -1;
        }
        *flag = on;
    }
    return 1;
}

static int builtin_set(int argc, char **argv)
{
    if (argc == 1) {
        var_print("", false);
        return 0;
    }
    for (argv++; *argv && (**argv == '-' || **argv == '+') && (*argv)[1];) {
        int taken;

        if (strcmp(*argv, "--") == 0) {
            set_params(argv + 1);
            return 0;
        }
        taken = set_option(argv);
        if (taken < 0)
            return 2;
        argv += taken;
    }
    if (*argv)
        set_params(argv);
    return 0;
}

static int builtin_shift(int argc, char **argv)
{
    int nr = argc > 1 ? atoi(argv[1]) : 1;

    if (nr < 0 || nr > sh.nr_params) {
        sh_warn("shift: only %d parameters", sh.nr_params);
        return 1;
    }
    sh.params += nr;
    sh.nr_params -= nr;
    return 0;
}

static int builtin_eval(int argc, char **argv)
{
    struct strbuf sb = {0};
    int status;

    for (int i = 1; i < argc; i++) {
        strbuf_puts(&sb, i > 1 ? " " : "");
        strbuf_puts(&sb, argv[i]);
    }
    if (!sb.len)
        return 0;
    status = eval_string(sb.text, NULL);
    strbuf_free(&sb);
    return status;
}

static int builtin_source(int argc, char **argv)
{
    int status;

    if (argc < 2) {
        sh_warn("%s: needs a file", argv[0]);
        return 2;
    }
    sh.source_depth++;
    status = eval_file(argv[1]);
    sh.source_depth--;
    if (status < 0) {
        sh_warn("%s: %s: %s", argv[0], argv[1], strerror(errno));
        return 1;
    }
    if (sh.unwind == UNWIND_RETURN) {
        sh.unwind = UNWIND_NONE;
        status = sh.status;
    }
    return status;
}

/* Says what a name would run. "command -v" prints it for scripts, "type" for people. */
static int describe_command(const char *name, bool for_people)
{
    char *path;

    if (func_find(name)) {
        printf(for_people ? "%s is a function\n" : "%s\n", name);
        return 0;
    }
    if (builtin_find(name)) {
        printf(for_people ? "%s is a builtin\n" : "%s\n", name);
        return 0;
    }
    path = find_in_path(name);
    if (!path || access(path, X_OK) < 0) {
        free(path);
        if (for_people)
            sh_warn("%s: not found", name);
        return 1;
    }
    if (for_people)
        printf("%s is %s\n", name, path);
    else
        puts(path);
    free(path);
    return 0;
}

static int builtin_type(int argc, char **argv)
{
    int status = 0;

    for (int i = 1; i < argc; i++)
        status |= describe_command(argv[i], true);
    return status;
}

static int builtin_command(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "-v") == 0)
        return describe_command(argv[2], false);
    if (argc > 1)
        sh_warn("usage: command [-v] name [argument...]");
    return argc > 1 ? 2 : 0;
}

static int builtin_history(int argc, char **argv)
{
    history_print();
    return 0;
}

static int builtin_help(int argc, char **argv)
{
    int column = 0;

    puts("Builtins:");
    for (const struct builtin *b = builtin_table; b->name; b++) {
        printf("  %-10s%s", b->name, ++column % 6 ? "" : "\n");
    }
    puts(column % 6 ? "\n" : "");
    puts("Keys: arrows, Ctrl-A/E/K/U/W/L, Ctrl-R searches the history, Tab completes,\n"
         "      Ctrl-C interrupts, Ctrl-Z stops, Ctrl-D ends.\n"
         "See the kernel at work: maps self, ptdump self, faults -- ls, vmstat 1, free, ps");
    return 0;
}

const struct builtin builtin_table[] = {
    {":", builtin_true, true},
    {".", builtin_source, true},
    {"[", builtin_test, false},
    {"bg", builtin_bg, false},
    {"break", builtin_break, true},
    {"cd", builtin_cd, false},
    {"command", builtin_command, false},
    {"continue", builtin_continue, true},
    {"echo", builtin_echo, false},
    {"eval", builtin_eval, true},
    {"exit", builtin_exit, true},
    {"export", builtin_export, true},
    {"false", builtin_false, false},
    {"fg", builtin_fg, false},
    {"help", builtin_help, false},
    {"history", builtin_history, false},
    {"jobs", builtin_jobs, false},
    {"kill", builtin_kill, false},
    {"local", builtin_local, false},
    {"printf", builtin_printf, false},
    {"pwd", builtin_pwd, false},
    {"read", builtin_read, false},
    {"readonly", builtin_readonly, true},
    {"return", builtin_return, true},
    {"set", builtin_set, true},
    {"shift", builtin_shift, true},
    {"source", builtin_source, true},
    {"test", builtin_test, false},
    {"times", builtin_times, true},
    {"trap", builtin_trap, true},
    {"true", builtin_true, false},
    {"type", builtin_type, false},
    {"ulimit", builtin_ulimit, false},
    {"umask", builtin_umask, false},
    {"unset", builtin_unset, true},
    {"wait", builtin_wait, false},
    {NULL, NULL, false},
};

const struct builtin *builtin_find(const char *name)
{
    for (const struct builtin *b = builtin_table; b->name; b++) {
        if (strcmp(b->name, name) == 0)
            return b;
    }
    return NULL;
}
