/* SPDX-License-Identifier: MIT */
/*
 * traps.c: exceptions: a user's becomes a signal, the kernel's is repaired by the exception table
 * or ends in a panic.
 *
 * It decodes page faults into a struct fault_info and leaves them to mm_fault(). It delivers no
 * signal: that happens on the way back to user mode. No locks. Handlers start with interrupts off
 * and turn them on when the interrupted context had them on.
 * Source: SDM volume 3, sections 4.7 (page fault error code), 6.15 (exception reference). si_code
 * values: sigaction(2).
 * Read next: kernel/trap.c, kernel/extable.c, mm/fault.c.
 */
#include "internal.h"
#include <arch/debug.h>
#include <arch/task.h>
#include <kernel/extable.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/signal.h>
#include <kernel/smp.h>
#include <kernel/trap.h>
#include <mm/fault.h>
#include <mm/vmalloc.h>

/* Page fault error code. */
#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_USER    4u
#define PF_RSVD    8u
#define PF_INSTR   16u

static const struct {
    const char *name;
    int signal, code;
} exceptions[NR_EXCEPTIONS] = {
    [X86_DE] = { "divide error", SIGFPE, FPE_INTDIV },
    [X86_DB] = { "debug exception", SIGTRAP, TRAP_TRACE },
    [X86_BP] = { "breakpoint", SIGTRAP, SI_KERNEL },
    [X86_OF] = { "overflow", SIGSEGV, SI_KERNEL },
    [X86_BR] = { "bound range exceeded", SIGSEGV, SI_KERNEL },
    [X86_UD] = { "invalid opcode", SIGILL, ILL_ILLOPN },
    [X86_NM] = { "device not available", SIGSEGV, SI_KERNEL },
    [X86_TS] = { "invalid TSS", SIGSEGV, SI_KERNEL },
    [X86_NP] = { "segment not present", SIGBUS, SI_KERNEL },
    [X86_SS] = { "stack segment fault", SIGBUS, SI_KERNEL },
    [X86_GP] = { "general protection fault", SIGSEGV, SI_KERNEL },
    [X86_MF] = { "x87 error", SIGFPE, 0 },
    [X86_AC] = { "alignment check", SIGBUS, BUS_ADRALN },
    [X86_XF] = { "SIMD error", SIGFPE, 0 },
};

/* Why the FPU raised: the unmasked bits of the status word. SDM volume 1, section 8.5. */
static int fpe_code(u32 status)
{
    if (status & 1)
        return FPE_FLTINV;
    if (status & 4)
        return FPE_FLTDIV;
    if (status & 8)
        return FPE_FLTOVF;
    if (status & (2 | 16))
        return FPE_FLTUND;
    return status & 32 ? FPE_FLTRES : 0;
}

static int fpu_error_code(unsigned long vector)
{
    u32 mxcsr;
    u16 cw, sw;

    if (vector == X86_MF) {
        __asm__ volatile("fnstcw %0; fnstsw %1" : "=m"(cw), "=m"(sw));
        return fpe_code(sw & ~cw);
    }
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return fpe_code(mxcsr & ~(mxcsr >> 7));
}

static void user_exception(struct pt_regs *regs, unsigned long vector, unsigned long error)
{
    int signal = exceptions[vector].signal, code = exceptions[vector].code;
    /*
     * Faults at an instruction name it; those about a segment or a general protection have no
     * address.
     */
    vaddr_t addr = 0;

    if (vector == X86_DE || vector == X86_UD || vector == X86_DB)
        addr = regs->rip;
    if (vector == X86_MF || vector == X86_XF) {
        addr = regs->rip;
        code = fpu_error_code(vector);
    }
    if (signal == 0) { /* a vector that no CPU uses today */
        signal = SIGSEGV;
        code = SI_KERNEL;
    }
    if (vector == X86_DB)
        __asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0UL)); /* sticky: SDM 17.2.3 */
    signal_send_fault(signal, code, addr, (int)vector, error);
}

void handle_exception(struct pt_regs *regs, unsigned long vector, unsigned long error)
{
    const char *name = exceptions[vector].name ? exceptions[vector].name : "reserved exception";

    if ((long)error == -1)
        error = 0;
    if (user_mode(regs)) {
        irq_enable();
        user_exception(regs, vector, error);
        return;
    }
    if (exception_fixup(regs))
        return;
    panic_regs(regs, "%s in the kernel, error code %#lx", name, error);
}

static struct fault_info decode(const struct pt_regs *regs, unsigned long error, vaddr_t addr)
{
    struct fault_info fi = { .addr = addr };

    fi.flags |= error & PF_WRITE ? FAULT_WRITE : 0;
    fi.flags |= error & PF_INSTR ? FAULT_EXEC : 0;
    fi.flags |= error & PF_PRESENT ? FAULT_PRESENT : 0;
    fi.flags |= error & PF_RSVD ? FAULT_RSVD : 0;
    fi.flags |= user_mode(regs) ? FAULT_USER : 0;
    return fi;
}

void handle_page_fault(struct pt_regs *regs, unsigned long error, unsigned long addr)
{
    struct fault_info fi = decode(regs, error, addr);

    if (user_mode(regs)) {
        trap_note(X86_PF, error, addr);
        irq_enable();
        (void)mm_fault(&fi);
        return;
    }
    /*
     * Only the uaccess functions, which have entries in the exception table, may touch user memory.
     */
    if (trap_may_fault_in(&fi) && (regs->rflags & X86_EFLAGS_IF)) {
        irq_enable();
        bool ok = mm_fault(&fi);

        irq_disable();
        if (ok)
            return;
    }
    if (exception_fixup(regs))
        return;
    trap_bad_kernel_fault(regs, &fi, X86_PF, error);
}

void handle_paranoid(struct pt_regs *regs, unsigned long vector, unsigned long error)
{
    if (vector == X86_NMI) {
        smp_handle_nmi();
        return;
    }
    if (vector == X86_MC)
        panic_regs(regs, "machine check");
    if (vmalloc_is_guard(read_cr(2)))
        panic_regs(regs, "kernel stack overflow: the fault at %#lx hit a guard page", read_cr(2));
    panic_regs(regs, "double fault, error code %#lx, CR2 %#lx", error, read_cr(2));
}
