/* SPDX-License-Identifier: MIT */
/*
 * thread.c: the machine side of threads: how one starts, how the CPU changes from one to the next,
 * what exec resets.
 *
 * User registers lie in the struct pt_regs at the top of the kernel stack, the thread pointer (r13)
 * among them; FPU and vector registers are in fpu.c.
 * No locks: a thread changes its own state; the switch runs under the run queue's lock with
 * interrupts off.
 * Source: 64-bit PowerPC ELF ABI supplement 1.9 section 3.4 (function descriptors, process
 * initialisation); OpenPOWER ELFv2 ABI 1.5. Read next: entry.S (switch_stack), fpu.c.
 */
#include "internal.h"
#include <arch/mmu.h>
#include <arch/task.h>
#include <asm/auxvec.h>
#include <asm/errno.h>
#include <asm/quire_asm.h>
#include <kernel/panic.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task_regs.h>
#include <kernel/uaccess.h>
#include <linux/elf-em.h>

#define ELFCLASS64  2
#define ELFDATA2MSB 2
#define EF_PPC64_ABI 3u /* of e_flags; 2 is ELFv2, less are ELFv1 */
#define CACHE_BLOCK 128
#define CR0_SO      0x10000000UL

/* What switch_stack loads. */
struct switch_frame {
    unsigned long back_chain, cr, lr, toc;
    unsigned long gpr[18]; /* r14 to r31 */
};
/* Above it, the header of an exception frame. */
struct frame_header {
    unsigned long back_chain, cr, lr, toc, marker, padding;
};
_Static_assert(sizeof(struct frame_header) == FRAME_OVERHEAD, "entry.S");

void arch_clone_order(unsigned long fourth, unsigned long fifth, vaddr_t *child_tid,
                      unsigned long *tls)
{
    *tls = fourth;
    *child_tid = fifth;
}

struct task *arch_switch_to(struct task *prev, struct task *next)
{
    struct cpu *c = this_cpu();
    unsigned long top = next->kstack ? (unsigned long)next->kstack + KSTACK_SIZE
                                     : c->arch[CPU_ARCH_IDLE_TOP];

    fpu_switch(prev, next);
    set_current_task(next);
    return switch_stack(&prev->arch.ksp, next->arch.ksp, prev, top);
}

static int copy_user_state(struct task *child, const struct clone_args_k *args)
{
    struct pt_regs *regs = task_regs(child);
    int err;

    ASSERT(args->regs->gpr[14] != FRAME_POISON); /* entry.S: full_frame_call */
    if (args->set_tls && args->tls >= user_top())
        return -EPERM;
    err = fpu_alloc(&child->arch.fpu);
    if (err)
        return err;
    *regs = *args->regs;
    regs->gpr[3] = 0;
    regs->ccr &= ~CR0_SO;
    regs->trap = 0;
    if (args->stack != 0)
        regs->gpr[1] = args->stack;
    if (args->set_tls)
        regs->gpr[13] = args->tls;
    fpu_save_current();
    preempt_disable(); /* a switch would save into current's state */
    *child->arch.fpu = *current->arch.fpu;
    preempt_enable();
    fpu_forget(regs);
    child->arch.fpu_used = current->arch.fpu_used;
    child->arch.elfv2 = current->arch.elfv2;
    return 0;
}

int arch_copy_thread(struct task *child, const struct clone_args_k *args)
{
    struct pt_regs *regs = task_regs(child);
    struct frame_header *header = (struct frame_header *)regs - 1;
    struct switch_frame *frame = (struct switch_frame *)header - 1;

    child->arch = (struct arch_thread){ 0 };
    memset(regs, 0, sizeof(*regs));
    if (args->regs) {
        int err = copy_user_state(child, args);

        if (err)
            return err;
    }
    *header = (struct frame_header){ .lr = (unsigned long)ret_from_fork, .marker = FRAME_MARKER };
    *frame = (struct switch_frame){
        .back_chain = (unsigned long)header,
        .gpr = { (unsigned long)args->fn, (unsigned long)args->arg },
    };
    child->arch.ksp = (unsigned long)frame;
    return 0;
}

void arch_free_thread(struct task *t)
{
    fpu_free(t->arch.fpu);
    t->arch.fpu = NULL;
}

int arch_prepare_exec(void)
{
    return current->arch.fpu ? 0 : fpu_alloc(&current->arch.fpu);
}

void arch_flush_thread(void)
{
    fpu_forget(current_regs());
    fpu_reset(current->arch.fpu);
    current->arch.fpu_used = false;
}

/* An ELFv1 file's entry is a descriptor: the address of the code, then the value of r2. */
static int read_descriptor(struct pt_regs *regs, vaddr_t at, vaddr_t bias)
{
    u64 code, toc;

    if (get_user_u64(&code, (const void __user *)at) != 0 ||
        get_user_u64(&toc, (const void __user *)(at + 8)) != 0)
        return -EFAULT;
    regs->nip = code + bias;
    regs->gpr[2] = toc + bias;
    return 0;
}

void arch_start_user(struct pt_regs *regs, const struct arch_exec *x)
{
    memset(regs, 0, sizeof(*regs));
    regs->msr = MSR_USER;
    regs->softe = 1;
    regs->gpr[1] = x->sp;
    current->arch.elfv2 = (x->elf_flags & EF_PPC64_ABI) == 2;
    if (current->arch.elfv2) {
        regs->nip = x->entry;
        regs->gpr[12] = x->entry;
    } else if (read_descriptor(regs, x->entry, x->load_bias) != 0) {
        signal_send_fault(SIGSEGV, SEGV_MAPERR, x->entry, 0, 0);
    }
}

bool arch_elf_machine_ok(u16 machine, u8 elf_class, u8 elf_data)
{
    return machine == EM_PPC64 && elf_class == ELFCLASS64 && elf_data == ELFDATA2MSB;
}

const char *arch_elf_wanted(void)
{
    return "ppc64 (64-bit, big-endian)";
}

const char *arch_uname_machine(void)
{
    return "ppc64";
}

unsigned int arch_auxv(u64 *words, unsigned int max)
{
    static const u64 pairs[] = {
        AT_DCACHEBSIZE, CACHE_BLOCK, AT_ICACHEBSIZE, CACHE_BLOCK, AT_UCACHEBSIZE, 0,
    };
    unsigned int n = min(max, (unsigned int)ARRAY_SIZE(pairs));

    memcpy(words, pairs, n * sizeof(pairs[0]));
    return n;
}
