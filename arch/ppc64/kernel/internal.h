/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the files of arch/ppc64/kernel tell each other and entry.S.
 */
#pragma once
#include <asm/quire_cpu.h>
#include <asm/quire_fault.h>
#include <asm/quire_platform.h>
#include <asm/quire_ptrace.h>
#include <arch/current.h>
#include <kernel/syscall.h>

struct bootinfo;
struct task;

/* Vectors. Source: Power ISA 3.0B Book III, figure 56. */
enum {
    PPC_RESET = 0x100, PPC_MACHINE_CHECK = 0x200, PPC_DATA_STORAGE = 0x300,
    PPC_DATA_SEGMENT = 0x380, PPC_INSN_STORAGE = 0x400, PPC_INSN_SEGMENT = 0x480,
    PPC_EXTERNAL = 0x500, PPC_ALIGNMENT = 0x600, PPC_PROGRAM = 0x700, PPC_FPU = 0x800,
    PPC_DECREMENTER = 0x900, PPC_SYSTEM_CALL = 0xc00, PPC_TRACE = 0xd00, PPC_VMX = 0xf20,
    PPC_VSX = 0xf40, PPC_FACILITY = 0xf60,
};
/* Set in regs->trap when the interrupted kernel stack could not be used. */
#define TRAP_BAD_STACK 1UL
#define RED_ZONE_AND_FRAME (288 + 48 + PT_REGS_SIZE) /* what an exception takes below r1 */

/* cpu->arch[]: 0 to 3 belong to arch/ppc64/mm. */
#define CPU_ARCH_IDLE_TOP 4 /* top of the stack of this CPU's idle task */
#define CPU_ARCH_TOC      5 /* r2 of kernel code, for entry.S */

#define EMERGENCY_STACK_SIZE KIB(16)
#define SMALL_STACK_SIZE     KIB(8)

struct save_slots {
    unsigned long gpr[13]; /* r0 to r12 */
    unsigned long cr, ctr, lr, xer, srr0, srr1, vector;
};

/* Per CPU, found by SPRG0: where entry code keeps registers before there is a stack. */
struct save_area {
    unsigned long r1, r10, r11, r12, cr;
    struct cpu *cpu;
    unsigned long slb_stack, nmi_stack, emergency_stack; /* tops, in the image */
    struct save_slots slb, nmi;
} __aligned(128);
extern struct save_area save_areas[NR_CPUS];
extern u8 emergency_stacks[NR_CPUS][EMERGENCY_STACK_SIZE];

/* entry.S */
void ret_from_fork(void);
long full_frame_call(unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4,
                     unsigned long a5, unsigned long a6);
extern syscall_fn ppc_full_frame_calls[NR_SYSCALLS]; /* by number: what full_frame_call calls */
struct task *switch_stack(unsigned long *save_sp, unsigned long load_sp, struct task *prev,
                          unsigned long top);

/* traps.c: everything that came to exception_entry but system calls. */
void handle_exception(struct pt_regs *regs);

/* irq.c */
void handle_interrupt(struct pt_regs *regs);

/* xics.c: the interrupt controller. */
void xics_init_cpu(void);
void xics_send_ipi(unsigned int cpu);
void xics_interrupt(void);
/* The line number under which <kernel/irq.h> knows interrupt source @source. */
int xics_line(u32 source);
/* Opens the line, towards the boot CPU. 0 or a negative errno. */
int __must_check xics_route(unsigned int line);

/* hvc.c: the hypervisor's terminal. */
void hvc_init(void);
int __must_check hvc_start_input(void);

/* rtas.c: @token with @nargs arguments; the first result, negative: error. @rets gets
 * the others. At most 6 and 8. */
s32 rtas_call(u32 token, unsigned int nargs, const u32 *args, unsigned int nrets, u32 *rets);

/* time.c */
void time_init(void);
/* Quiet until the next arch_timer_program: it would interrupt as long as it is negative. */
void time_stop_decrementer(void);

/* smp.c */
void smp_init_save_area(unsigned int cpu);
__noreturn void start_secondary(void);

/* fpu.c */
struct fpu_state {
    /* VSR 0 to 31 (their first halves are FPR 0 to 31), then VR 0 to 31. */
    u64 vsr[64][2];
    u32 vscr[4]; /* last word */
    u64 fpscr;
    u32 vrsave;
} __aligned(16);
void fpu_init(void);
int __must_check fpu_alloc(struct fpu_state **state); /* initial state */
void fpu_free(struct fpu_state *state);
void fpu_reset(struct fpu_state *state);
/* The current thread used a unit that was off. */
void fpu_enable(struct pt_regs *regs);
/* The registers of current to its fpu_state; they stay valid. */
void fpu_save_current(void);
/* @regs, current's or a new thread's: live no longer, memory is loaded at the next use. */
void fpu_forget(struct pt_regs *regs);
void fpu_switch(struct task *prev, struct task *next);

