/* SPDX-License-Identifier: MIT */
/*
 * Arenas: memory for a parsed line or for the words of one command, freed as a whole. A counter
 * keeps the arena of a line alive for the functions that the line defined.
 */
#include "sh.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 4000

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

struct arena {
    struct chunk *chunks;
    int refs;
};

struct arena *arena_create(void)
{
    struct arena *a = xcalloc(1, sizeof(*a));

    a->refs = 1;
    return a;
}

struct arena *arena_get(struct arena *a)
{
    a->refs++;
    return a;
}

void arena_put(struct arena *a)
{
    if (--a->refs)
        return;
    while (a->chunks) {
        struct chunk *next = a->chunks->next;

        free(a->chunks);
        a->chunks = next;
    }
    free(a);
}

void *arena_alloc(struct arena *a, size_t len)
{
    struct chunk *c = a->chunks;
    void *p;

    len = (len + 15) & ~(size_t)15;
    if (!c || c->size - c->used < len) {
        size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;

        c = xmalloc(sizeof(*c) + size);
        c->size = size;
        c->used = 0;
        c->next = a->chunks;
        a->chunks = c;
    }
    p = c->bytes + c->used;
    c->used += len;
    return memset(p, 0, len);
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
    char *copy = arena_alloc(a, len + 1);

    memcpy(copy, text, len);
    return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
    return arena_strndup(a, text, strlen(text));
}
