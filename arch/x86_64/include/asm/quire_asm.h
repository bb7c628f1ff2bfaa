/* SPDX-License-Identifier: MIT */
/*
 * quire_asm.h: macros for assembly files and inline assembly: the exception table and the SMAP
 * instructions.
 *
 * stac and clac do not exist on CPUs without SMAP. Each site is a three-byte nop that
 * cpu_features_detect() replaces before the text becomes read-only; .patches lists the sites.
 * Source: SDM volume 2, CLAC, STAC.
 */
#pragma once

#define PATCH_CLAC 1
#define PATCH_STAC 2

#ifdef __ASSEMBLY__

.macro EXCEPTION from, to
    .pushsection .exceptions, "a"
    .balign 4
    .long \from - ., \to - .
    .popsection
.endm

.macro PATCH_SITE kind
990:
    .byte 0x0f, 0x1f, 0x00
    .pushsection .patches, "a"
    .balign 4
    .long 990b - ., \kind
    .popsection
.endm

#define CLAC PATCH_SITE PATCH_CLAC
#define STAC PATCH_SITE PATCH_STAC

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

#define PATCH_SITE(kind)                                                                          \
    "990: .byte 0x0f, 0x1f, 0x00\n"                                                               \
    ".pushsection .patches, \"a\"\n"                                                              \
    ".balign 4\n"                                                                                 \
    ".long 990b - ., " #kind "\n"                                                                 \
    ".popsection\n"

#define CLAC PATCH_SITE(1)
#define STAC PATCH_SITE(2)

#endif
