/* SPDX-License-Identifier: MIT */
/* exec_args_ktest.c: collecting arguments, and what a script's first line does to them. */
#include "kernel/task/exec.h"
#include <kernel/ktest.h>
#include <kernel/string.h>
#include <mm/vmalloc.h>
#include <asm/errno.h>

static const char *const argv[] = {"prog", "one", "two", NULL};
static const char *const envp[] = {"A=1", "LONG=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL};

static void collect(struct exec_args *a)
{
    exec_args_init(a);
    EXPECT_EQ(exec_args_collect(a, &(struct exec_strings){true, argv, envp}), 0);
}

static bool is_string(const struct exec_args *a, size_t at, const char *s)
{
    return at < a->used && strcmp(a->buf + at, s) == 0;
}

KTEST(exec_args, collect)
{
    struct exec_args a;

    collect(&a);
    EXPECT_EQ(a.argc, 3);
    EXPECT_EQ(a.envc, 2);
    EXPECT(is_string(&a, 0, "prog") && is_string(&a, 5, "one") && is_string(&a, 9, "two"));
    EXPECT_EQ(a.env_off, 13);
    EXPECT(is_string(&a, a.env_off, "A=1"));
    exec_args_free(&a);
}

KTEST(exec_args, empty_argv_gets_a_name)
{
    struct exec_args a;

    exec_args_init(&a);
    EXPECT_EQ(exec_args_collect(&a, &(struct exec_strings){true, NULL, NULL}), 0);
    EXPECT_EQ(a.argc, 1);
    EXPECT_EQ(a.envc, 0);
    EXPECT(is_string(&a, 0, ""));
    exec_args_free(&a);
}

KTEST(exec_args, script_replaces_argv0)
{
    struct exec_args a;

    collect(&a);
    EXPECT_EQ(exec_args_for_script(&a, "/bin/sh", "-x", "/tmp/script"), 0);
    EXPECT_EQ(a.argc, 5);
    EXPECT(is_string(&a, 0, "/bin/sh") && is_string(&a, 8, "-x") &&
           is_string(&a, 11, "/tmp/script"));
    EXPECT(is_string(&a, 23, "one"));
    EXPECT(is_string(&a, a.env_off, "A=1"));
    EXPECT_EQ(exec_args_for_script(&a, "/i", NULL, "/bin/sh"), 0);
    EXPECT_EQ(a.argc, 6);
    EXPECT(is_string(&a, 0, "/i") && is_string(&a, 3, "/bin/sh") && is_string(&a, 11, "-x"));
    EXPECT(is_string(&a, a.env_off, "A=1"));
    exec_args_free(&a);
}

KTEST(exec_args, limit)
{
    static char big[5000];
    const char *many[64];
    struct exec_args a;

    memset(big, 'x', sizeof(big) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(many) - 1; i++)
        many[i] = big;
    many[ARRAY_SIZE(many) - 1] = NULL;
    exec_args_init(&a);
    a.limit = KIB(128);
    EXPECT_EQ(exec_args_collect(&a, &(struct exec_strings){true, many, NULL}), -E2BIG);
    exec_args_free(&a);
}

/* A pointer for each string counts, too. */
KTEST(exec_args, limit_counts_pointers)
{
    enum { NR = 15000 };
    const char **many = vmalloc((NR + 1) * sizeof(*many));
    struct exec_args a;

    EXPECT_OR_RETURN(many != NULL);
    for (unsigned int i = 0; i < NR; i++)
        many[i] = "";
    many[NR] = NULL;
    exec_args_init(&a);
    a.limit = KIB(128);
    EXPECT_EQ(exec_args_collect(&a, &(struct exec_strings){true, many, NULL}), -E2BIG);
    EXPECT(a.used < KIB(128));
    exec_args_free(&a);
    many[10000] = NULL;
    exec_args_init(&a);
    a.limit = KIB(128);
    EXPECT_EQ(exec_args_collect(&a, &(struct exec_strings){true, many, NULL}), 0);
    exec_args_free(&a);
    vfree(many);
}
