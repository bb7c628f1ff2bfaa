/* SPDX-License-Identifier: MIT */
/*
 * qsh, Quire's shell: the types and the functions that its files share. README.md has the theory
 * and a reading order.
 */
#ifndef USER_SH_H
#define USER_SH_H

#include "lib.h"

#include <setjmp.h>
#include <signal.h>
#include <termios.h>

#define NR_SIGNALS 65

/* ---- arena.c: memory that is freed as a whole; counted, because functions outlive their line --
 */

struct arena;
struct arena *arena_create(void);
struct arena *arena_get(struct arena *a);
void arena_put(struct arena *a);
void *arena_alloc(struct arena *a, size_t len); /* zeroed */
char *arena_strndup(struct arena *a, const char *text, size_t len);
char *arena_strdup(struct arena *a, const char *text);

/* ---- the tree that the parser makes ---- */

/* A word keeps its source text, quotes and dollars in place, until it is expanded. */
struct word {
    char *text;
    struct word *next;
};

enum redir_kind {
    REDIR_IN,      /* <   */
    REDIR_OUT,     /* >   */
    REDIR_APPEND,  /* >>  */
    REDIR_RDWR,    /* <>  */
    REDIR_DUP,     /* <& and >& */
    REDIR_HERE,    /* <<  */
    REDIR_BOTH,    /* &>  */
    REDIR_BOTH_APP /* &>> */
};

struct redir {
    enum redir_kind kind;
    int fd;
    char *target;     /* file, or descriptor for REDIR_DUP, or the delimiter of a here-document */
    char *body;       /* of a here-document */
    bool body_quoted; /* no expansion in the body */
    bool strip_tabs;
    struct redir *next;
};

struct case_item {
    struct word *patterns;
    struct node *body;
    struct case_item *next;
};

enum node_kind {
    NODE_SIMPLE,   /* assigns words redirs */
    NODE_PIPE,     /* left is the first stage, the stages are linked by next */
    NODE_NOT,      /* ! left */
    NODE_AND,      /* left && right */
    NODE_OR,       /* left || right */
    NODE_SEQ,      /* left ; right */
    NODE_ASYNC,    /* left & */
    NODE_SUBSHELL, /* ( left ) redirs */
    NODE_GROUP,    /* { left } redirs */
    NODE_IF,       /* if left then right else other */
    NODE_WHILE,    /* while left do right */
    NODE_UNTIL,
    NODE_FOR,  /* for name in words do left; no_words: "$@" */
    NODE_CASE, /* case words in items */
    NODE_FUNC, /* name() left */
};

struct node {
    enum node_kind kind;
    struct node *left, *right, *other, *next;
    struct word *assigns, *words;
    struct redir *redirs;
    struct case_item *items;
    char *name;
    char *text; /* source of a pipeline, for jobs */
    bool no_words;
};

/* ---- lex.c, parse.c ---- */

/*
 * Where commands come from. refill appends one more line to buf and returns false at the end;
 * continued says that a command is unfinished, which changes the prompt.
 */
struct source {
    struct strbuf buf;
    size_t pos;
    bool (*refill)(struct source *src, bool continued);
    bool continued, eof;
    bool drained;     /* refill has returned false */
    bool interrupted; /* because of Ctrl-C while a line was read */
    int fd;
    int line;
    const char *name;
};

enum token {
    TOK_EOF,
    TOK_NEWLINE,
    TOK_WORD,
    TOK_AND,
    TOK_OR,
    TOK_PIPE,
    TOK_AMP,
    TOK_SEMI,
    TOK_DSEMI,
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_REDIR,
};

struct parser {
    struct source *src;
    struct arena *arena;
    enum token tok;
    size_t tok_start;       /* offset of the token in src->buf */
    char *text;             /* of a word */
    struct redir redir;     /* kind and fd of a redirection */
    struct redir *here[16]; /* here-documents whose bodies start after the next newline */
    int nr_here;
    bool failed; /* a syntax error was reported; every further token is TOK_EOF */
};

