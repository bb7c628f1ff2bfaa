/* SPDX-License-Identifier: MIT */
/*
 * Signals: what the user traps, and what an interactive shell must survive.
 *
 * A handler only marks a signal; its action runs between two commands (traps_run). An interactive
 * shell ignores the terminal's stop signals and SIGQUIT and catches SIGINT.
 */
#include "sh.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *actions[NR_SIGNALS]; /* NULL: default; "": ignored; [0] is EXIT */
static volatile sig_atomic_t pending[NR_SIGNALS];
static volatile sig_atomic_t any_pending;

static void on_signal(int sig)
{
    if (sig == SIGINT)
        sh.interrupted = 1;
    if (actions[sig]) {
        pending[sig] = 1;
        any_pending = 1;
    }
}

static void set_handler(int sig, void (*handler)(int))
{
    struct sigaction sa = {.sa_handler = handler};

    sigemptyset(&sa.sa_mask);
    sigaction(sig, &sa, NULL);
}

/* What a signal does in this shell when the user has not said otherwise. */
static void (*default_handler(int sig))(int)
{
    if (!sh.interactive || sh.subshell)
        return SIG_DFL;
    if (sig == SIGINT)
        return on_signal;
    if (sig == SIGQUIT || sig == SIGTERM)
        return SIG_IGN;
    if (sh.job_control && (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU))
        return SIG_IGN;
    return SIG_DFL;
}

void traps_init(void)
{
    static const int sigs[] = {SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};

    for (size_t i = 0; sh.interactive && i < sizeof(sigs) / sizeof(sigs[0]); i++)
        set_handler(sigs[i], default_handler(sigs[i]));
}

void trap_set(int sig, const char *action)
{
    free(actions[sig]);
    actions[sig] = action ? xstrdup(action) : NULL;
    if (sig == 0)
        return;
    if (!action)
        set_handler(sig, default_handler(sig));
    else
        set_handler(sig, *action ? on_signal : SIG_IGN);
}

const char *trap_get(int sig)
{
    return actions[sig];
}

bool trap_is_pending(void)
{
    return any_pending;
}

void traps_run(void)
{
    any_pending = 0;
    for (int sig = 1; sig < NR_SIGNALS; sig++) {
        int status = sh.status;
        char *action;

        if (!pending[sig])
            continue;
        pending[sig] = 0;
        if (!actions[sig] || !*actions[sig])
            continue;
        if (sig == SIGINT)
            sh.interrupted = 0;
        action = xstrdup(actions[sig]);
        eval_string(action, "trap");
        free(action);
        sh.status = status;
    }
}

void traps_reset_child(void)
{
    static const int sigs[] = {SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};
    bool was_interactive = sh.interactive;

    for (int sig = 0; sig < NR_SIGNALS; sig++) {
        if (!actions[sig] || !*actions[sig])
            continue;
        free(actions[sig]);
        actions[sig] = NULL;
        if (sig)
            set_handler(sig, SIG_DFL);
    }
    for (size_t i = 0; was_interactive && i < sizeof(sigs) / sizeof(sigs[0]); i++) {
        if (!actions[sigs[i]])
            set_handler(sigs[i], SIG_DFL);
    }
}

void traps_exit(void)
{
    char *action = actions[0];

    if (!action || !*action)
        return;
    actions[0] = NULL;
    sh.unwind = UNWIND_NONE;
    {
        int status = sh.status;

        eval_string(action, "trap");
        if (sh.unwind == UNWIND_NONE)
            sh.status = status;
    }
    free(action);
}
