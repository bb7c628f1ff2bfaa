/* SPDX-License-Identifier: MIT */
/*
 * world.h: what address spaces need of the rest of the kernel: a task with limits, files whose
 * memory is a mapping, signals that never come.
 */
#pragma once
#include <kernel/task.h>
#include <kernel/vfs.h>

extern struct task host_task;
extern struct process host_process;

/* host_boot plus everything that address spaces need; the calling thread becomes host_task, root,
 * without limits. Once. */
void host_world_init(u64 bytes);
/* A file of @size bytes, in memory only; @f_mode of FMODE_READ, FMODE_WRITE. One reference. Files
 * are counted. */
struct file *host_file_create(u64 size, unsigned int f_mode);
/* ftruncate. */
void host_file_truncate(struct file *f, u64 size);
extern long host_nr_files;
