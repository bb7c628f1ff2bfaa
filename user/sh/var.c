/* SPDX-License-Identifier: MIT */
/*
 * Variables: one list, newest first. A local variable is a saved copy on a stack that the end of
 * the function call puts back.
 */
#include "sh.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct var {
    char *name, *value; /* value is NULL while a name is only exported */
    bool exported, readonly;
    struct var *next;
};

struct saved {
    char *name, *value;
    bool exported;
    struct saved *next;
};

static struct var *vars;
static struct saved *saved_stack;
static size_t nr_saved;

static struct var *find(const char *name)
{
    for (struct var *v = vars; v; v = v->next) {
        if (strcmp(v->name, name) == 0)
            return v;
    }
    return NULL;
}

static struct var *find_or_add(const char *name)
{
    struct var *v = find(name);

    if (!v) {
        v = xcalloc(1, sizeof(*v));
        v->name = xstrdup(name);
        v->next = vars;
        vars = v;
    }
    return v;
}

bool var_is_name(const char *text, size_t len)
{
    if (!len || (!isalpha((unsigned char)*text) && *text != '_'))
        return false;
    for (size_t i = 1; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && text[i] != '_')
            return false;
    }
    return true;
}

const char *var_get(const char *name)
{
    struct var *v = find(name);

    return v ? v->value : NULL;
}

bool var_set(const char *name, const char *value)
{
    struct var *v = find_or_add(name);
    char *old = v->value;

    if (v->readonly) {
        sh_warn("%s is read-only", name);
        return false;
    }
    v->value = xstrdup(value);
    free(old);
    return true;
}

void var_unset(const char *name)
{
    for (struct var **at = &vars; *at; at = &(*at)->next) {
        struct var *v = *at;

        if (strcmp(v->name, name) != 0)
            continue;
        if (v->readonly) {
            sh_warn("%s is read-only", name);
            return;
        }
        *at = v->next;
        free(v->name);
        free(v->value);
        free(v);
        return;
    }
}

void var_export(const char *name)
{
    find_or_add(name)->exported = true;
}

void var_readonly(const char *name)
{
    find_or_add(name)->readonly = true;
}

void var_local(const char *name)
{
    struct var *v = find(name);
    struct saved *s = xcalloc(1, sizeof(*s));

    s->name = xstrdup(name);
    s->value = v && v->value ? xstrdup(v->value) : NULL;
    s->exported = v && v->exported;
    s->next = saved_stack;
    saved_stack = s;
    nr_saved++;
}

size_t var_push(void)
{
    return nr_saved;
}

void var_pop(size_t mark)
{
    while (nr_saved > mark) {
        struct saved *s = saved_stack;

        if (s->value) {
            var_set(s->name, s->value);
            find_or_add(s->name)->exported = s->exported;
        } else {
            var_unset(s->name);
        }
        saved_stack = s->next;
        nr_saved--;
        free(s->name);
        free(s->value);
        free(s);
    }
}

void var_import(char **environ_in)
{
    for (; *environ_in; environ_in++) {
        const char *equals = strchr(*environ_in, '=');
        char *name;

        if (!equals || !var_is_name(*environ_in, (size_t)(equals - *environ_in)))
            continue;
        name = xstrndup(*environ_in, (size_t)(equals - *environ_in));
        var_set(name, equals + 1);
        var_export(name);
        free(name);
    }
}

char **var_environment(struct arena *a)
{
    size_t nr = 0;
    char **env;

    for (struct var *v = vars; v; v = v->next)
        nr++;
    env = arena_alloc(a, (nr + 1) * sizeof(*env));
    nr = 0;
    for (struct var *v = vars; v; v = v->next) {
        char *at;

        if (!v->exported || !v->value)
            continue;
        at = arena_alloc(a, strlen(v->name) + strlen(v->value) + 2);
        sprintf(at, "%s=%s", v->name, v->value);
        env[nr++] = at;
    }
    return env;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(struct var *const *)a)->name, (*(struct var *const *)b)->name);
}

static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
    putchar('\'');
}

void var_print(const char *prefix, bool only_exported)
{
    size_t nr = 0, i = 0;
    struct var **sorted;

    for (struct var *v = vars; v; v = v->next)
        nr++;
    sorted = xmalloc(nr * sizeof(*sorted));
    for (struct var *v = vars; v; v = v->next)
        sorted[i++] = v;
    qsort(sorted, nr, sizeof(*sorted), compare_names);
    for (i = 0; i < nr; i++) {
        if (only_exported && !sorted[i]->exported)
            continue;
        printf("%s%s", prefix, sorted[i]->name);
        if (sorted[i]->value) {
            putchar('=');
            print_quoted(sorted[i]->value);
        }
        putchar('\n');
    }
    free(sorted);
}

void var_each_name(void (*visit)(const char *name, void *arg), void *arg)
{
    for (struct var *v = vars; v; v = v->next)
        visit(v->name, arg);
}
