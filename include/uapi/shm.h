/* SPDX-License-Identifier: MIT */
/*
 * shm.h: System V shared memory: the flags and commands of <linux/shm.h>, which itself asks for the
 * C library's headers. Structures come from the package. Source: shmget(2), shmop(2), shmctl(2).
 */
#pragma once
#include <kernel/types.h>
#include <linux/ipc.h>
#include <asm/shmbuf.h>

#define SHMMIN 1
#define SHMMNI 4096
#define SHMMAX (~0UL - (1UL << 24))

/* shmget */
#define SHM_HUGETLB    04000
#define SHM_NORESERVE  010000
#define SHM_HUGE_SHIFT 26
#define SHM_HUGE_MASK  0x3f
/* shmat */
#define SHM_RDONLY 010000
#define SHM_RND    020000
#define SHM_REMAP  040000
#define SHM_EXEC   0100000
/* shmctl */
#define SHM_LOCK     11
#define SHM_UNLOCK   12
#define SHM_STAT     13
#define SHM_INFO     14
#define SHM_STAT_ANY 15
/* shm_perm.mode */
#define SHM_DEST   01000 /* removed when the last process detaches */
#define SHM_LOCKED 02000

struct shm_info {
    int used_ids;
    unsigned long shm_tot, shm_rss, shm_swp; /* pages */
    unsigned long swap_attempts, swap_successes;
};
