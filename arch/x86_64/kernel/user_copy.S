/* SPDX-License-Identifier: MIT */
/*
 * user_copy.S: the loops that touch user memory. Each instruction that may fault has an entry in
 * the exception table; the callers in kernel/uaccess.c have checked that the range lies in the user
 * half. All return the number of bytes that were not done. A fault inside a word is retried by
 * bytes, so that a copy ends exactly at the border of what is mapped.
 */
#include <asm/quire_asm.h>

    .text
/* size_t user_copy(void *to, const void *from, size_t n) */
FUNCTION user_copy
    STAC
    mov %rdx, %rcx
    shr $3, %rcx
    and $7, %edx
1:  rep movsq
    mov %edx, %ecx
2:  rep movsb
3:  mov %rcx, %rax
    CLAC
    ret
4:  lea (%rdx, %rcx, 8), %rcx
    jmp 2b
    EXCEPTION 1b, 4b
    EXCEPTION 2b, 3b
END_FUNCTION user_copy

/* size_t user_clear(void *to, size_t n) */
FUNCTION user_clear
    STAC
    xor %eax, %eax
    mov %rsi, %rcx
    shr $3, %rcx
    and $7, %esi
1:  rep stosq
    mov %esi, %ecx
2:  rep stosb
3:  mov %rcx, %rax
    CLAC
    ret
4:  lea (%rsi, %rcx, 8), %rcx
    jmp 2b
    EXCEPTION 1b, 4b
    EXCEPTION 2b, 3b
END_FUNCTION user_clear