void lex_next(struct parser *p);
void parse_error(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One complete command, or NULL: at the end of input (*eof), after an error, for an empty line. */
struct node *parse_command_line(struct source *src, struct arena *arena, bool *eof, bool *failed);

/* For lex.c: a list up to the ")" of a command substitution, which is left as the current token. */
void parse_substitution(struct parser *p);

/* ---- var.c ---- */

const char *var_get(const char *name);             /* NULL when unset */
bool var_set(const char *name, const char *value); /* false when readonly; says so */
void var_unset(const char *name);
void var_export(const char *name);
void var_readonly(const char *name);
void var_local(const char *name); /* restored by var_pop */
size_t var_push(void);            /* starts a scope: returns the mark for var_pop */
void var_pop(size_t mark);
void var_import(char **environ_in);
char **var_environment(struct arena *a); /* NULL-terminated, for execve */
void var_print(const char *prefix, bool only_exported);
bool var_is_name(const char *text, size_t len);
void var_each_name(void (*visit)(const char *name, void *arg), void *arg);

/* ---- expand.c, glob.c, arith.c ---- */

struct fields {
    char **items; /* NULL-terminated, in the arena */
    size_t nr, cap;
};
void fields_add(struct fields *f, struct arena *a, char *text);

/* Full expansion with splitting and globbing. */
void expand_words(struct word *words, struct fields *out, struct arena *a);
/* One field: no splitting, no globbing (assignments, redirections, case words). */
char *expand_single(const char *raw, struct arena *a);
/* As expand_single, but what was quoted is escaped by backslashes for fnmatch. */
char *expand_pattern(const char *raw, struct arena *a);
/* The body of a here-document: dollars and backquotes only. */
char *expand_here(const char *body, struct arena *a);
/* Reports and abandons the current command. */
void expand_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Adds the sorted matches of a pattern with backslash escapes; false when there is none. */
bool glob_expand(const char *pattern, struct fields *out, struct arena *a);

long arith_eval(const char *text);

/* ---- exec.c, redir.c ---- */

#define EVAL_EXIT 1 /* this process ends afterwards: no need to fork for a program */

int eval_node(struct node *n, int flags);
int eval_source(struct source *src); /* to the end of src */
int eval_string(const char *text, const char *name);
int eval_file(const char *path);                      /* -1 with errno when it cannot be opened */
void eval_exit(int status) __attribute__((noreturn)); /* runs the EXIT trap first */
char *find_in_path(const char *name); /* NULL when there is none; freed by the caller */

struct saved_fds {
    struct {
        int fd, copy;
    } at[16];
    int nr;
};
/* Applies redirections; saved may be NULL when they stay. False after reporting an error. */
bool redir_apply(struct redir *list, struct saved_fds *saved, struct arena *a);
void redir_restore(struct saved_fds *saved);

/* ---- func.c ---- */

struct function {
    char *name;
    struct node *body;
    struct arena *arena;
    struct function *next;
};
struct function *func_find(const char *name);
void func_define(const char *name, struct node *body, struct arena *a);
void func_unset(const char *name);
int func_call(struct function *f, char **argv);
void func_each_name(void (*visit)(const char *name, void *arg), void *arg);

/* ---- jobs.c ---- */

enum job_state { JOB_RUNNING, JOB_STOPPED, JOB_DONE };

struct process {
    pid_t pid;
    int status;
    enum job_state state;
};

struct job {
    int id;
    pid_t pgid; /* 0 without job control */
    struct process *procs;
    int nr_procs;
    char *text;
    bool background, notified;
    struct termios modes; /* of the terminal when it stopped */
    bool has_modes;
    struct job *next;
};

void jobs_init(void);
struct job *job_create(const char *text);
/* Forks one process of j. Returns 0 in the child, which is then a subshell. */
pid_t job_fork(struct job *j, bool background);
int job_wait(struct job *j); /* foreground: until done or stopped; returns its status */
int job_wait_interruptible(struct job *j); /* for the wait builtin: also ends at a trapped signal */
int job_background(struct job *j);         /* announces it */
void jobs_notify(void);                    /* reports finished and stopped jobs, before a prompt */
void jobs_print(bool with_pids);
struct job *job_find(const char *spec); /* %1, %+, %-, %name, a pid, or NULL for the current one */
struct job *jobs_first_running(void);
int job_continue(struct job *j, bool foreground);
enum job_state job_state(const struct job *j);

/* ---- trap.c ---- */

void traps_init(void);
void traps_run(void);                       /* pending ones */
void trap_set(int sig, const char *action); /* NULL: default, "": ignore; signal 0 is EXIT */
const char *trap_get(int sig);
void traps_reset_child(void); /* after fork: what is caught goes back to default */
void traps_exit(void);
bool trap_is_pending(void);

/* ---- builtin*.c ---- */

typedef int (*builtin_fn)(int argc, char **argv);
struct builtin {
    const char *name;
    builtin_fn fn;
    bool special; /* assignments before it stay, an error ends a script */
};
extern const struct builtin builtin_table[];
const struct builtin *builtin_find(const char *name);

int builtin_echo(int argc, char **argv);
int builtin_printf(int argc, char **argv);
int builtin_test(int argc, char **argv);
int builtin_read(int argc, char **argv);
int builtin_jobs(int argc, char **argv);
int builtin_fg(int argc, char **argv);
int builtin_bg(int argc, char **argv);
int builtin_wait(int argc, char **argv);
int builtin_kill(int argc, char **argv);
int builtin_trap(int argc, char **argv);
int builtin_umask(int argc, char **argv);
int builtin_ulimit(int argc, char **argv);
int builtin_times(int argc, char **argv);

/* ---- edit.c, history.c, complete.c ---- */

/* One line without its newline from the terminal, freed by the caller; NULL at end of file. */
char *edit_line(const char *prompt);
void history_add(const char *line);
const char *history_get(size_t back); /* 0 is the newest; NULL beyond the oldest */
void history_print(void);
/* Candidates for the word that ends at pos; *start is where it begins. */
void complete_word(const char *line, size_t pos, size_t *start, struct fields *out,
                   struct arena *a);

/* ---- the shell itself: main.c ---- */

enum unwind { UNWIND_NONE, UNWIND_BREAK, UNWIND_CONTINUE, UNWIND_RETURN, UNWIND_ABORT };

struct shell {
    const char *name; /* $0 */
    char **params;    /* $1 ... */
    int nr_params;
    int status;            /* $? */
    unsigned int nr_substitutions; /* command substitutions so far */
    pid_t pid;             /* $$ */
    pid_t last_background; /* $! */
    bool interactive, job_control, login;
    bool opt_errexit, opt_xtrace, opt_nounset, opt_noglob, opt_pipefail;
    bool subshell;      /* a forked copy */
    enum unwind unwind; /* what is being left */
    int unwind_levels;  /* of loops */
    int loop_depth, func_depth, source_depth;
    int tested; /* conditions around the current command, for set -e */
    int tty;    /* the terminal, or -1 */
    pid_t pgid;
    volatile sig_atomic_t interrupted;
    struct termios modes; /* of the terminal while the shell has it */
    jmp_buf *abort;       /* expand_fail jumps here */
};
extern struct shell sh;

void sh_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
