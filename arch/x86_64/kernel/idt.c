/* SPDX-License-Identifier: MIT */
/*
 * idt.c: the table that leads each vector to its entry in entry.S. One table for all CPUs,
 * read-only after boot. All gates turn interrupts off. Source: SDM volume 3, section 6.14.1. Read
 * next: entry.S, traps.c.
 */
#include "internal.h"

struct gate {
    u16 offset_low, selector;
    u8 ist, type;
    u16 offset_middle;
    u32 offset_high, reserved;
};

#define GATE_INTERRUPT 0x8e
#define GATE_USER      0x60 /* descriptor privilege level 3: int3 and into from user mode */

static struct gate idt[256] __aligned(4096) __ro_after_init;

static void set_gate(unsigned int vector, const void *entry, u8 ist, u8 privilege)
{
    u64 at = (u64)entry;

    idt[vector] = (struct gate){
        .offset_low = (u16)at,
        .selector = KERNEL_CS,
        .ist = ist,
        .type = GATE_INTERRUPT | privilege,
        .offset_middle = (u16)(at >> 16),
        .offset_high = (u32)(at >> 32),
    };
}

void idt_init(void)
{
    for (unsigned int v = 0; v < NR_EXCEPTIONS; v++)
        set_gate(v, exception_entries + v * ENTRY_STUB_BYTES, 0, 0);
    for (unsigned int v = NR_EXCEPTIONS; v < 256; v++)
        set_gate(v, interrupt_entries + (v - NR_EXCEPTIONS) * ENTRY_STUB_BYTES, 0, 0);
    set_gate(X86_PF, (const void *)page_fault_entry, 0, 0);
    set_gate(X86_BP, exception_entries + X86_BP * ENTRY_STUB_BYTES, 0, GATE_USER);
    set_gate(X86_OF, exception_entries + X86_OF * ENTRY_STUB_BYTES, 0, GATE_USER);
    /* gdt.c: the stacks in this order. */
    set_gate(X86_NMI, exception_entries + X86_NMI * ENTRY_STUB_BYTES, 1, 0);
    set_gate(X86_DF, exception_entries + X86_DF * ENTRY_STUB_BYTES, 2, 0);
    set_gate(X86_MC, exception_entries + X86_MC * ENTRY_STUB_BYTES, 3, 0);
}

void idt_load(void)
{
    struct {
        u16 limit;
        u64 base;
    } __packed idtr = { sizeof(idt) - 1, (u64)idt };

    __asm__ volatile("lidt %0" : : "m"(idtr) : "memory");
}
