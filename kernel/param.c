/* SPDX-License-Identifier: MIT */
/*
 * param.c: kernel parameters: the words of the boot command line.
 *
 * A word is `name` or `name=value`; double quotes keep blanks inside a word. Words that no KPARAM
 * names belong to init: those without '=' become its arguments, the others its environment, and
 * everything behind a lone `--` becomes arguments (bootparam(7)). No locks: parsed once on the boot
 * CPU, read-only afterwards.
 * Checked by tests/kernel/lib/. Read next: main.c.
 */
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/string.h>

#define CMDLINE_LEN 2048
#define MAX_INIT_WORDS 30

static char whole[CMDLINE_LEN];  /* as it was given */
static char words[CMDLINE_LEN];  /* cut into words in place */
static const char *init_argv[MAX_INIT_WORDS + 1];
static const char *init_envp[MAX_INIT_WORDS + 1];
static unsigned int nr_argv, nr_envp;

const char *param_cmdline(void)
{
    return whole;
}

const char *const *param_init_argv(void)
{
    return init_argv;
}

const char *const *param_init_envp(void)
{
    return init_envp;
}

/* Cuts the next word off at *@at, with its quotes taken out; NULL at the end. */
static char *next_word(char **at)
{
    char *p = *at, *word, *to;
    bool quoted = false;

    while (*p == ' ' || *p == '\t' || *p == '\n')
        p++;
    if (*p == '\0')
        return NULL;
    word = to = p;
    for (; *p != '\0' && (quoted || (*p != ' ' && *p != '\t' && *p != '\n')); p++) {
        if (*p == '"')
            quoted = !quoted;
        else
            *to++ = *p;
    }
    *at = *p == '\0' ? p : p + 1;
    *to = '\0';
    return word;
}

static const struct kparam *find(const char *name, size_t len)
{
    for (const struct kparam *k = __kparams_start; k < __kparams_end; k++)
        if (strlen(k->name) == len && strncmp(k->name, name, len) == 0)
            return k;
    return NULL;
}

static void give_to_init(const char *word, bool argument)
{
    unsigned int *n = argument ? &nr_argv : &nr_envp;

    if (*n == MAX_INIT_WORDS) {
        pr_warn("param: more than %d words for init, \"%s\" is dropped\n", MAX_INIT_WORDS, word);
        return;
    }
    (argument ? init_argv : init_envp)[(*n)++] = word;
}

static void list_parameters(const char *value)
{
    for (const struct kparam *k = __kparams_start; k < __kparams_end; k++)
        pr_info("  %-16s %s\n", k->name, k->help);
}
KPARAM("help", list_parameters, "lists the kernel parameters");

void param_parse(const char *cmdline)
{
    char *at = words, *word;
    bool rest_is_init = false;

    if (strscpy(whole, cmdline, sizeof(whole)) < 0)
        pr_warn("param: the command line is longer than %d bytes and was cut\n", CMDLINE_LEN - 1);
    memcpy(words, whole, sizeof(words));
    while ((word = next_word(&at)) != NULL) {
        const char *equals = strchr(word, '=');
        size_t len = equals ? (size_t)(equals - word) : strlen(word);
        const struct kparam *k = rest_is_init ? NULL : find(word, len);

        if (k)
            k->handler(equals ? equals + 1 : "");
        else if (!rest_is_init && strcmp(word, "--") == 0)
            rest_is_init = true;
        else
            give_to_init(word, rest_is_init || !equals);
    }
}
