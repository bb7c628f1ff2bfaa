/* SPDX-License-Identifier: MIT */
/*
 * cred.h: who a process is. Ids live in struct process and are those of all its threads
 * (credentials(7) as POSIX has it; Linux's own calls change one thread and its C libraries repeat
 * them in all). euid 0 has every capability. struct user counts what all processes of one real uid
 * have in use, against RLIMIT_NPROC and RLIMIT_SIGPENDING.
 */
#pragma once
#include <kernel/atomic.h>
#include <kernel/list.h>

struct process;

struct user {
    struct list_head link; /* LEAF: users_lock */
    uid_t uid;
    atomic_t refs;
    atomic_t nr_procs;      /* threads, as RLIMIT_NPROC counts them */
    atomic_t nr_sigpending; /* queued signals */
};

extern struct user root_user; /* never freed */

/* Finds or makes; a reference; NULL when out of memory. */
struct user *user_find_get(uid_t uid);
static inline void user_get(struct user *u)
{
    atomic_inc(&u->refs);
}
void user_put(struct user *u);
