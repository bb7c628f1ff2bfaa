/* SPDX-License-Identifier: MIT */
/*
 * Globbing: a pattern with *, ? and [...] to the sorted paths that match. Works path component by
 * component; only components with a special character read a directory.
 */
#include "sh.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct glob_state {
    struct fields *out;
    struct arena *arena;
};

static bool has_special(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\')
            i++;
        else if (strchr("*?[", text[i]))
            return true;
    }
    return false;
}

static char *unescape(struct arena *a, const char *text, size_t len)
{
    char *plain = arena_alloc(a, len + 1);
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len)
            i++;
        plain[out++] = text[i];
    }
    return plain;
}

static char *join(struct arena *a, const char *prefix, const char *name)
{
    char *path = arena_alloc(a, strlen(prefix) + strlen(name) + 1);

    strcpy(path, prefix);
    return strcat(path, name);
}

/* prefix is what is settled, with its slash; pattern is what remains. */
static void glob_from(struct glob_state *g, const char *prefix, const char *pattern)
{
    size_t slashes = strspn(pattern, "/");
    size_t len = strcspn(pattern + slashes, "/");
    struct dirent *de;
    struct stat st;
    char *component;
    DIR *dir;

    if (slashes) {
        glob_from(g, join(g->arena, prefix, "/"), pattern + slashes);
        return;
    }
    if (!*pattern) {
        if (lstat(prefix, &st) == 0)
            fields_add(g->out, g->arena, arena_strdup(g->arena, prefix));
        return;
    }
    if (!has_special(pattern, len)) {
        component = unescape(g->arena, pattern, len);
        glob_from(g, join(g->arena, prefix, component), pattern + len);
        return;
    }
    dir = opendir(*prefix ? prefix : ".");
    if (!dir)
        return;
    component = arena_strndup(g->arena, pattern, len);
    while ((de = readdir(dir))) {
        if (fnmatch(component, de->d_name, FNM_PERIOD) == 0)
            glob_from(g, join(g->arena, prefix, de->d_name), pattern + len);
    }
    closedir(dir);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool glob_expand(const char *pattern, struct fields *out, struct arena *a)
{
    struct glob_state g = {.out = out, .arena = a};
    size_t first = out->nr;

    glob_from(&g, "", pattern);
    if (out->nr == first)
        return false;
    qsort(out->items + first, out->nr - first, sizeof(*out->items), compare);
    return true;
}
