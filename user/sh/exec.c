/* SPDX-License-Identifier: MIT */
/*
 * Running the tree: one function per kind of node, a switch over the kinds.
 *
 * Leaving loops, functions and whole commands is not done by jumps but by sh.unwind: every list and
 * loop stops when it is set, and the construct that it is meant for clears it. Only expand_fail
 * jumps, to the simple command being run, which then sets UNWIND_ABORT.
 *
 * Read next: jobs.c for what a fork means, redir.c, builtin.c.
 */
#include "sh.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct arena *line_arena; /* of the tree being run, for functions that it defines */

void eval_exit(int status)
{
    sh.status = status;
    traps_exit();
    fflush(NULL);
    _exit(sh.status);
}

char *find_in_path(const char *name)
{
    const char *path = var_get("PATH");
    struct stat st;

    if (strchr(name, '/'))
        return xstrdup(name);
    for (const char *dir = path ? path : "/bin"; dir;) {
        size_t len = strcspn(dir, ":");
        char *full = len ? xasprintf("%.*s/%s", (int)len, dir, name) : xasprintf("./%s", name);

        if (stat(full, &st) == 0 && S_ISREG(st.st_mode) && access(full, X_OK) == 0)
            return full;
        free(full);
        dir = dir[len] ? dir + len + 1 : NULL;
    }
    return NULL;
}

/* A file that execve refuses as ENOEXEC is a script without "#!": this shell reads it. */
static __attribute__((noreturn)) void exec_program(char **argv, struct arena *a)
{
    char *path = find_in_path(argv[0]);
    int error;

    if (!path) {
        sh_warn("%s: not found", argv[0]);
        eval_exit(127);
    }
    execve(path, argv, var_environment(a));
    error = errno;
    if (error == ENOEXEC) {
        traps_reset_child();
        sh.name = path;
        sh.params = argv + 1;
        for (sh.nr_params = 0; sh.params[sh.nr_params];)
            sh.nr_params++;
        eval_exit(eval_file(path) < 0 ? 126 : sh.status);
    }
    sh_warn("%s: %s", path, strerror(error));
    eval_exit(error == ENOENT ? 127 : 126);
}

static void trace(struct fields *args)
{
    const char *ps4 = var_get("PS4");

    fprintf(stderr, "%s", ps4 ? ps4 : "+ ");
    for (size_t i = 0; i < args->nr; i++)
        fprintf(stderr, "%s%s", i ? " " : "", args->items[i]);
    fputc('\n', stderr);
}

/* NAME=value words; temporary ones are put back by var_pop. */
static bool assign_all(struct word *assigns, bool temporary, bool exported, struct arena *a)
{
    for (; assigns; assigns = assigns->next) {
        size_t len = strcspn(assigns->text, "=");
        char *name = arena_strndup(a, assigns->text, len);
        char *value = expand_single(assigns->text + len + 1, a);

        if (sh.opt_xtrace)
            fprintf(stderr, "+ %s=%s\n", name, value);
        if (temporary)
            var_local(name);
        if (!var_set(name, value))
            return false;
        if (exported)
            var_export(name);
    }
    return true;
}

static int run_external(struct node *n, char **argv, int flags, struct arena *a)
{
    struct job *job;
    int status;

    if (flags & EVAL_EXIT) {
        if (!redir_apply(n->redirs, NULL, a) || !assign_all(n->assigns, false, true, a))
            eval_exit(1);
        traps_reset_child();
        exec_program(argv, a);
    }
    job = job_create(n->text);
    if (job_fork(job, false) == 0) {
        if (!redir_apply(n->redirs, NULL, a) || !assign_all(n->assigns, false, true, a))
            eval_exit(1);
        exec_program(argv, a);
    }
    status = job_wait(job);
    return status;
}

/* "exec" with a program replaces the shell; without one its redirections stay. */
static int run_exec(struct node *n, struct fields *args, struct arena *a)
{
    if (!redir_apply(n->redirs, NULL, a))
        return 1;
    if (args->nr > 1) {
        if (!assign_all(n->assigns, false, true, a))
            return 1;
        traps_reset_child();
        exec_program(args->items + 1, a);
    }
    return 0;
}

