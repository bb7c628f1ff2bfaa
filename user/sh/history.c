/* SPDX-License-Identifier: MIT */
/* The history: the last lines typed, in memory. A line equal to the one before it is not kept. */
#include "sh.h"

#include <stdlib.h>
#include <string.h>

#define HISTORY_SIZE 500

static char *lines[HISTORY_SIZE];
static size_t nr_added; /* ever; line i is in lines[i % HISTORY_SIZE] */

void history_add(const char *line)
{
    const char *last = history_get(0);
    char **slot = &lines[nr_added % HISTORY_SIZE];

    if (last && strcmp(last, line) == 0)
        return;
    free(*slot);
    *slot = xstrdup(line);
    nr_added++;
}

const char *history_get(size_t back)
{
    if (back >= nr_added || back >= HISTORY_SIZE)
        return NULL;
    return lines[(nr_added - 1 - back) % HISTORY_SIZE];
}

void history_print(void)
{
    size_t back = nr_added < HISTORY_SIZE ? nr_added : HISTORY_SIZE;

    while (back-- > 0)
        printf("%5zu  %s\n", nr_added - back, history_get(back));
}
