/* SPDX-License-Identifier: MIT */
/*
 * exec.c: execve and execveat: another program in the same process. Knows which steps may fail; the
 * formats are in elf.c, the arguments in exec_args.c, the stack in exec_stack.c, the end of the
 * other threads in exec_threads.c. Source: execve(2), execveat(2), POSIX exec.
 *
 * Two halves. exec_prepare reads and checks everything and builds the whole new address space
 * beside the old one; any error leaves the caller as it was, but for its descriptor table, which
 * may have become its own. exec_commit starts with the end of the other threads and may not fail
 * any more: what still goes wrong kills the process.
 *
 * Locks: TASKLIST and SIGHAND, one after the other.
 * Invariants: I1 of exec_threads.c; I2 before exec_commit nobody but current has seen e->mm.
 * Read next: elf.c, exec_stack.c.
 */
#include "exec.h"
#include "internal.h"
#include <kernel/futex.h>
#include <kernel/printk.h>
#include <kernel/process_timers.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task_regs.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <asm/errno.h>
#include <linux/limits.h>
#include <linux/mount.h>

#define MAX_INTERPRETERS 5 /* scripts that name scripts */

/* ---- finding the program --------------------------------------------------------------------- */

static int read_head(struct exec *e)
{
    ssize_t n = kernel_read(e->file, e->head, sizeof(e->head) - 1, 0);

    if (n < 0)
        return (int)n;
    e->head_len = (size_t)n;
    memset(e->head + n, 0, sizeof(e->head) - (size_t)n);
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cuts "#! interp arg" in e->head; @arg is NULL when there is none. */
static int parse_script(struct exec *e, char **interp, char **arg)
{
    char *p = e->head + 2, *end = memchr(e->head, '\n', e->head_len);

    if (end == NULL) {
        if (e->head_len == sizeof(e->head) - 1)
            return -ENOEXEC; /* the line may go on, and a cut path would be another program */
        end = e->head + e->head_len;
    }
    while (end > p && is_blank(end[-1]))
        end--;
    *end = '\0';
    while (is_blank(*p))
        p++;
    if (*p == '\0')
        return -ENOEXEC;
    *interp = p;
    while (*p != '\0' && !is_blank(*p))
        p++;
    if (*p != '\0')
        *p++ = '\0';
    while (is_blank(*p))
        p++;
    *arg = *p != '\0' ? p : NULL;
    return 0;
}

/* Follows #! lines until e->file is something else. */
static int resolve_scripts(struct exec *e)
{
    char *script = NULL;

    for (int depth = 0;; depth++) {
        struct file *next;
        char *interp, *arg;
        int err = read_head(e);

        if (err != 0 || e->head[0] != '#' || e->head[1] != '!') {
            kfree(script);
            return err;
        }
        err = depth == MAX_INTERPRETERS ? -ELOOP : parse_script(e, &interp, &arg);
        if (err == 0)
            err = exec_args_for_script(&e->args, interp, arg, script != NULL ? script : e->path);
        if (err == 0) {
            kfree(script);
            script = kstrdup(interp);
            err = script == NULL ? -ENOMEM : 0;
        }
        next = err == 0 ? file_open_exec(script) : NULL;
        if (err != 0 || IS_ERR(next)) {
            kfree(script);
            return err != 0 ? err : (int)PTR_ERR(next);
        }
        file_put(e->file);
        e->file = next;
    }
}

/* ---- the new address space ------------------------------------------------------------------- */

static int open_interp(struct exec *e)
{
    char head[sizeof(Elf64_Ehdr)];
    ssize_t n;
    int err;

    e->interp_file = file_open_exec(e->elf.interp);
    if (IS_ERR(e->interp_file)) {
        err = (int)PTR_ERR(e->interp_file);
        e->interp_file = NULL;
        return err;
    }
    n = kernel_read(e->interp_file, head, sizeof(head), 0);
    if (n < 0)
        return (int)n;
    err = elf_read(&e->interp, e->interp_file, head, (size_t)n);
    return err == -ENOEXEC ? -ELIBBAD : err;
}

/* Position-independent programs lie two thirds up, far below the stack and the mappings, with room
 * for their brk. */
static vaddr_t program_base(const struct exec *e)
{
    return ALIGN_DOWN(USER_WINDOW_TOP / 3 * 2 + exec_random(USER_WINDOW_TOP >> 7, 1), e->elf.align);
}

/* Where mmap would put something of the interpreter's size. */
static long interp_base(const struct exec *e)
{
    size_t len = e->interp.high - e->interp.low;

    return vma_find_gap(e->mm, len, 0, e->mm->mmap_base, true);
}

static int map_interp(struct exec *e)
{
    long base;

    if (e->interp_file == NULL)
        return 0;
    mmap_read_lock(e->mm);
    base = interp_base(e);
    mmap_read_unlock(e->mm);
    if (IS_ERR((void *)base))
        return (int)base;
    return elf_map(&e->interp, e->mm, ALIGN_DOWN((vaddr_t)base, e->interp.align));
}

static int build_mm(struct exec *e)
{
    int err;

    e->mm = mm_alloc();
    if (e->mm == NULL)
        return -ENOMEM;
    err = exec_stack_map(e);
    if (err == 0)
        err = elf_map(&e->elf, e->mm, program_base(e));
    if (err == 0)
        err = map_interp(e);
    if (err != 0)
        return err;
    elf_set_layout(&e->elf, e->mm);
    e->mm->exe = file_get(e->file);
    return exec_stack_build(e);
}

/* Set-id bits of the file, unless the process gave up gaining anything by exec. */
static void choose_ids(struct exec *e)
{
    const struct process *p = current->proc;
    const struct inode *inode = e->file->inode;

    e->euid = p->euid;
    e->egid = p->egid;
    if ((current->flags & TF_NO_NEW_PRIVS) == 0 &&
        (inode->sb == NULL || (inode->sb->flags & MS_NOSUID) == 0)) {
        if ((inode->mode & S_ISUID) != 0)
            e->euid = inode->uid;
        if ((inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
            e->egid = inode->gid;
    }
    e->secure = e->euid != p->uid || e->egid != p->gid;
}

int unshare_files(struct task *t)
{
    struct files *files = files_unshare(t->files);

    if (IS_ERR(files))
        return (int)PTR_ERR(files);
    spin_lock(&t->lock);
    t->files = files;
    spin_unlock(&t->lock);
    return 0;
}

static int exec_prepare(struct exec *e, const struct exec_request *rq)
{
    int err;

    e->file = file_open_exec_at(rq->dirfd, rq->path, rq->at_flags);
    if (IS_ERR(e->file)) {
        err = (int)PTR_ERR(e->file);
        e->file = NULL;
        return err;
    }
    exec_args_init(&e->args);
    err = exec_args_collect(&e->args, &rq->strings);
    if (err == 0)
        err = resolve_scripts(e);
    if (err == 0)
        err = elf_read(&e->elf, e->file, e->head, e->head_len);
    if (err == 0 && e->elf.interp != NULL)
        err = open_interp(e);
    if (err != 0)
        return err;
    choose_ids(e);
    err = build_mm(e);
    if (err == 0)
        err = arch_map_user_code(e->mm);
    if (err == 0)
        err = unshare_files(current);
    return err != 0 ? err : arch_prepare_exec();
}

static void exec_free(struct exec *e)
{
    if (e->mm != NULL)
        mm_put(e->mm);
    if (e->stack_image != NULL)
        exec_buf_free(e->stack_image, e->stack_len);
    elf_free(&e->elf);
    elf_free(&e->interp);
    exec_args_free(&e->args);
    if (e->interp_file != NULL)
        file_put(e->interp_file);
    if (e->file != NULL)
        file_put(e->file);
}

/* ---- becoming the other program -------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static void commit_process(struct exec *e)
{
    struct process *p = current->proc;
    struct file *old_exe;
    unsigned long flags = sighand_lock(p);

    signal_reset_handlers(p->sighand);
    old_exe = p->exe;
    p->exe = file_get(e->file);
    p->euid = p->suid = p->fsuid = e->euid;
    p->egid = p->sgid = p->fsgid = e->egid;
    p->keep_caps = false;
    p->dumpable = !e->secure;
    p->did_exec = true;
    sighand_unlock(p, flags);
    if (old_exe != NULL)
        file_put(old_exe);
}

static void commit_task(const struct exec *e)
{
    struct task *t = current;

    task_set_comm(t, base_name(e->path));
    t->flags &= ~(TF_FORKNOEXEC | TF_KTHREAD);
    t->altstack_sp = t->altstack_size = 0;
    t->altstack_flags = 0;
    t->set_child_tid = NULL;
    t->restart.fn = NULL;
    if (e->secure)
        t->pdeath_signal = 0;
}

static void switch_mm_to(struct exec *e)
{
    struct process *p = current->proc;
    struct mm *old = current->mm, *new = e->mm;

    if (old != NULL) {
        task_release_mm(current);
        p->max_rss_pages = max(p->max_rss_pages, mm_peak_rss(old));
    }
    new->dumpable = !e->secure;
    e->mm = NULL;
    mm_set_current(new);
}

/* No way back from here: an error kills. */
static int exec_commit(struct exec *e)
{
    struct arch_exec x = {
        .entry = e->elf.ehdr.e_entry + e->elf.bias,
        .sp = e->sp,
        .load_bias = e->elf.bias,
        .elf_flags = e->elf.ehdr.e_flags,
    };

    process_timers_exec(current->proc);
    switch_mm_to(e);
    commit_process(e);
    commit_task(e);
    files_close_on_exec(current->files);
    arch_flush_thread();
    if (elf_clear_tails(&e->elf) != 0 ||
        (e->interp_file != NULL && elf_clear_tails(&e->interp) != 0))
        return -EFAULT;
    if (exec_stack_write(e) != 0)
        return -EFAULT;
    if (e->interp_file != NULL) {
        x.entry = e->interp.ehdr.e_entry + e->interp.bias;
        x.load_bias = e->interp.bias;
        x.elf_flags = e->interp.ehdr.e_flags;
    }
    arch_start_user(task_regs(current), &x);
    return 0;
}

/* *killed: the old program is gone and the new one cannot start; the caller gives back what it has
 * and ends the process. */
static int execute(const struct exec_request *rq, bool *killed)
{
    struct exec *e = kzalloc(sizeof(*e));
    int err;

    *killed = false;
    if (e == NULL)
        return -ENOMEM;
    e->path = rq->name;
    err = exec_prepare(e, rq);
    if (err == 0)
        err = de_thread();
    if (err == 0)
        err = unshare_sighand(current->proc);
    if (err == 0) {
        err = exec_commit(e);
        *killed = err != 0;
    }
    exec_free(e);
    kfree(e);
    return err;
}

int do_execve(const struct exec_request *rq)
{
    bool killed;
    int err = execute(rq, &killed);

    if (killed)
        do_group_exit(SIGSEGV);
    return err;
}

/* ---- system calls ---------------------------------------------------------------------------- */

/* What the program is called when its path alone does not say it: fexecve and directories given as
 * descriptors. */
static const char *name_by_fd(char *buf, size_t n, int dirfd, const char *path)
{
    if (dirfd == AT_FDCWD || path[0] == '/')
        return path;
    snprintf(buf, n, path[0] != '\0' ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, path);
    return buf;
}

static long exec_user(int dirfd, const char __user *upath, const struct exec_strings *strings,
                      int at_flags)
{
    char *path = kmalloc(2 * PATH_MAX + 32), *name = path + PATH_MAX;
    struct exec_request rq = { dirfd, at_flags, path, NULL, *strings };
    bool killed = false;
    ssize_t len;
    long err;

    if (path == NULL)
        return -ENOMEM;
    len = strncpy_from_user(path, upath, PATH_MAX);
    if (len < 0) {
        err = len;
    } else if (len == 0 && (at_flags & AT_EMPTY_PATH) == 0) {
        err = -ENOENT;
    } else {
        rq.name = name_by_fd(name, PATH_MAX + 32, dirfd, path);
        err = execute(&rq, &killed);
    }
    kfree(path);
    if (killed)
        do_group_exit(SIGSEGV);
    return err;
}

SYSCALL3(execve, const char __user *, path, const void __user *, argv, const void __user *, envp)
{
    return exec_user(AT_FDCWD, path, &(struct exec_strings){ false, argv, envp }, 0);
}

SYSCALL5(execveat, int, dirfd, const char __user *, path, const void __user *, argv,
         const void __user *, envp, int, flags)
{
    if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0)
        return -EINVAL;
    return exec_user(dirfd, path, &(struct exec_strings){ false, argv, envp }, flags);
}
