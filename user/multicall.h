/* SPDX-License-Identifier: MIT */
/* multicall.h: between multicall.c and the tables that user.mk generates. */
#ifndef USER_MULTICALL_H
#define USER_MULTICALL_H

struct multicall_program {
    const char *name; /* NULL ends the table */
    int (*main)(int argc, char **argv);
};
extern const struct multicall_program multicall_programs[];

#endif
