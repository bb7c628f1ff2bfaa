/* SPDX-License-Identifier: MIT */
/*
 * traps.c: exceptions: a user's becomes a signal, the kernel's is repaired by the exception table
 * or ends in a panic.
 *
 * It decodes storage faults into a struct fault_info and leaves them to mmu_refill() and
 * mm_fault(). It delivers no signal: that happens on the way back to user mode. No locks. Handlers
 * start with interrupts off and turn them on when the interrupted context had them on.
 * Source: Power ISA 3.0B Book III section 6.5 (each interrupt's bits in SRR1, DSISR, DAR).
 * si_code values: sigaction(2).
 * Read next: kernel/trap.c, kernel/extable.c, mm/fault.c.
 */
#include "internal.h"
#include <arch/debug.h>
#include <arch/mmu.h>
#include <arch/task.h>
#include <kernel/extable.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/signal.h>
#include <kernel/trap.h>
#include <mm/fault.h>
#include <mm/vmalloc.h>

/* DSISR, and where an instruction fault has the same, SRR1. */
#define DSISR_NO_ENTRY   0x40000000UL
#define DSISR_WRITE      0x02000000UL
#define DSISR_MALFORMED  0x00080000UL /* radix: unsupported configuration of the tables */
/* Causes of a program interrupt, SRR1. */
#define SRR1_FP          0x00100000UL
#define SRR1_ILLEGAL     0x00080000UL
#define SRR1_PRIVILEGED  0x00040000UL
#define SRR1_TRAP        0x00020000UL
/* SRR1 bits 33-36 and 42-47 carry causes instead of the interrupted MSR. */
#define SRR1_CAUSES      0x783f0000UL

/* FPSCR: sticky exception bits and, in the same order, what enables them. */
#define FPSCR_VX 0x20000000UL
#define FPSCR_OX 0x10000000UL
#define FPSCR_UX 0x08000000UL
#define FPSCR_ZX 0x04000000UL
#define FPSCR_XX 0x02000000UL
#define FPSCR_ENABLES(fpscr) (((fpscr) & 0xf8UL) << 22)

static const char *exception_name(unsigned long trap)
{
    switch (trap) {
    case PPC_MACHINE_CHECK: return "machine check";
    case PPC_ALIGNMENT: return "alignment interrupt";
    case PPC_PROGRAM: return "program interrupt";
    case PPC_FPU: return "floating point unavailable";
    case PPC_SYSTEM_CALL: return "system call";
    case PPC_TRACE: return "trace interrupt";
    case PPC_VMX: return "vector unavailable";
    case PPC_VSX: return "VSX unavailable";
    case PPC_FACILITY: return "facility unavailable";
    default: return "unexpected interrupt";
    }
}

/* Why the FPU raised: an exception that is both pending and enabled. */
static int fpe_code(void)
{
    unsigned long pending;

    fpu_save_current();
    pending = current->arch.fpu->fpscr;
    pending &= FPSCR_ENABLES(pending);
    return pending & FPSCR_VX   ? FPE_FLTINV
           : pending & FPSCR_ZX ? FPE_FLTDIV
           : pending & FPSCR_OX ? FPE_FLTOVF
           : pending & FPSCR_UX ? FPE_FLTUND
           : pending & FPSCR_XX ? FPE_FLTRES
                                : 0;
}

static void user_program_interrupt(struct pt_regs *regs)
{
    unsigned long why = regs->dsisr;
    int signal = SIGILL, code = ILL_ILLOPC;

    if (why & SRR1_FP) {
        signal = SIGFPE;
        code = fpe_code();
    } else if (why & SRR1_TRAP) {
        signal = SIGTRAP;
        code = TRAP_BRKPT;
    } else if (why & SRR1_PRIVILEGED) {
        code = ILL_PRVOPC;
    }
    signal_send_fault(signal, code, regs->nip, PPC_PROGRAM, why);
}

static void user_exception(struct pt_regs *regs)
{
    switch (regs->trap) {
    case PPC_FPU:
    case PPC_VMX:
    case PPC_VSX:
        fpu_enable(regs);
        return;
    case PPC_PROGRAM:
        user_program_interrupt(regs);
        return;
    case PPC_ALIGNMENT:
        signal_send_fault(SIGBUS, BUS_ADRALN, regs->dar, PPC_ALIGNMENT, regs->dsisr);
        return;
    case PPC_TRACE:
        signal_send_fault(SIGTRAP, TRAP_TRACE, regs->nip, PPC_TRACE, 0);
        return;
    default: /* a facility that is off: as if the instruction did not exist */
        signal_send_fault(SIGILL, ILL_ILLOPC, regs->nip, (int)regs->trap, 0);
        return;
    }
}

static struct fault_info decode(const struct pt_regs *regs)
{
    bool insn = regs->trap == PPC_INSN_STORAGE || regs->trap == PPC_INSN_SEGMENT;
    bool segment = regs->trap == PPC_DATA_SEGMENT || regs->trap == PPC_INSN_SEGMENT;
    struct fault_info fi = { .addr = regs->dar };

