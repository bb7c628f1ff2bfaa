/* SPDX-License-Identifier: MIT */
/*
 * exec_test's static position-independent program where the C library has no start file for one
 * (Debian's glibc for big-endian ppc64). Freestanding: it relocates itself as such a start file
 * would, and prints the same line as tests/user/exec_pie.c.
 *
 * What it needs from the kernel (ELFv1): e_entry names a descriptor {code, TOC} whose words are not
 * relocated yet; the program is entered with both moved by the load address, TOC in r2.
 */
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

static int value = 42;
static int *volatile pointer = &value; /* needs a relocation */

extern const char image_start[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));
extern const Elf64_Dyn dynamic[] __asm__("_DYNAMIC") __attribute__((visibility("hidden")));

void start_c(unsigned long *sp) __attribute__((noreturn));

/* The first word of the stack is argc. A first frame without a caller ends a backtrace. */
__asm__(".section .opd,\"aw\"\n"
        "\t.align 3\n"
        "\t.globl _start\n"
        "_start:\n"
        "\t.quad .L_start, .TOC.@tocbase, 0\n"
        "\t.text\n"
        ".L_start:\n"
        "\tmr 3, 1\n"
        "\tli 0, 0\n"
        "\tstdu 0, -128(1)\n"
        "\tbl start_c\n"
        "\tnop\n");

static long call(long nr, long a, long b, long c)
{
    register long r0 __asm__("r0") = nr;
    register long r3 __asm__("r3") = a;
    register long r4 __asm__("r4") = b;
    register long r5 __asm__("r5") = c;

    __asm__ volatile("sc"
                     : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5)
                     :
                     : "r6", "r7", "r8", "r9", "r10", "r11", "r12", "ctr", "cr0", "memory");
    return r3;
}

/* Adds the load address to every word that R_PPC64_RELATIVE names. */
static void relocate(uintptr_t base)
{
    const Elf64_Rela *rela = NULL;
    size_t len_bytes = 0;

    for (const Elf64_Dyn *d = dynamic; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_RELA)
            rela = (const Elf64_Rela *)(base + d->d_un.d_ptr);
        if (d->d_tag == DT_RELASZ)
            len_bytes = d->d_un.d_val;
    }
    for (size_t i = 0; i < len_bytes / sizeof(*rela); i++) {
        if (ELF64_R_TYPE(rela[i].r_info) == R_PPC64_RELATIVE)
            *(uintptr_t *)(base + rela[i].r_offset) = base + (uintptr_t)rela[i].r_addend;
    }
}

static void print(const char *text)
{
    long len = 0;

    while (text[len])
        len++;
    call(SYS_write, 1, (long)text, len);
}

static void print_flag(const char *name, bool flag)
{
    print(name);
    print(flag ? "1" : "0");
}

void start_c(unsigned long *sp)
{
    char argc[] = {(char)('0' + sp[0]), '\0'};
    uintptr_t base = (uintptr_t)image_start, phdr = 0, here = (uintptr_t)&value, apart;
    unsigned long *word = sp + 1 + sp[0] + 1;

    relocate(base);
    while (*word++) /* the environment; the auxiliary vector is behind it */
        ;
    for (; word[0] != AT_NULL; word += 2) {
        if (word[0] == AT_PHDR)
            phdr = word[1];
    }
    apart = here > phdr ? here - phdr : phdr - here;
    print("pie argc=");
    print(argc);
    print_flag(" relocated=", here > 0x1000000);
    print_flag(" data=", *pointer == 42);
    print_flag(" phdr=", apart < 0x10000000);
    call(SYS_exit_group, 0, 0, 0);
    for (;;)
        ;
}
