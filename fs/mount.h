/* SPDX-License-Identifier: MIT */
/* mount.h: between mount.c and mount_calls.c. */
#pragma once

extern struct mutex mount_mutex;    /* LOCK_RENAME: also what rename(2) takes across directories */
extern struct list_head all_mounts; /* dentry_lock */
struct mount *mount_alloc(struct super_block *sb, struct dentry *root, const char *source,
                          unsigned long flags);
void mount_attach(struct mount *m, const struct path *at);
void mount_detach_locked(struct mount *m, struct path *at);