    fi.flags |= insn ? FAULT_EXEC : 0;
    fi.flags |= user_mode(regs) ? FAULT_USER : 0;
    if (segment) /* says nothing about the kind of access */
        return fi;
    fi.flags |= !insn && (regs->dsisr & DSISR_WRITE) ? FAULT_WRITE : 0;
    fi.flags |= regs->dsisr & DSISR_NO_ENTRY ? 0 : FAULT_PRESENT;
    fi.flags |= regs->dsisr & DSISR_MALFORMED ? FAULT_RSVD : 0;
    return fi;
}

/* Does the MMU only lack what the tree has? */
static bool refilled(const struct fault_info *fi)
{
    const struct task *t = current;

    return !mmu_has(MMU_WALKS_TREE) && t && mmu_refill(t->mm, fi) == 0;
}

/* The tree has it by now: saves the access another fault. */
static void refill_behind(struct fault_info *fi)
{
    if (mmu_has(MMU_WALKS_TREE))
        return;
    fi->flags |= PPC_FAULT_ANSWERED;
    (void)mmu_refill(current->mm, fi);
}

/* May mm_fault() sleep here? Not while VSX registers are used (vsx_copy.S). */
static bool may_fault_in(const struct pt_regs *regs, const struct fault_info *fi)
{
    return trap_may_fault_in(fi) && (regs->msr & MSR_EE) && !(regs->msr & MSR_VSX);
}

/* @fi is not what the MMU only lacks. The details are for the signal that may come of it. */
static void user_storage_fault(const struct pt_regs *regs, struct fault_info *fi)
{
    trap_note(regs->trap, regs->dsisr, fi->addr);
    irq_enable();
    if (mm_fault(fi))
        refill_behind(fi);
}

static void handle_storage_fault(struct pt_regs *regs)
{
    struct fault_info fi = decode(regs);

    /* Of the kernel, only the uaccess functions, which have fixups, may touch user memory. */
    bool fixable = !user_mode(regs) && exception_has_fixup(regs);

    if ((user_mode(regs) || fixable || fi.addr >= KERNEL_BASE) && refilled(&fi))
        return;
    if (user_mode(regs)) {
        user_storage_fault(regs, &fi);
        return;
    }
    if (fixable && may_fault_in(regs, &fi)) {
        irq_enable();
        bool ok = mm_fault(&fi);

        irq_disable();
        if (ok) {
            refill_behind(&fi);
            return;
        }
    }
    if (exception_fixup(regs))
        return;
    trap_bad_kernel_fault(regs, &fi, regs->trap, regs->dsisr);
}

/* The same for most of them: a program's loads and stores. */
static void user_data_storage_fault(const struct pt_regs *regs)
{
    unsigned long why = regs->dsisr;
    struct fault_info fi = {
        .addr = regs->dar,
        .flags = FAULT_USER | (why & DSISR_WRITE ? FAULT_WRITE : 0) |
                 (why & DSISR_NO_ENTRY ? 0 : FAULT_PRESENT) |
                 (why & DSISR_MALFORMED ? FAULT_RSVD : 0),
    };

    if (!refilled(&fi))
        user_storage_fault(regs, &fi);
}

static __noreturn void bad_stack(struct pt_regs *regs)
{
    vaddr_t sp = regs->gpr[1];

    regs->trap &= ~TRAP_BAD_STACK;
    if (vmalloc_is_guard(regs->dar) || vmalloc_is_guard(sp - RED_ZONE_AND_FRAME))
        panic_regs(regs, "kernel stack overflow: the fault at %#lx hit a guard page", regs->dar);
    panic_regs(regs, "%s (%#lx) with a stack pointer outside the thread's stack, %#lx",
               exception_name(regs->trap), regs->trap, sp);
}

void handle_exception(struct pt_regs *regs)
{
    if (likely(regs->trap == PPC_DATA_STORAGE && user_mode(regs))) {
        user_data_storage_fault(regs);
        return;
    }
    if (regs->trap & TRAP_BAD_STACK)
        bad_stack(regs);
    if (regs->trap == PPC_INSN_STORAGE || regs->trap == PPC_PROGRAM) {
        regs->dsisr = regs->msr & SRR1_CAUSES;
        regs->msr &= ~SRR1_CAUSES;
    }
    switch (regs->trap) {
    case PPC_EXTERNAL:
    case PPC_DECREMENTER:
        handle_interrupt(regs);
        return;
    case PPC_INSN_STORAGE:
    case PPC_INSN_SEGMENT:
        regs->dar = regs->nip;
        handle_storage_fault(regs);
        return;
    case PPC_DATA_STORAGE:
    case PPC_DATA_SEGMENT:
        handle_storage_fault(regs);
        return;
    default:
        break;
    }
    if (user_mode(regs) && regs->trap != PPC_MACHINE_CHECK) {
        irq_enable();
        user_exception(regs);
        return;
    }
    if (exception_fixup(regs))
        return;
    panic_regs(regs, "%s (%#lx) in the kernel, cause %#lx", exception_name(regs->trap), regs->trap,
               regs->dsisr);
}
