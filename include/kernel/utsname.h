/* SPDX-License-Identifier: MIT */
/* utsname.h: what the system is called: uname(2), /proc/version, /proc/sys/kernel. */
#pragma once
#include <kernel/types.h>
#include <linux/utsname.h>

/* A consistent copy. */
void utsname_get(struct new_utsname *out);
/* The host's name; cut at 64 bytes. */
void utsname_set_host(const char *name, size_t n);
