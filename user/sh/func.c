/* SPDX-License-Identifier: MIT */
/* Shell functions: their table, and calling them with their own parameters and local variables. */
#include "sh.h"

#include <stdlib.h>
#include <string.h>

static struct function *functions;

struct function *func_find(const char *name)
{
    for (struct function *f = functions; f; f = f->next) {
        if (strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

void func_unset(const char *name)
{
    for (struct function **at = &functions; *at; at = &(*at)->next) {
        struct function *f = *at;

        if (strcmp(f->name, name) != 0)
            continue;
        *at = f->next;
        arena_put(f->arena);
        free(f->name);
        free(f);
        return;
    }
}

void func_define(const char *name, struct node *body, struct arena *a)
{
    struct function *f = xcalloc(1, sizeof(*f));

    func_unset(name);
    f->name = xstrdup(name);
    f->body = body;
    f->arena = arena_get(a);
    f->next = functions;
    functions = f;
}

/* The arena is held meanwhile, because the body may redefine the function. */
int func_call(struct function *f, char **argv)
{
    char **old_params = sh.params;
    int old_nr = sh.nr_params, old_loops = sh.loop_depth, status;
    struct arena *a = arena_get(f->arena);
    struct node *body = f->body;
    size_t mark = var_push();

    sh.params = argv + 1;
    for (sh.nr_params = 0; sh.params[sh.nr_params];)
        sh.nr_params++;
    sh.loop_depth = 0;
    sh.func_depth++;
    status = eval_node(body, 0);
    sh.func_depth--;
    sh.loop_depth = old_loops;
    if (sh.unwind == UNWIND_RETURN) {
        sh.unwind = UNWIND_NONE;
        status = sh.status;
    }
    sh.params = old_params;
    sh.nr_params = old_nr;
    var_pop(mark);
    arena_put(a);
    return status;
}

void func_each_name(void (*visit)(const char *name, void *arg), void *arg)
{
    for (struct function *f = functions; f; f = f->next)
        visit(f->name, arg);
}
