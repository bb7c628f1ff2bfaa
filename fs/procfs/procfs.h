/* SPDX-License-Identifier: MIT */
/* procfs.h: between the files of procfs. */
#pragma once
#include "../internal.h"
#include <mm/mm.h>

extern struct super_block *proc_sb;

/* What an inode of a process shows: inode->private. Holds a reference on the process. */
struct proc_ref {
    struct process *proc;
    pid_t tid;                     /* the thread: equal to tgid for /proc/PID itself */
    const struct pid_entry *entry; /* NULL for directories and links made by others */
    unsigned long n[2];            /* descriptor of fd/N and fdinfo/N, borders of map_files/A-B */
};

/* One name in /proc/PID. */
struct pid_entry {
    const char *name;
    mode_t mode; /* with type */
    int (*show)(struct seq *s, struct task *t);
    ssize_t (*store)(const char *buf, size_t n, struct task *t);
    const struct file_ops *fop;  /* instead of show and store */
    const struct inode_ops *iop; /* links and directories */
    bool secret;                 /* only for who may trace the process */
    bool process_only;           /* not in task/TID */
};

static inline struct proc_ref *proc_ref(const struct inode *i)
{
    return i->private;
}
/* An inode about thread @tid of @p, whose reference is taken. ERR_PTR. */
struct inode *proc_pid_inode(struct process *p, pid_t tid, mode_t mode);
/* The thread with a reference, or NULL when it is gone. */
struct task *proc_task_get(const struct inode *i);
/* 0, -ESRCH, -EACCES: may current see the secrets of the process? */
int proc_check_access(const struct inode *i);
/* Address space of the thread's process with a users reference; NULL: none any more;
 * ERR_PTR(-EACCES, -ESRCH). */
struct mm *proc_mm_get(const struct inode *i);
struct files *task_files_get(struct task *t); /* NULL when it exits */
struct inode *proc_pid_lookup(const char *name, size_t len);
/* "123" to 123, or -1. */
long proc_parse_number(const char *name, size_t len);

/* Operations of entries, by file. */
extern const struct file_ops proc_pid_dir_fops, proc_task_dir_fops, proc_fd_dir_fops,
    proc_fdinfo_dir_fops, proc_mapfiles_fops, proc_mem_fops, proc_pagemap_fops;
extern const struct inode_ops proc_pid_dir_iops, proc_task_dir_iops, proc_fd_dir_iops,
    proc_fdinfo_dir_iops, proc_mapfiles_iops, proc_exe_iops, proc_cwd_iops, proc_root_iops;
extern const struct pid_entry pid_entries[];

int pid_show_maps(struct seq *s, struct task *t), pid_show_smaps(struct seq *s, struct task *t),
    pid_show_smaps_rollup(struct seq *s, struct task *t),
    pid_show_numa_maps(struct seq *s, struct task *t),
    pid_show_pagetable(struct seq *s, struct task *t),
    pid_show_status(struct seq *s, struct task *t), pid_show_stat(struct seq *s, struct task *t),
    pid_show_statm(struct seq *s, struct task *t), pid_show_limits(struct seq *s, struct task *t),
    pid_show_cmdline(struct seq *s, struct task *t),
    pid_show_environ(struct seq *s, struct task *t), pid_show_auxv(struct seq *s, struct task *t),
    pid_show_comm(struct seq *s, struct task *t), pid_show_oom_score(struct seq *s, struct task *t),
    pid_show_oom_score_adj(struct seq *s, struct task *t),
    pid_show_oom_adj(struct seq *s, struct task *t), pid_show_wchan(struct seq *s, struct task *t),
    pid_show_mounts(struct seq *s, struct task *t),
    pid_show_mountinfo(struct seq *s, struct task *t),
    pid_show_personality(struct seq *s, struct task *t),
    pid_show_schedstat(struct seq *s, struct task *t), pid_show_io(struct seq *s, struct task *t);
ssize_t pid_store_comm(const char *buf, size_t n, struct task *t),
    pid_store_oom_score_adj(const char *buf, size_t n, struct task *t),
    pid_store_clear_refs(const char *buf, size_t n, struct task *t);
/* Debug kernels. */
extern const struct file_ops proc_fail_nth_fops;
int pid_show_make_it_fail(struct seq *s, struct task *t);
ssize_t pid_store_make_it_fail(const char *buf, size_t n, struct task *t);

/* Registering the fixed part. */
void proc_meminfo_init(void), proc_system_init(void), proc_sys_init(void), proc_kpage_init(void),
    proc_fail_init(void);
/* The name that maps shows for @v: "", "[heap]", "[stack]" or a path, in buf. */
const char *vma_name(struct vma *v, char *buf, size_t n);
u64 proc_ticks(u64 ns); /* USER_HZ */
