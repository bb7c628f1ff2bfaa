/* SPDX-License-Identifier: MIT */
/*
 * linkage.h: how assembly files define functions, and how they and inline assembly enter an
 * instruction into the exception table (kernel/extable.c). For <asm/quire_asm.h> of the machines.
 */
#pragma once

#ifdef __ASSEMBLY__

.macro EXCEPTION from, to
    .pushsection .exceptions, "a"
    .balign 4
    .long \from - ., \to - .
    .popsection
.endm

.macro FUNCTION name
    .globl \name
    .type \name, @function
    .balign 16
\name:
.endm

.macro END_FUNCTION name
    .size \name, . - \name
.endm

#else

#define EXCEPTION_ENTRY(from, to)                                                                 \
    ".pushsection .exceptions, \"a\"\n"                                                           \
    ".balign 4\n"                                                                                 \
    ".long " from " - ., " to " - .\n"                                                            \
    ".popsection\n"

#endif
