/* SPDX-License-Identifier: MIT */
/* dirent.h: what getdents(2) and getdents64(2) return; the package of Linux's headers lacks both.
 * Source: getdents(2). */
#pragma once
#include <kernel/types.h>

struct linux_dirent64 {
    u64 d_ino;
    s64 d_off; /* position behind this entry */
    u16 d_reclen;
    u8 d_type; /* DT_* */
    char d_name[];
};

/* The old call: d_type lies in the entry's last byte. */
struct linux_dirent {
    unsigned long d_ino;
    unsigned long d_off;
    u16 d_reclen;
    char d_name[];
};

#define DT_UNKNOWN 0
#define DT_FIFO    1
#define DT_CHR     2
#define DT_DIR     4
#define DT_BLK     6
#define DT_REG     8
#define DT_LNK     10
#define DT_SOCK    12
/* The type bits of a mode are the DT_ values, shifted. */
#define DT_OF_MODE(mode) (((mode) >> 12) & 15)
