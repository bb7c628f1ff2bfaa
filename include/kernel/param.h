/* SPDX-License-Identifier: MIT */
/*
 * param.h: kernel parameters. KPARAM("name", handler, "help") anywhere; handler gets the text
 * behind '=' or "".
 */
#pragma once
#include <kernel/types.h>

struct kparam {
    const char *name;
    void (*handler)(const char *value);
    const char *help;
};
#define KPARAM(pname, fn, phelp)                                                                  \
    static const struct kparam kparam_##fn __used __aligned(8) __section(".kparams") = {          \
        pname, fn, phelp                                                                          \
    }
extern const struct kparam __kparams_start[], __kparams_end[];
/* Runs the handlers for the boot command line; unknown words are left for init. */
void param_parse(const char *cmdline);
const char *param_cmdline(void);
/* Words for init, NULL-terminated: arguments (without its own name) and environment. */
const char *const *param_init_argv(void);
const char *const *param_init_envp(void);
