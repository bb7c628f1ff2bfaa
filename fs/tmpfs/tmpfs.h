/* SPDX-License-Identifier: MIT */
/* tmpfs.h: between the files of tmpfs. */
#pragma once
#include "../internal.h"
#include <mm/page_cache.h>

extern const struct inode_ops tmpfs_dir_iops, tmpfs_file_iops, tmpfs_link_iops, tmpfs_special_iops;
extern const struct mapping_ops tmpfs_mapping_ops;
/* A new inode in the file system's limits: 0 or -ENOSPC. */
int tmpfs_inode_charge(struct super_block *sb);
