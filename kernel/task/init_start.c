/* SPDX-License-Identifier: MIT */
/*
 * init_start.c: the first program. Process 1 is made by hand, for there is no user process to copy;
 * its thread starts in the kernel, opens the console, execs, and goes to user mode.
 *
 * Locks: TASKLIST, SIGHAND (linking). Invariants: I1 process 1 exists from here on until the
 * machine ends.
 * Read next: exec.c.
 */
#include "exec.h"
#include "internal.h"
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/process_timers.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/vfs.h>
#include <asm/errno.h>

#define MAX_WORDS 33

static const char *init_path; /* init= or rdinit= */

static void set_init(const char *value)
{
    init_path = value;
}
KPARAM("init", set_init,
       "the first program; default: the first that there is of /init /sbin/init /etc/init "
       "/bin/init /bin/sh");

static void set_rdinit(const char *value)
{
    init_path = value;
}
KPARAM("rdinit", set_rdinit, "the same as init=");

static bool mount_defaults;

static void set_mount(const char *value)
{
    mount_defaults = strcmp(value, "none") != 0;
}
KPARAM("mount", set_mount, "mounts /dev, /proc and /sys before the first program starts");

static void set_debug(const char *value)
{
    if (strstr(value, "signal") != NULL)
        signal_log_deaths();
    if (strstr(value, "syscall") != NULL)
        syscall_log_unknown();
}
KPARAM("debug", set_debug,
       "signal: logs each death by a signal; syscall: logs calls that do not exist, once each");

static void open_console(void)
{
    struct file *f = file_open("/dev/console", O_RDWR, 0);

    if (IS_ERR(f)) {
        pr_warn("init: /dev/console does not open (error %ld): the first program starts without "
                "standard streams\n",
                PTR_ERR(f));
        return;
    }
    for (int i = 0; i < 3; i++)
        if (fd_alloc_install(file_get(f), 0) < 0)
            file_put(f);
    file_put(f);
}

static int try_init(const char *path)
{
    static const char *argv[MAX_WORDS + 1], *envp[MAX_WORDS + 3];
    struct exec_request rq = { AT_FDCWD, 0, path, path, { true, argv, envp } };
    unsigned int n = 0;
    struct file *f;
    int err;

    argv[n++] = path;
    for (const char *const *a = param_init_argv(); *a != NULL && n < MAX_WORDS; a++)
        argv[n++] = *a;
    argv[n] = NULL;
    n = 0;
    envp[n++] = "HOME=/";
    envp[n++] = "TERM=linux";
    for (const char *const *e = param_init_envp(); *e != NULL && n < MAX_WORDS + 2; e++)
        envp[n++] = *e;
    envp[n] = NULL;
    err = do_execve(&rq);
    if (err == -ENOEXEC || err == -EINVAL) {
        f = file_open(path, O_RDONLY, 0);
        if (!IS_ERR(f)) {
            elf_explain(f, path);
            file_put(f);
        }
    }
    return err;
}

static int init_main(void *unused)
{
    static const char *const defaults[] = { "/init", "/sbin/init", "/etc/init", "/bin/init",
                                            "/bin/sh" };
    int err;

    (void)unused;
    if (mount_defaults)
        vfs_mount_defaults();
    open_console();
    if (init_path != NULL) {
        err = try_init(init_path);
        if (err != 0)
            panic("init=%s cannot be started (error %d)", init_path, err);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        err = try_init(defaults[i]);
        if (err == 0)
            return 0;
        if (err != -ENOENT)
            panic("%s exists but cannot be started (error %d)", defaults[i], err);
    }
    panic("no first program: the initramfs has none of /init /sbin/init /etc/init /bin/init "
          "/bin/sh. Give one with INITRD=file, or init=PATH");
}

/* The credentials, limits and handlers that everything else inherits. */
static struct process *make_init_process(void)
{
    struct process *p = process_alloc();

    if (p == NULL)
        return NULL;
    p->sighand = sighand_alloc();
    if (p->sighand == NULL)
        return NULL;
    rlimit_init(p);
    p->tgid = 1;
    process_set_parent(p, &kproc);
    p->exit_signal = SIGCHLD;
    p->user = &root_user;
    user_get(p->user);
    p->unkillable = true;
    p->dumpable = true;
    process_timers_init(p);
    return p;
}

static struct task *make_init_task(struct process *p)
{
    struct clone_args_k args = { .fn = init_main };
    struct task *t = p != NULL ? task_new(p) : NULL;

    if (t == NULL)
        return NULL;
    t->tid = 1;
    t->files = files_alloc();
    t->fs = fs_alloc_init();
    t->start_ns = clock_monotonic_ns();
    task_set_comm(t, "init");
    sched_fork(t);
    p->leader = t;
    if (t->files == NULL || t->fs == NULL || arch_copy_thread(t, &args) != 0)
        return NULL;
    return t;
}

void kernel_start_init(void)
{
    struct process *p = make_init_process();
    struct task *t = make_init_task(p);
    unsigned long flags, sflags;

    if (t == NULL)
        panic("not enough memory to make process 1");
    flags = spin_lock_irqsave(&tasklist_lock);
    sflags = sighand_lock(p);
    list_add_tail(&p->sibling, &kproc.children);
    pgrp_join(p, 1, 1);
    task_link(t, p);
    init_process = p;
    sighand_unlock(p, sflags);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    sched_start(t);
}
