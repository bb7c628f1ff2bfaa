/* SPDX-License-Identifier: MIT */
/* arch/info.h: contract for what the machine says about itself in /proc. */
#pragma once
#include <kernel/types.h>

/* The text of /proc/cpuinfo for one CPU; returns its length in @buf. */
int arch_cpuinfo(unsigned int cpu, char *buf, size_t n);
/* Makes the files of /proc that only this machine has. */
void arch_proc_init(void);
