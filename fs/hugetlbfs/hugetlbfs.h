/* SPDX-License-Identifier: MIT */
/* hugetlbfs.h: between the files of hugetlbfs. */
#pragma once
#include "../tmpfs/tmpfs.h"
#include <arch/mmu.h>
#include <mm/hugetlb.h>

/* super_block.private. */
struct hugetlbfs_sb {
    struct huge_pool *pool;
    struct huge_subpool *sub; /* NULL: no limits */
};

extern const struct inode_ops hugetlbfs_file_iops;
/* file.c: fs_type.init_file. */
int hugetlbfs_init_file(struct inode *i);
/* pool_files.c */
void hugetlb_pool_files_init(void);
