/* SPDX-License-Identifier: MIT */
/* poweroff: ends the machine at once (in QEMU: ends QEMU). */
#include <err.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
    sync();
    reboot(RB_POWER_OFF);
    err(1, "reboot");
}
