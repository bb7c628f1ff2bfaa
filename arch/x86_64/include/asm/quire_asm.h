/* SPDX-License-Identifier: MIT */
/*
 * quire_asm.h: macros for assembly files and inline assembly: the SMAP instructions, and those of
 * <kernel/linkage.h>.
 *
 * stac and clac do not exist on CPUs without SMAP. Each site is a three-byte nop that
 * cpu_features_detect() replaces before the text becomes read-only; .patches lists the sites.
 * Source: SDM volume 2, CLAC, STAC.
 */
#pragma once
#include <kernel/linkage.h>

#define PATCH_CLAC 1
#define PATCH_STAC 2

#ifdef __ASSEMBLY__

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

#else

#define PATCH_SITE(kind)                                                                          \
    "990: .byte 0x0f, 0x1f, 0x00\n"                                                               \
    ".pushsection .patches, \"a\"\n"                                                              \
    ".balign 4\n"                                                                                 \
    ".long 990b - ., " #kind "\n"                                                                 \
    ".popsection\n"

#define CLAC PATCH_SITE(1)
#define STAC PATCH_SITE(2)

#endif
