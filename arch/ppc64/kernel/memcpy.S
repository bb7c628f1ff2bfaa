/* SPDX-License-Identifier: MIT */
/*
 * memcpy.S: memcpy, memmove, memset: eight bytes per step, the rest one by one. The CPU does
 * unaligned accesses to memory by itself. Source: Power ISA 3.0B Book II section 1.9.
 */
#include <asm/quire_asm.h>

    .text
FUNCTION memcpy
    li 6, 0
    srdi. 7, 5, 3
    beq 2f
    mtctr 7
1:  ldx 8, 4, 6
    stdx 8, 3, 6
    addi 6, 6, 8
    bdnz 1b
2:  andi. 7, 5, 7
    beqlr
    mtctr 7
3:  lbzx 8, 4, 6
    stbx 8, 3, 6
    addi 6, 6, 1
    bdnz 3b
    blr
END_FUNCTION memcpy

FUNCTION memmove
    subf 6, 4, 3
    cmpld 6, 5
    bge memcpy /* the destination does not begin inside the source: forwards is right */
    mr 6, 5
    andi. 7, 5, 7
    beq 2f
    mtctr 7
1:  addi 6, 6, -1
    lbzx 8, 4, 6
    stbx 8, 3, 6
    bdnz 1b
2:  srdi. 7, 5, 3
    beqlr
    mtctr 7
3:  addi 6, 6, -8
    ldx 8, 4, 6
    stdx 8, 3, 6
    bdnz 3b
    blr
END_FUNCTION memmove

FUNCTION memset
    rldimi 4, 4, 8, 48
    rldimi 4, 4, 16, 32
    rldimi 4, 4, 32, 0
    li 6, 0
    srdi. 7, 5, 3
    beq 2f
    mtctr 7
1:  stdx 4, 3, 6
    addi 6, 6, 8
    bdnz 1b
2:  andi. 7, 5, 7
    beqlr
    mtctr 7
3:  stbx 4, 3, 6
    addi 6, 6, 1
    bdnz 3b
    blr
END_FUNCTION memset
