/* SPDX-License-Identifier: MIT */
/* tmpfs.h: between the files of tmpfs. */
#pragma once
#include "../internal.h"
#include <mm/page_cache.h>

extern const struct inode_ops tmpfs_dir_iops, tmpfs_file_iops, tmpfs_link_iops, tmpfs_special_iops;
extern const struct mapping_ops tmpfs_mapping_ops;
/* Calls @one for each "name=value" of the mount options @text; -EINVAL for other text, or the first
 * error of @one. */
int mount_options(const char *text, int (*one)(void *ctx, const char *name, const char *value),
                  void *ctx);
int mount_option_octal(const char *s, mode_t *mode); /* 0 or -EINVAL */
int mount_option_id(const char *s, u32 *id);
/* The root directory of a file system whose tree is the dentry tree. 0, -ENOMEM. */
int tmpfs_make_root(struct super_block *sb, mode_t mode, uid_t uid, gid_t gid);
