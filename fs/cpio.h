/* SPDX-License-Identifier: MIT */
/*
 * cpio.h: reading newc (and crc) cpio archives in memory. Stands alone: cpio.c uses nothing of the
 * kernel but types, so that it also compiles into a fuzzing program.
 */
#pragma once
#include <kernel/types.h>

struct cpio_reader {
    const u8 *data;
    size_t len, pos;
    size_t base;       /* where the present archive of several concatenated ones begins */
    const char *error; /* after cpio_next gave -1: what is wrong */
    size_t error_pos;  /* and at which offset */
};

struct cpio_entry {
    u32 ino, mode, uid, gid, nlink, mtime, size;
    u32 dev_major, dev_minor, rdev_major, rdev_minor;
    const char *name; /* NUL-terminated, in the archive */
    const u8 *data;   /* size bytes */
    size_t offset;    /* of the header */
    bool new_archive; /* first entry behind a trailer: inode numbers start anew */
};

void cpio_begin(struct cpio_reader *r, const void *data, size_t len);
/* 1: *e is the next entry; 0: the end; -1: malformed, see r->error. */
int cpio_next(struct cpio_reader *r, struct cpio_entry *e);
