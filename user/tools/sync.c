/* SPDX-License-Identifier: MIT */
/* sync: writes what is dirty to its devices. */
#include <unistd.h>

int main(void)
{
    sync();
    return 0;
}