static int run_builtin(struct node *n, const struct builtin *b, struct fields *args,
                       struct arena *a)
{
    struct saved_fds saved = {.nr = 0};
    size_t mark = var_push();
    int status = 1;

    if (redir_apply(n->redirs, &saved, a) && assign_all(n->assigns, !b->special, false, a)) {
        status = b->fn((int)args->nr, args->items);
        if (fflush(stdout) != 0 && status == 0) {
            sh_warn("%s: %s", args->items[0], strerror(errno));
            status = 1;
        }
        clearerr(stdout);
    }
    redir_restore(&saved);
    var_pop(mark);
    return status;
}

static int run_function(struct node *n, struct function *f, struct fields *args, struct arena *a)
{
    struct saved_fds saved = {.nr = 0};
    size_t mark = var_push();
    int status = 1;

    if (sh.func_depth > 500)
        expand_fail("%s: functions nested too deeply", f->name);
    if (redir_apply(n->redirs, &saved, a) && assign_all(n->assigns, true, true, a))
        status = func_call(f, args->items);
    redir_restore(&saved);
    var_pop(mark);
    return status;
}

/*
 * Only assignments and redirections. The status is that of the last command substitution, or 0; the
 * words still see that of the command before, as in status=$?.
 */
static int run_no_command(struct node *n, struct arena *a)
{
    struct saved_fds saved = {.nr = 0};
    unsigned int before = sh.nr_substitutions;
    bool ok;

    ok = redir_apply(n->redirs, &saved, a) && assign_all(n->assigns, false, false, a);
    redir_restore(&saved);
    if (!ok)
        return 1;
    return sh.nr_substitutions != before ? sh.status : 0;
}

static int run_simple(struct node *n, int flags, struct arena *a)
{
    struct fields args = {0};
    struct function *f;
    const struct builtin *b;

    expand_words(n->words, &args, a);
    if (!args.nr)
        return run_no_command(n, a);
    if (sh.opt_xtrace)
        trace(&args);
    if (strcmp(args.items[0], "exec") == 0)
        return run_exec(n, &args, a);
    f = func_find(args.items[0]);
    if (f)
        return run_function(n, f, &args, a);
    if (strcmp(args.items[0], "command") == 0 && args.nr > 1 && args.items[1][0] != '-') {
        args.items++;
        args.nr--;
    }
    b = builtin_find(args.items[0]);
    if (b)
        return run_builtin(n, b, &args, a);
    return run_external(n, args.items, flags, a);
}

/*
 * The catch frame of expand_fail: runs one construct whose own words may fail to expand. Commands
 * inside it have frames of their own, so a jump never crosses one of them.
 */
static int eval_guarded(struct node *n, int flags, int (*run)(struct node *, int, struct arena *))
{
    struct arena *volatile a = arena_create();
    jmp_buf here, *volatile outer = sh.abort;
    volatile int status = 1, loops = sh.loop_depth, tested = sh.tested;

    sh.abort = &here;
    if (setjmp(here) == 0)
        status = run(n, flags, a);
    sh.abort = outer;
    sh.loop_depth = loops;
    sh.tested = tested;
    arena_put(a);
    return status;
}

static void child_of_pipe(struct node *stage, int in, const int *out)
{
    if (in != STDIN_FILENO) {
        dup2(in, STDIN_FILENO);
        close(in);
    }
    if (out) {
        close(out[0]);
        if (out[1] != STDOUT_FILENO) {
            dup2(out[1], STDOUT_FILENO);
            close(out[1]);
        }
    }
    eval_exit(eval_node(stage, EVAL_EXIT));
}

static int eval_pipe(struct node *n)
{
    struct job *job = job_create(n->text);
    int in = STDIN_FILENO, fds[2];

    for (struct node *stage = n->left; stage; stage = stage->next) {
        bool last = !stage->next;

        if (!last && pipe2(fds, O_CLOEXEC) < 0) {
            sh_warn("pipe: %s", strerror(errno));
            break;
        }
        if (job_fork(job, false) == 0)
            child_of_pipe(stage, in, last ? NULL : fds);
        if (in != STDIN_FILENO)
            close(in);
        in = STDIN_FILENO;
        if (!last) {
            close(fds[1]);
            in = fds[0];
        }
    }
    if (in != STDIN_FILENO)
        close(in);
    return job_wait(job);
}

