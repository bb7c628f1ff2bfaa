/* SPDX-License-Identifier: MIT */
/*
 * A system call, or other instructions, with chosen contents in a set of registers, and what is in
 * them behind it. Which registers, the test says: how they are loaded from r9 and stored to r10.
 */
#ifndef TESTS_USER_PPC64_HOLDING_H
#define TESTS_USER_PPC64_HOLDING_H

/* Number and arguments. */
#define CALL(...) ((const long[7]){__VA_ARGS__})

/* @work may use r3 to r8, r11, r12 and 416 bytes at r1; 64(r1) has r10. */
#define HOLDING(load, work, store)                                                                 \
    "stdu 1, -512(1)\n\tstd 10, 64(1)\n\t" load "\n\t" work "\n\tld 10, 64(1)\n\t" store           \
    "\n\taddi 1, 1, 512"

/*
 * call_holding(want, got, CALL(nr, arguments)): the result, or the errno negated. @hold puts
 * instructions between the test's load and store; the rest are names of the registers for gcc.
 * Inline: the child of a vfork comes back here, too, on the same stack.
 */
#define DEFINE_CALL_HOLDING(type, hold, ...)                                                       \
    static inline __attribute__((always_inline)) long call_holding(const type *want, type *got,    \
                                                                   const long *call)               \
    {                                                                                              \
        register long r0 __asm__("r0") = call[0];                                                  \
        register long r3 __asm__("r3") = call[1];                                                  \
        register long r4 __asm__("r4") = call[2];                                                  \
        register long r5 __asm__("r5") = call[3];                                                  \
        register long r6 __asm__("r6") = call[4];                                                  \
        register long r7 __asm__("r7") = call[5];                                                  \
        register long r8 __asm__("r8") = call[6];                                                  \
        register const type *r9 __asm__("r9") = want;                                              \
        register type *r10 __asm__("r10") = got;                                                   \
                                                                                                   \
        __asm__ volatile(hold("sc\n\tbns 1f\n\tneg 3, 3\n1:")                                      \
                         : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7), "+r"(r8),   \
                           "+r"(r9), "+r"(r10)                                                     \
                         :                                                                         \
                         : "r11", "r12", "ctr", "xer", "cr0", "memory", __VA_ARGS__);              \
        return r3;                                                                                 \
    }

#endif
