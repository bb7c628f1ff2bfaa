/* SPDX-License-Identifier: MIT */
/*
 * quire_asm.h: macros for assembly files and inline assembly: wide constants, frames, and those of
 * <kernel/linkage.h>. Source: OpenPOWER ELFv2 ABI 1.5, section 2.3 (a function that is called from
 * outside its module sets r2 itself; the kernel is one module, so none does).
 */
#pragma once
#include <kernel/linkage.h>

/* A frame of entry.S: back chain, CR, LR, TOC; the marker of an exception frame; padding. */
#define FRAME_MARKER_OFFSET 32
#define FRAME_OVERHEAD      48
#define FRAME_MARKER        0x5175697265726567 /* "Quirereg" */
/* Debugging: what lies in a frame where r14 to r31 would be, when they are not in it. */
#define FRAME_POISON        0x6b657074206b6570 /* "kept kep" */
/* What code below r1 may use without moving it: an exception must step over it. ABI 2.2.3.4. */
#define RED_ZONE            288

#ifdef __ASSEMBLY__

/* The 64-bit address of a symbol. */
.macro LI64 reg, value
    lis \reg, \value@highest
    ori \reg, \reg, \value@higher
    sldi \reg, \reg, 32
    oris \reg, \reg, \value@high
    ori \reg, \reg, \value@l
.endm

/* The same for a number. */
.macro LI64C reg, value
    lis \reg, ((\value) >> 48) & 0xffff
    ori \reg, \reg, ((\value) >> 32) & 0xffff
    sldi \reg, \reg, 32
    oris \reg, \reg, ((\value) >> 16) & 0xffff
    ori \reg, \reg, (\value) & 0xffff
.endm

#endif
