/* SPDX-License-Identifier: MIT */
/*
 * Completion of the word before the cursor: commands (builtins, functions, programs in PATH) in a
 * command's place, files anywhere, $names after a dollar.
 */
#include "sh.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct completion {
    const char *prefix;
    size_t len;
    const char *lead; /* put before every candidate */
    struct fields *out;
    struct arena *arena;
};

static void offer(struct completion *c, const char *name, const char *tail)
{
    char *text;

    if (strncmp(name, c->prefix, c->len) != 0)
        return;
    text = arena_alloc(c->arena, strlen(c->lead) + strlen(name) + strlen(tail) + 1);
    strcpy(text, c->lead);
    strcat(text, name);
    strcat(text, tail);
    for (size_t i = 0; i < c->out->nr; i++) {
        if (strcmp(c->out->items[i], text) == 0)
            return;
    }
    fields_add(c->out, c->arena, text);
}

static void offer_name(const char *name, void *arg)
{
    offer(arg, name, "");
}

/* Entries of a directory; directories get a slash. Hidden ones only when asked for by a dot. */
static void offer_dir(struct completion *c, const char *path, bool programs)
{
    DIR *dir = opendir(*path ? path : ".");
    struct dirent *de;

    if (!dir)
        return;
    while ((de = readdir(dir))) {
        struct stat st;
        char *full;
        bool is_dir, known;

        if (de->d_name[0] == '.' && c->prefix[0] != '.')
            continue;
        if (strncmp(de->d_name, c->prefix, c->len) != 0)
            continue;
        full = path_join(*path ? path : ".", de->d_name);
        known = stat(full, &st) == 0;
        is_dir = known && S_ISDIR(st.st_mode);
        if (!programs)
            offer(c, de->d_name, is_dir ? "/" : "");
        else if (known && !is_dir && access(full, X_OK) == 0)
            offer(c, de->d_name, "");
        free(full);
    }
    closedir(dir);
}

static void offer_commands(struct completion *c)
{
    const char *path = var_get("PATH");

    for (const struct builtin *b = builtin_table; b->name; b++)
        offer(c, b->name, "");
    func_each_name(offer_name, c);
    while (path && *path) {
        size_t len = strcspn(path, ":");
        char *dir = xstrndup(path, len);

        offer_dir(c, dir, true);
        free(dir);
        path += len + (path[len] == ':');
    }
}

/* True when the word at start is in a command's place. */
static bool is_command_place(const char *line, size_t start)
{
    while (start > 0 && line[start - 1] == ' ')
        start--;
    return start == 0 || strchr("|&;({", line[start - 1]);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void complete_word(const char *line, size_t pos, size_t *start, struct fields *out, struct arena *a)
{
    struct completion c = {.out = out, .arena = a, .lead = ""};
    size_t begin = pos, slash;
    char *word;

    while (begin > 0 && !strchr(" \t|&;<>(){}\"'=", line[begin - 1]))
        begin--;
    word = arena_strndup(a, line + begin, pos - begin);
    slash = strlen(word);
    while (slash > 0 && word[slash - 1] != '/')
        slash--;
    *start = begin;
    c.prefix = word + slash;
    c.len = strlen(c.prefix);
    if (*word == '$') {
        c.lead = "$";
        c.prefix = word + 1;
        c.len = strlen(c.prefix);
        var_each_name(offer_name, &c);
    } else if (slash) {
        c.lead = arena_strndup(a, word, slash);
        offer_dir(&c, c.lead, false);
    } else if (is_command_place(line, begin)) {
        offer_commands(&c);
    } else {
        offer_dir(&c, "", false);
    }
    if (out->nr)
        qsort(out->items, out->nr, sizeof(*out->items), compare);
}
