/* SPDX-License-Identifier: MIT */
/*
 * memcpy.S: memcpy, memmove, memset with string instructions: eight bytes per step, the rest one by
 * one. Short code, and under an instruction-counting emulator one count per step. Source: SDM
 * volume 2, REP MOVS, STOS.
 */
#include <asm/quire_asm.h>

    .text
FUNCTION memcpy
    mov %rdi, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    and $7, %edx
    jz 1f
    mov %edx, %ecx
    rep movsb
1:  ret
END_FUNCTION memcpy

FUNCTION memmove
    mov %rdi, %rax
    sub %rsi, %rax
    cmp %rdx, %rax
    jae memcpy /* the destination does not begin inside the source: forwards is right */
    mov %rdi, %rax
    lea -1(%rdi, %rdx), %rdi
    lea -1(%rsi, %rdx), %rsi
    mov %rdx, %rcx
    and $7, %ecx
    shr $3, %rdx
    std
    rep movsb
    mov %rdx, %rcx
    sub $7, %rdi
    sub $7, %rsi
    rep movsq
    cld
    ret
END_FUNCTION memmove

FUNCTION memset
    mov %rdi, %r8
    movzbl %sil, %eax
    movabs $0x0101010101010101, %r9
    imul %r9, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep stosq
    and $7, %edx
    jz 1f
    mov %edx, %ecx
    rep stosb
1:  mov %r8, %rax
    ret
END_FUNCTION memset
