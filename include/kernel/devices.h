/* SPDX-License-Identifier: MIT */
/* devices.h: drivers that every machine has; vfs_init starts them once there are files. */
#pragma once

void dmatest_init(void);     /* /dev/dmatest, when asked for */
void gup_test_init(void);    /* /sys/kernel/debug/gup_test */
void pci_init(void);         /* finds PCI devices and starts their drivers; may sleep */
void mem_devices_init(void); /* null, zero, full, random, urandom, kmsg, mem */
void page_huge_init(void);   /* page-huge, where there are huge pages */
void experiment_init(void);  /* experiment: row PT_EXPERIMENT */
void tty_init(
    void); /* console, tty and the machine's names for the same terminal; starts a thread */
