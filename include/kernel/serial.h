/* SPDX-License-Identifier: MIT */
/* serial.h: the 16550 serial port, wherever a machine has put its registers. */
#pragma once
#include <kernel/types.h>

struct serial_port {
    /* Access to register @reg (0..7) of the port at @base. */
    u8 (*read)(unsigned long base, unsigned int reg);
    void (*write)(unsigned long base, unsigned int reg, u8 v);
    unsigned long base;
};

/*
 * Sets the port up (115200 8N1) and makes it a console. False when nothing answers there. Works
 * before anything else.
 */
bool serial_init(const struct serial_port *port);
/*
 * From now on typed bytes go to console_input(), from interrupt line @irq. 0 or the error of
 * irq_register.
 */
int __must_check serial_start_input(unsigned int irq);
