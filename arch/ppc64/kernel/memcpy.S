/* SPDX-License-Identifier: MIT */
/*
 * memcpy.S: memcpy, memmove, memset: 16 words of eight bytes per step, four, one, then bytes.
 * The CPU does unaligned accesses to memory by itself. Source: Power ISA 3.0B Book II section 1.9.
 */
#include <asm/quire_asm.h>

    .text
/* r3 = destination, which is the result, so r6 runs. */
FUNCTION memcpy
    mr 6, 3
    srdi. 7, 5, 7
    beq 6f
    mtctr 7
7:  .set at, 0
    .rept 4
    ld 8, at(4)
    ld 9, at + 8(4)
    ld 10, at + 16(4)
    ld 11, at + 24(4)
    std 8, at(6)
    std 9, at + 8(6)
    std 10, at + 16(6)
    std 11, at + 24(6)
    .set at, at + 32
    .endr
    addi 4, 4, 128
    addi 6, 6, 128
    bdnz 7b
6:  rldicl. 7, 5, 59, 62 /* groups of four that are left: 0 to 3 */
    beq 2f
    mtctr 7
1:  ld 8, 0(4)
    ld 9, 8(4)
    ld 10, 16(4)
    ld 11, 24(4)
    std 8, 0(6)
    std 9, 8(6)
    std 10, 16(6)
    std 11, 24(6)
    addi 4, 4, 32
    addi 6, 6, 32
    bdnz 1b
2:  rldicl. 7, 5, 61, 62 /* words that are left: 0 to 3 */
    beq 4f
    mtctr 7
3:  ld 8, 0(4)
    std 8, 0(6)
    addi 4, 4, 8
    addi 6, 6, 8
    bdnz 3b
4:  andi. 7, 5, 7
    beqlr
    mtctr 7
5:  lbz 8, 0(4)
    stb 8, 0(6)
    addi 4, 4, 1
    addi 6, 6, 1
    bdnz 5b
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
    mr 6, 3
    srdi. 7, 5, 7
    beq 6f
    mtctr 7
7:  .set at, 0
    .rept 16
    std 4, at(6)
    .set at, at + 8
    .endr
    addi 6, 6, 128
    bdnz 7b
6:  rldicl. 7, 5, 59, 62
    beq 2f
    mtctr 7
1:  std 4, 0(6)
    std 4, 8(6)
    std 4, 16(6)
    std 4, 24(6)
    addi 6, 6, 32
    bdnz 1b
2:  rldicl. 7, 5, 61, 62
    beq 4f
    mtctr 7
3:  std 4, 0(6)
    addi 6, 6, 8
    bdnz 3b
4:  andi. 7, 5, 7
    beqlr
    mtctr 7
5:  stb 4, 0(6)
    addi 6, 6, 1
    bdnz 5b
    blr
END_FUNCTION memset
