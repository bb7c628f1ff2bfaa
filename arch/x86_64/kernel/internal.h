/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the files of arch/x86_64/kernel tell each other, and arch/x86_64/mm's use of the
 * APIC.
 */
#pragma once
#include <asm/quire_cpu.h>
#include <asm/quire_ptrace.h>
#include <kernel/cpu.h>

struct bootinfo;
struct task;

/* Exception vectors. Source: SDM volume 3, table 6-1. */
enum {
    X86_DE = 0, X86_DB = 1, X86_NMI = 2, X86_BP = 3, X86_OF = 4, X86_BR = 5, X86_UD = 6, X86_NM = 7,
    X86_DF = 8, X86_TS = 10, X86_NP = 11, X86_SS = 12, X86_GP = 13, X86_PF = 14, X86_MF = 16,
    X86_AC = 17, X86_MC = 18, X86_XF = 19, NR_EXCEPTIONS = 32
};
/* Interrupt vectors; device lines lie at VECTOR_DEVICE + line. */
#define VECTOR_DEVICE   0x30
#define VECTOR_TIMER    0xf0
#define VECTOR_CALL     0xf1
#define VECTOR_RESCHED  0xf2
#define VECTOR_SPURIOUS 0xff

/* gdt.c: this CPU's descriptor tables, segments and TSS. */
void gdt_init_cpu(unsigned int cpu);
/* The stack that the CPU switches to on entry from user mode. */
void tss_set_kernel_stack(unsigned int cpu, unsigned long top);
/* idt.c */
void idt_init(void);
void idt_load(void);

/* entry.S */
extern const u8 exception_entries[], interrupt_entries[]; /* 16 bytes each */
#define ENTRY_STUB_BYTES 16
void syscall_entry(void);
void ret_from_fork(void);
void page_fault_entry(void);
/*
 * Saves the callee-saved registers at *@save_sp, continues at @load_sp; returns @prev in the new
 * context.
 */
struct task *switch_stack(unsigned long *save_sp, unsigned long load_sp, struct task *prev);

/* syscall.c: MSRs of the fast system call. */
void syscall_init_cpu(void);

/* apic.c */
void apic_init(void);     /* boot CPU, after ioremap works */
void apic_init_cpu(void); /* each CPU */
void apic_eoi(void);
void apic_send_ipi(unsigned int cpu, unsigned int vector);
void apic_send_ipi_all_others(unsigned int vector);
void apic_send_nmi_all_others(void);
void apic_start_cpu(unsigned int hw_id, paddr_t start_page); /* INIT, then SIPI twice */
unsigned int apic_id(void);
void apic_timer_start(u32 ticks);
u32 apic_timer_current(void);
bool apic_ready(void);

/* ioapic.c */
void ioapic_init(void);
int ioapic_route(unsigned int irq, unsigned int vector, unsigned int hw_id);

/* acpi.c: what the firmware tables said. */
#define MAX_IOAPICS 4
struct acpi_info {
    bool found;
    paddr_t lapic;
    unsigned int nr_cpus;
    u32 apic_ids[NR_CPUS];
    unsigned int nr_dropped_cpus; /* more than NR_CPUS */
    unsigned int nr_ioapics;
    struct {
        paddr_t base;
        u32 first_gsi;
    } ioapic[MAX_IOAPICS];
    struct {
        u32 gsi;
        bool active_low, level;
    } isa[16];                    /* where each ISA line really goes */
    u16 pm1a_control, pm1b_control, pm1a_event; /* ports; 0 when there is none */
    u32 smi_command_port;
    u8 acpi_enable;
    u16 s5_type_a, s5_type_b;     /* SLP_TYP of the off state */
    u8 reset_space, reset_value;  /* FADT reset register; reset_addr 0 when there is none */
    u64 reset_addr;
};
extern struct acpi_info acpi;
void acpi_parse(const struct bootinfo *bi); /* before the early map goes away */

/* time.c */
void time_init_early(void); /* TSC frequency */
void time_init(void);       /* boot CPU, after apic_init: timer frequency */
/* Spins. For hardware that must be waited for. */
void delay_us(unsigned int us);

/* smp.c */
void smp_prepare(const struct bootinfo *bi); /* keeps a page below 1 MiB for the start code */

/* irq.c */
/* A line that a device raises by a message; returns the vector to write, or -EBUSY. */
int __must_check irq_register_message(void (*fn)(void *arg), void *arg, const char *name);

/* fpu.c */
void fpu_init(void);       /* boot CPU: which state there is */
void fpu_init_cpu(void);
int __must_check fpu_alloc(void **area); /* initial state; 0 or -ENOMEM */
int __must_check fpu_alloc_raw(void **area); /* contents to be copied in by the caller */
void fpu_free(void *area);
void fpu_save(void *area);
void fpu_save_full(void *area); /* also what is in its initial state: user memory sees it */
void fpu_restore(const void *area);
void fpu_reset(void *area); /* to the initial state; also the registers when it is current's */
extern size_t fpu_area_bytes;
extern u64 fpu_xcr0;
/* What the CPU saves to and restores from. Each area has FP_XSTATE_MAGIC2_SIZE bytes more, for the
 * mark that ends a signal frame's image. */
static inline size_t fpu_area_size(void)
{
    return fpu_area_bytes;
}
/* XCR0, 0 without XSAVE. */
static inline u64 fpu_features(void)
{
    return fpu_xcr0;
}
/*
 * Makes a saved area that came from user memory safe to load; false when its header is malformed.
 */
bool fpu_sanitize(void *area, size_t len);

/* traps.c */
void handle_exception(struct pt_regs *regs, unsigned long vector, unsigned long error);
void handle_page_fault(struct pt_regs *regs, unsigned long error, unsigned long addr);
void handle_interrupt(struct pt_regs *regs, unsigned long vector);
void handle_paranoid(struct pt_regs *regs, unsigned long vector, unsigned long error);
