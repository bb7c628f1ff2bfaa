/* SPDX-License-Identifier: MIT */
/*
 * serial16550.c: the serial port as console: output by polling, input by interrupt.
 *
 * One port. Output waits until the transmitter is empty and then fills its FIFO, so that it costs
 * one status read per 16 bytes and works in a panic. Input bytes go to console_input(). It knows no
 * modem lines and no flow control.
 * Lock: none of its own; output runs under the log's lock, input in the interrupt handler.
 * Source: National Semiconductor PC16550D data sheet. Read next: kernel/printk.c, drivers/tty/.
 */
#include <kernel/console.h>
#include <kernel/irq.h>
#include <kernel/serial.h>

enum {
    REG_DATA = 0, REG_IER = 1, REG_FCR = 2, REG_LCR = 3, REG_MCR = 4, REG_LSR = 5, REG_SCRATCH = 7
};

#define IER_RECEIVE   0x01
#define FCR_ENABLE    0x01
#define FCR_CLEAR     0x06
#define LCR_8N1       0x03
#define LCR_DIVISOR   0x80
#define MCR_DTR_RTS   0x03
#define MCR_OUT2      0x08 /* on a PC the gate of the interrupt line */
#define LSR_DATA      0x01
#define LSR_TX_EMPTY  0x20
#define FIFO_BYTES    16
#define MAX_POLLS     1000000 /* a port that hangs must not hang the kernel */

static struct serial_port port;

static u8 reg_read(unsigned int reg)
{
    return port.read(port.base, reg);
}

static void reg_write(unsigned int reg, u8 v)
{
    port.write(port.base, reg, v);
}

static void serial_write(struct console *c, const char *s, size_t n)
{
    while (n > 0) {
        for (unsigned int i = 0; i < MAX_POLLS && !(reg_read(REG_LSR) & LSR_TX_EMPTY); i++)
            ;
        for (unsigned int i = 0; i < FIFO_BYTES && n > 0; i++, n--)
            reg_write(REG_DATA, (u8)*s++);
    }
}

static struct console serial_console = { .name = "ttyS0", .write = serial_write };

bool serial_init(const struct serial_port *p)
{
    port = *p;
    reg_write(REG_SCRATCH, 0x5a);
    if (reg_read(REG_SCRATCH) != 0x5a)
        return false;
    reg_write(REG_IER, 0);
    reg_write(REG_LCR, LCR_DIVISOR);
    reg_write(0, 1); /* divisor 1: 115200 */
    reg_write(1, 0);
    reg_write(REG_LCR, LCR_8N1);
    reg_write(REG_FCR, FCR_ENABLE | FCR_CLEAR);
    reg_write(REG_MCR, MCR_DTR_RTS);
    console_register(&serial_console);
    return true;
}

static void serial_interrupt(void *arg)
{
    while (reg_read(REG_LSR) & LSR_DATA)
        console_input((char)reg_read(REG_DATA));
}

int serial_start_input(unsigned int irq)
{
    int err = irq_register(irq, serial_interrupt, NULL, serial_console.name);

    if (err)
        return err;
    reg_write(REG_MCR, MCR_DTR_RTS | MCR_OUT2);
    reg_write(REG_IER, IER_RECEIVE);
    return 0;
}
