/* SPDX-License-Identifier: MIT */
/* names.h: what name_calls.c shares with rename.c, open.c and attr.c. */
#pragma once

mode_t mode_after_umask(mode_t mode);
/* @dir locked: may an entry be added, may @victim be taken away? 0 or -errno. */
int may_create(struct inode *dir);
int may_delete(struct inode *dir, const struct dentry *victim, bool want_dir);
/* The calls, with names in kernel memory. 0 or -errno. */
int name_mkdir(int dirfd, const char *name, mode_t mode);
int name_mknod(int dirfd, const char *name, mode_t mode, dev_t rdev);
int name_symlink(const char *target, int dirfd, const char *name);
int name_link(const struct path *old, int dirfd, const char *name);
int name_rename(int odirfd, const char *old, int ndirfd, const char *new,
                unsigned int flags); /* RENAME_* */
int name_unlink(int dirfd, const char *name, bool rmdir);
