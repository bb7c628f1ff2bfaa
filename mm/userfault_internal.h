/* SPDX-License-Identifier: MIT */
/* userfault_internal.h: the descriptor of userfaultfd, for userfault.c and userfaultfd.c. */
#pragma once
#include <kernel/spinlock.h>
#include <kernel/wait.h>
#include <linux/userfaultfd.h>

struct mm;

struct userfaultfd {
    spinlock_t lock;
    atomic_t refs;           /* the file, and each fault on its way */
    struct mm *mm;           /* [S] with a reference on the structure */
    struct list_head faults; /* [lock] */
    u64 seq;                 /* [lock] */
    bool ready;              /* [lock] UFFDIO_API was done */
    bool user_mode_only;     /* [S] */
    struct wait_queue readers, sleepers;
};

/* The file's reference, or a fault's. */
void userfault_put(struct userfaultfd *u);
/* Faults in [start, end) look again. */
void userfault_wake(struct userfaultfd *u, vaddr_t start, vaddr_t end);
/* The first fault that nobody was told of; false: there is none. */
bool userfault_next_message(struct userfaultfd *u, struct uffd_msg *m);
bool userfault_has_message(struct userfaultfd *u);
/* Fills [dst, dst + len), with zeroes when @src is NULL. Bytes, or the error of the first page. */
s64 userfault_fill(struct userfaultfd *u, vaddr_t dst, const char __user *src, size_t len);
