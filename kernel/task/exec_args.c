/* SPDX-License-Identifier: MIT */
/*
 * exec_args.c: argv and envp on their way from the old program to the new one. Both are copied into
 * one kernel buffer before anything is destroyed, so that every error leaves the caller as it was.
 * Source: execve(2), limits.
 *
 * Limits: one string EXEC_MAX_STRING bytes; strings and pointers together a quarter of
 * RLIMIT_STACK, at most 6 MiB, at least 128 KiB.
 *
 * Locks: none. Invariants: I1 buf[0, used) is argc + envc strings, each with its NUL; I2 used <=
 * limit.
 * Read next: exec_stack.c.
 */
#include "exec.h"
#include "internal.h"
#include <kernel/string.h>
#include <kernel/uaccess.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <asm/errno.h>

#define EXEC_MAX_STRING  KIB(128)
#define EXEC_MIN_ARGS    KIB(128)
#define EXEC_MAX_ARGS    MIB(6)
#define EXEC_KMALLOC_MAX KIB(32)

void *exec_buf_alloc(size_t n)
{
    return n <= EXEC_KMALLOC_MAX ? kmalloc(n) : vmalloc(n);
}

void exec_buf_free(void *p, size_t n)
{
    if (n <= EXEC_KMALLOC_MAX)
        kfree(p);
    else
        vfree(p);
}

void exec_args_init(struct exec_args *a)
{
    u64 limit = min(task_rlimit(RLIMIT_STACK) / 4, (u64)EXEC_MAX_ARGS);

    *a = (struct exec_args){ .limit = max(limit, (u64)EXEC_MIN_ARGS) };
}

void exec_args_free(struct exec_args *a)
{
    if (a->buf != NULL)
        exec_buf_free(a->buf, a->cap);
    a->buf = NULL;
}

/* Makes room for @n more bytes. */
static int grow(struct exec_args *a, size_t n)
{
    size_t cap = a->cap != 0 ? a->cap : KIB(1);
    char *buf;

    while (cap < a->used + n)
        cap *= 2;
    if (cap == a->cap)
        return 0;
    buf = exec_buf_alloc(cap);
    if (buf == NULL)
        return -ENOMEM;
    if (a->buf != NULL) {
        memcpy(buf, a->buf, a->used);
        exec_buf_free(a->buf, a->cap);
    }
    a->buf = buf;
    a->cap = cap;
    return 0;
}

/* Strings so far, and a pointer for each. */
static bool is_too_big(const struct exec_args *a)
{
    return a->used + (size_t)(a->argc + a->envc) * sizeof(long) > a->limit;
}

static int add_kernel_string(struct exec_args *a, const char *s)
{
    size_t n = strlen(s) + 1;
    int err = grow(a, n);

    if (err != 0)
        return err;
    memcpy(a->buf + a->used, s, n);
    a->used += n;
    return 0;
}

static int add_user_string(struct exec_args *a, const char __user *s)
{
    for (;;) {
        size_t room = min(a->cap - a->used, EXEC_MAX_STRING);
        ssize_t len = room != 0 ? strncpy_from_user(a->buf + a->used, s, room) : -ENAMETOOLONG;
        int err;

        if (len >= 0) {
            a->used += (size_t)len + 1;
            return 0;
        }
        if (len != -ENAMETOOLONG)
            return (int)len;
        if (room == EXEC_MAX_STRING || a->cap > a->limit)
            return -E2BIG;
        err = grow(a, a->cap - a->used + 1); /* the next power of two */
        if (err != 0)
            return err;
    }
}

/* Entry @i of an array: the string, NULL at the end, ERR_PTR. */
static const char *entry(const struct exec_strings *from, const void *array, int i)
{
    unsigned long p;

    if (array == NULL)
        return NULL;
    if (from->kernel)
        return ((const char *const *)array)[i];
    if (copy_from_user(&p, (const unsigned long __user *)array + i, sizeof(p)) != 0)
        return ERR_PTR(-EFAULT);
    return IS_ERR((void *)p) ? ERR_PTR(-EFAULT) : (const char *)p;
}

static int collect(struct exec_args *a, const struct exec_strings *from, const void *array,
                   int *count)
{
    for (int i = 0;; i++) {
        const char *s = entry(from, array, i);
        int err;

        if (s == NULL)
            return 0;
        if (IS_ERR(s))
            return (int)PTR_ERR(s);
        if (fatal_signal_pending())
            return -EINTR;
        ++*count;
        err = from->kernel ? add_kernel_string(a, s) : add_user_string(a, s);
        if (err != 0)
            return err;
        if (is_too_big(a))
            return -E2BIG;
    }
}

int exec_args_collect(struct exec_args *a, const struct exec_strings *from)
{
    int err = collect(a, from, from->argv, &a->argc);

    if (err == 0 && a->argc == 0) {
        a->argc = 1; /* programs that trust argv[0] to exist shall not be fooled */
        err = add_kernel_string(a, "");
    }
    if (err != 0)
        return err;
    a->env_off = a->used;
    return collect(a, from, from->envp, &a->envc);
}

int exec_args_for_script(struct exec_args *a, const char *interp, const char *arg, const char *path)
{
    size_t old = strlen(a->buf) + 1, n1 = strlen(interp) + 1,
           n2 = arg != NULL ? strlen(arg) + 1 : 0;
    size_t n3 = strlen(path) + 1, new = n1 + n2 + n3;
    int err = grow(a, new);

    if (err != 0)
        return err;
    memmove(a->buf + new, a->buf + old, a->used - old);
    memcpy(a->buf, interp, n1);
    if (arg != NULL)
        memcpy(a->buf + n1, arg, n2);
    memcpy(a->buf + n1 + n2, path, n3);
    a->used = a->used - old + new;
    a->env_off = a->env_off - old + new;
    a->argc += arg != NULL ? 2 : 1;
    return is_too_big(a) ? -E2BIG : 0;
}
