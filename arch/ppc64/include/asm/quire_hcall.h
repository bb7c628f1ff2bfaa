/* SPDX-License-Identifier: MIT */
/*
 * quire_hcall.h: calls of the hypervisor ("sc 1"). The number goes in r3, arguments in r4 and up;
 * the status comes back in r3, results in r4 and up.
 *
 * Source: Linux on Power Architecture Reference, chapter "Hypervisor call functions" (LoPAR
 * 14.5); the numbers are its table "Hypervisor call function tokens".
 */
#pragma once
#include <kernel/types.h>

enum {
    H_REMOVE = 0x04, H_ENTER = 0x08, H_READ = 0x0c, H_PROTECT = 0x18, H_GET_TERM_CHAR = 0x54,
    H_PUT_TERM_CHAR = 0x58, H_EOI = 0x64, H_CPPR = 0x68, H_IPI = 0x6c, H_XIRR = 0x74,
    H_CEDE = 0xe0, H_BULK_REMOVE = 0x124, H_RANDOM = 0x300, H_SET_MODE = 0x31c,
    H_REGISTER_PROC_TBL = 0x37c, H_SIGNAL_SYS_RESET = 0x380,
    H_RTAS = 0xf000, /* QEMU's own: the argument is the physical address of a request */
};

#define H_SUCCESS   0L
#define H_HARDWARE  (-1L)
#define H_FUNCTION  (-2L)
#define H_PRIVILEGE (-3L)
#define H_PARAMETER (-4L)
#define H_PTEG_FULL (-6L)
#define H_NOT_FOUND (-7L)

/*
 * Calls @op with arg[0..7] in r4 to r11; afterwards arg[] holds r4 to r11. Any context. Returns
 * the status.
 */
static inline long hcall_args(unsigned long op, unsigned long arg[8])
{
    register unsigned long r3 __asm__("r3") = op;
    register unsigned long r4 __asm__("r4") = arg[0];
    register unsigned long r5 __asm__("r5") = arg[1];
    register unsigned long r6 __asm__("r6") = arg[2];
    register unsigned long r7 __asm__("r7") = arg[3];
    register unsigned long r8 __asm__("r8") = arg[4];
    register unsigned long r9 __asm__("r9") = arg[5];
    register unsigned long r10 __asm__("r10") = arg[6];
    register unsigned long r11 __asm__("r11") = arg[7];

    __asm__ volatile("sc 1"
                     : "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7), "+r"(r8), "+r"(r9),
                       "+r"(r10), "+r"(r11)
                     :
                     : "r0", "r12", "ctr", "xer", "cr0", "cr1", "cr5", "cr6", "cr7",
                       "memory");
    arg[0] = r4, arg[1] = r5, arg[2] = r6, arg[3] = r7;
    arg[4] = r8, arg[5] = r9, arg[6] = r10, arg[7] = r11;
    return (long)r3;
}

/* The same for calls whose results nobody wants. */
static inline long hcall(unsigned long op, unsigned long a, unsigned long b, unsigned long c,
                         unsigned long d)
{
    register unsigned long r3 __asm__("r3") = op;
    register unsigned long r4 __asm__("r4") = a;
    register unsigned long r5 __asm__("r5") = b;
    register unsigned long r6 __asm__("r6") = c;
    register unsigned long r7 __asm__("r7") = d;

    __asm__ volatile("sc 1"
                     : "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7)
                     :
                     : "r0", "r8", "r9", "r10", "r11", "r12", "ctr", "xer", "cr0", "cr1", "cr5",
                       "cr6", "cr7", "memory");
    return (long)r3;
}
