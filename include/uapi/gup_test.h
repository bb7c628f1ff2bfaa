/* SPDX-License-Identifier: MIT */
/*
 * gup_test.h: the calls of /sys/kernel/debug/gup_test, which are those of Linux with
 * CONFIG_GUP_TEST (its mm/gup_test.h), so that Linux's program of that name runs. For programs,
 * too: includes Linux's headers only.
 *
 * Each call gets or pins the pages of [addr, addr + size) of the caller, nr_pages_per_call at a
 * time, and gives them back.
 */
#pragma once
#include <linux/ioctl.h>
#include <linux/types.h>

#define GUP_TEST_MAX_DUMP 8

struct gup_test {
    __u64 get_delta_usec, put_delta_usec; /* out: what getting and giving back took */
    __u64 addr, size;                     /* size: out, bytes up to where it stopped */
    __u32 nr_pages_per_call;
    __u32 gup_flags;  /* GUP_TEST_WRITE, GUP_TEST_TOUCH */
    __u32 test_flags; /* GUP_TEST_DUMP_PINNED */
    __u32 which_pages[GUP_TEST_MAX_DUMP]; /* to be dumped, from 1; 0: none */
};
#define GUP_TEST_WRITE       1u
#define GUP_TEST_TOUCH       2u /* mark them accessed: what getting does here anyway */
#define GUP_TEST_DUMP_PINNED 1u

#define GUP_TEST_GET_FAST     _IOWR('g', 1, struct gup_test)
#define GUP_TEST_PIN_FAST     _IOWR('g', 2, struct gup_test)
#define GUP_TEST_PIN_LONGTERM _IOWR('g', 3, struct gup_test)
#define GUP_TEST_GET          _IOWR('g', 4, struct gup_test)
#define GUP_TEST_PIN          _IOWR('g', 5, struct gup_test)
#define GUP_TEST_DUMP         _IOWR('g', 6, struct gup_test)
