/* SPDX-License-Identifier: MIT */
/* shm_internal.h: the table of System V segments, for shm.c and shm_ctl.c. */
#pragma once
#include <kernel/mutex.h>
#include <kernel/time.h>
#include <kernel/vfs.h>

struct shm_segment {
    struct list_head link; /* the table */
    int id;
    int key;
    size_t size;           /* bytes, as asked for */
    struct file *object;   /* [S] */
    atomic_t refs;
    uid_t uid, cuid;
    gid_t gid, cgid;
    unsigned int mode;     /* permissions, SHM_DEST, SHM_LOCKED */
    pid_t cpid, lpid;
    s64 atime, dtime, ctime; /* seconds */
};

extern struct mutex shm_lock; /* the table, and the fields of its segments */
extern struct list_head shm_segments;
extern int shm_nr_segments;

/* In seconds, as segments have it. */
static inline s64 shm_now(void)
{
    return (s64)(clock_realtime_ns() / NSEC_PER_SEC);
}

/* With a reference. NULL: no such id; a segment whose last reference just went is no longer there.
 * shm_lock held. */
struct shm_segment *shm_find_get(int id);
/* Last reference: the id goes, then the memory. */
void shm_segment_put(struct shm_segment *s);
/* May current have the access @want (permission bits of any class)? shm_lock held. */
bool shm_permitted(const struct shm_segment *s, unsigned int want);

/* shm_ctl.c: shmctl(2), for ipc(2), too. */
long shm_ctl(int id, int cmd, void __user *buf);
