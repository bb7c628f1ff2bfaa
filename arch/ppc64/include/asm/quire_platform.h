/* SPDX-License-Identifier: MIT */
/*
 * quire_platform.h: what the device tree said about the machine. Filled by boot/ppc64 before
 * kernel_main, read-only afterwards.
 */
#pragma once
#include <kernel/types.h>

#define PPC_MAX_SEGMENT_SIZES 8
#define PPC_MAX_ACTUAL_SIZES  4

/* One base page size of a segment, "ibm,segment-page-sizes" of LoPAR C.6.1.4. */
struct ppc_segment_size {
    u32 shift; /* log2 of the base page size */
    u32 slb;   /* L and LP bits for the SLB entry */
    u32 nr;    /* actual page sizes in the hash table */
    struct {
        u32 shift, lp;
    } actual[PPC_MAX_ACTUAL_SIZES];
};

/* Tokens of RTAS functions; 0 when there is none. */
struct ppc_rtas {
    u32 power_off, system_reboot, start_cpu, stop_self, get_time_of_day, set_xive, os_term;
    u32 read_pci_config, write_pci_config, change_msi, query_interrupt_source;
};

/* The first PCI host bridge: its unit number, and the window for 32-bit memory BARs. */
struct ppc_phb {
    bool found;
    u64 buid;
    u64 window_bus, window_cpu, window_len;
};

struct ppc_platform {
    char model[64];
    u64 timebase_hz;
    u32 nr_cpus;
    u32 cpu_ids[NR_CPUS];     /* server numbers; [0] is the boot CPU */
    u32 nr_dropped_cpus;      /* more than NR_CPUS */
    u32 pft_size;             /* log2 of the hash table's bytes; 0 when there is none */
    u32 slb_size;
    u32 nr_segment_sizes;
    struct ppc_segment_size segment_size[PPC_MAX_SEGMENT_SIZES];
    bool hv_rtas;             /* "ibm,hypertas-functions" exists: hypervisor calls work */
    struct ppc_rtas rtas;
    u32 vty;                  /* unit address of the console */
    u32 vty_irq;              /* its interrupt source; 0 when there is none */
    struct ppc_phb phb;
};
extern struct ppc_platform ppc_platform;

/* Version register: which POWER this is. */
#define PVR_POWER8NVL 0x4c
#define PVR_POWER8E   0x4b
#define PVR_POWER8    0x4d
#define PVR_POWER9    0x4e
