/* SPDX-License-Identifier: MIT */
/*
 * A static position-independent program for exec_test: prints whether it was relocated, whether its
 * initialised pointers were, and whether the kernel told it where it is.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>

static int value = 42;
static int *volatile pointer = &value; /* needs a relocation */

int main(int argc, char **argv)
{
    uintptr_t here = (uintptr_t)&value, phdr = getauxval(AT_PHDR);
    uintptr_t apart = here > phdr ? here - phdr : phdr - here;

    printf("pie argc=%d relocated=%d data=%d phdr=%d", argc, here > 0x1000000, *pointer == 42,
           apart < 0x10000000);
    return 0;
}
