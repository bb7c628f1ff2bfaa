/* SPDX-License-Identifier: MIT */
/* devpts.h: the names of pseudo-terminals, /dev/pts/N. */
#pragma once
#include <kernel/vfs.h>

#define DEVPTS_MAJOR 136

/*
 * A node for a new terminal under the lowest number that is free, its minor number; it is
 * current's, with the mode that the file system was mounted with. Opens go to @fop, which finds
 * @private in the inode. The caller gets a reference. ERR_PTR: -ENOSPC no number is free, -ENOMEM.
 */
struct inode *devpts_add(const struct file_ops *fop, void *private);
/* The name is gone, the number free, the caller's reference given up; others keep theirs. */
void devpts_remove(struct inode *i);
/* Opens @i, which has a name or had one, as open(2) with @flags would. ERR_PTR. */
struct file *devpts_open(struct inode *i, unsigned int flags);
void devpts_init(void);