static int eval_async(struct node *n)
{
    struct job *job = job_create(n->text);

    if (job_fork(job, true) == 0) {
        if (!sh.interactive) {
            int fd = open("/dev/null", O_RDONLY);

            if (fd > 0) {
                dup2(fd, STDIN_FILENO);
                close(fd);
            }
        }
        eval_exit(eval_node(n->left, EVAL_EXIT));
    }
    return job_background(job);
}

static int eval_subshell(struct node *n, int flags)
{
    struct job *job;

    if (flags & EVAL_EXIT)
        return eval_node(n->left, EVAL_EXIT);
    job = job_create(n->text ? n->text : "( ... )");
    if (job_fork(job, false) == 0)
        eval_exit(eval_node(n->left, EVAL_EXIT));
    return job_wait(job);
}

/* A condition: set -e does not look at what fails in it, however deep. */
static int eval_tested(struct node *n)
{
    int status;

    sh.tested++;
    status = eval_node(n, 0);
    sh.tested--;
    return status;
}

/* After a round of a loop: true when the loop must end. Consumes break and continue. */
static bool loop_ends(void)
{
    if (sh.unwind == UNWIND_NONE)
        return false;
    if (sh.unwind != UNWIND_BREAK && sh.unwind != UNWIND_CONTINUE)
        return true;
    if (--sh.unwind_levels > 0)
        return true;
    if (sh.unwind == UNWIND_CONTINUE) {
        sh.unwind = UNWIND_NONE;
        return false;
    }
    sh.unwind = UNWIND_NONE;
    return true;
}

static int eval_while(struct node *n)
{
    bool wanted = n->kind == NODE_WHILE;
    int status = 0;

    sh.loop_depth++;
    for (;;) {
        int condition = eval_tested(n->left);

        if (sh.unwind != UNWIND_NONE) {
            if (loop_ends())
                break;
            continue;
        }
        if ((condition == 0) != wanted)
            break;
        status = eval_node(n->right, 0);
        if (loop_ends())
            break;
    }
    sh.loop_depth--;
    return status;
}

static int run_for(struct node *n, int flags, struct arena *a)
{
    struct fields items = {0};
    int status = 0;

    for (int i = 0; n->no_words && i < sh.nr_params; i++)
        fields_add(&items, a, arena_strdup(a, sh.params[i]));
    expand_words(n->words, &items, a);
    sh.loop_depth++;
    for (size_t i = 0; i < items.nr; i++) {
        if (!var_set(n->name, items.items[i]))
            break;
        status = eval_node(n->left, 0);
        if (loop_ends())
            break;
    }
    return status;
}

static int run_case(struct node *n, int flags, struct arena *a)
{
    char *subject = expand_single(n->words->text, a);

    for (struct case_item *item = n->items; item; item = item->next) {
        for (struct word *w = item->patterns; w; w = w->next) {
            if (fnmatch(expand_pattern(w->text, a), subject, 0) == 0)
                return eval_node(item->body, flags & ~EVAL_EXIT);
        }
    }
    return 0;
}

static int eval_if(struct node *n, int flags)
{
    int condition = eval_tested(n->left);

    if (sh.unwind != UNWIND_NONE)
        return condition;
    if (condition == 0)
        return eval_node(n->right, flags);
    return n->other ? eval_node(n->other, flags) : 0;
}

static int eval_and_or(struct node *n, int flags)
{
    int status = eval_tested(n->left);

    if (sh.unwind != UNWIND_NONE || (status == 0) != (n->kind == NODE_AND))
        return status;
    return eval_node(n->right, flags);
}

static int eval_compound(struct node *n, int flags)
{
    switch (n->kind) {
    case NODE_SUBSHELL: return eval_subshell(n, flags);
    case NODE_GROUP: return eval_node(n->left, flags);
    case NODE_IF: return eval_if(n, flags);
    case NODE_WHILE:
    case NODE_UNTIL: return eval_while(n);
    case NODE_FOR: return eval_guarded(n, flags, run_for);
    case NODE_CASE: return eval_guarded(n, flags, run_case);
    default: return eval_guarded(n, flags, run_simple);
    }
}

/* Redirections of a compound command hold for its whole run. */
static int run_redirected(struct node *n, int flags, struct arena *a)
{
    struct saved_fds saved = {.nr = 0};
    int status = 1;

    if (redir_apply(n->redirs, &saved, a))
        status = eval_compound(n, flags & ~EVAL_EXIT);
    fflush(stdout);
    redir_restore(&saved);
    return status;
}

static int eval_seq(struct node *n, int flags)
{
    int status = eval_node(n->left, 0);

    if (sh.unwind != UNWIND_NONE)
        return status;
    return eval_node(n->right, flags);
}

/* A pending trap or interrupt of the terminal comes between two commands. */
static void check_signals(void)
{
    if (trap_is_pending())
        traps_run();
    if (sh.interrupted && sh.interactive)
        sh.unwind = UNWIND_ABORT;
}

/* set -e looks at what failed itself, not at lists or conditions around it. */
static bool errexit_applies(const struct node *n)
{
    return n->kind == NODE_SIMPLE || n->kind == NODE_PIPE || n->kind == NODE_SUBSHELL;
}

int eval_node(struct node *n, int flags)
{
    int status = 0;

    if (!n)
        return 0;
    check_signals();
    if (sh.unwind != UNWIND_NONE)
        return sh.status;
    switch (n->kind) {
    case NODE_PIPE: status = eval_pipe(n); break;
    case NODE_NOT: status = !eval_tested(n->left); break;
    case NODE_AND:
    case NODE_OR: status = eval_and_or(n, flags); break;
    case NODE_SEQ: status = eval_seq(n, flags); break;
    case NODE_ASYNC: status = eval_async(n); break;
    case NODE_FUNC: func_define(n->name, n->left, line_arena); break;
    case NODE_SIMPLE: status = eval_guarded(n, flags, run_simple); break;
    default:
        status = n->redirs ? eval_guarded(n, flags, run_redirected) : eval_compound(n, flags);
        break;
    }
    /* "return 3" and an aborted command have set the status themselves. */
    if (sh.unwind == UNWIND_RETURN || sh.unwind == UNWIND_ABORT)
        return sh.status;
    sh.status = status;
    if (status && sh.opt_errexit && !sh.tested && errexit_applies(n))
        eval_exit(status);
    return status;
}

/* Runs one tree; functions that it defines keep its arena. */
static void eval_tree(struct node *tree, struct arena *a, int flags)
{
    struct arena *outer = line_arena;

    line_arena = a;
    eval_node(tree, flags);
    line_arena = outer;
}

int eval_source(struct source *src)
{
    bool failed;
    int empty_status = 0;

    while (!src->eof) {
        struct arena *a = arena_create();
        struct node *tree;

        if (src->pos && src->refill) {
            memmove(src->buf.text, src->buf.text + src->pos, src->buf.len - src->pos + 1);
            src->buf.len -= src->pos;
            src->pos = 0;
        }
        tree = parse_command_line(src, a, &src->eof, &failed);
        if (failed) {
            sh.status = 2;
            if (!sh.interactive || src->fd < 0 || sh.subshell) {
                arena_put(a);
                return 2;
            }
            src->pos = src->buf.len;
        }
        if (tree) {
            eval_tree(tree, a, 0);
            empty_status = sh.status;
        }
        arena_put(a);
        check_signals();
        if (sh.unwind != UNWIND_NONE)
            break;
    }
    return sh.unwind == UNWIND_NONE ? empty_status : sh.status;
}

int eval_string(const char *text, const char *name)
{
    struct source src = {.name = name, .fd = -1, .line = 1};
    int status;

    strbuf_puts(&src.buf, text);
    if (src.buf.len && src.buf.text[src.buf.len - 1] != '\n')
        strbuf_addc(&src.buf, '\n');
    status = eval_source(&src);
    strbuf_free(&src.buf);
    return status;
}

int eval_file(const char *path)
{
    char *text = read_file(path, NULL);
    int status;

    if (!text)
        return -1;
    status = eval_string(text, path);
    free(text);
    sh.status = status;
    return status;
}
