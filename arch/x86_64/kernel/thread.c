/* SPDX-License-Identifier: MIT */
/*
 * thread.c: the machine side of threads: how one starts, how the CPU changes from one to the next,
 * what exec resets.
 *
 * User registers lie in the struct pt_regs at the top of the kernel stack; the rest (FPU, FS and GS
 * base) is saved by the switch. User segment selectors are not kept per thread: in 64-bit mode they
 * carry nothing but their base.
 * No locks: a thread changes its own state; the switch runs under the run queue's lock with
 * interrupts off.
 * Source: System V ABI, AMD64 supplement 3.4 (process initialisation). Read next: entry.S
 * (switch_stack), fpu.c.
 */
#include "internal.h"
#include <arch/mmu_const.h>
#include <arch/task.h>
#include <asm/errno.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/sections.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task_regs.h>
#include <linux/auxvec.h>
#include <linux/elf-em.h>

#define ELFCLASS64  2
#define ELFDATA2LSB 1
#define HWCAP2_FSGSBASE 2

/* What switch_stack pops. */
struct switch_frame {
    unsigned long r15, r14, r13, r12, rbx, rbp, rip;
};

void arch_clone_order(unsigned long fourth, unsigned long fifth, vaddr_t *child_tid,
                      unsigned long *tls)
{
    *child_tid = fourth;
    *tls = fifth;
}

/* The running thread's bases live in registers that user mode may write by itself. */
static void save_bases(struct arch_thread *a)
{
    if (cpu_features.fsgsbase)
        __asm__ volatile("rdfsbase %0" : "=r"(a->fs_base));
    a->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
}

static void load_bases(const struct arch_thread *a)
{
    if (cpu_features.fsgsbase)
        __asm__ volatile("wrfsbase %0" : : "r"(a->fs_base));
    else
        wrmsr(MSR_FS_BASE, a->fs_base);
    wrmsr(MSR_KERNEL_GS_BASE, a->gs_base);
}

struct task *arch_switch_to(struct task *prev, struct task *next)
{
    struct cpu *c = this_cpu();
    unsigned long top = (unsigned long)next->kstack + KSTACK_SIZE;

    if (prev->arch.fpu) {
        fpu_save(prev->arch.fpu);
        save_bases(&prev->arch);
    }
    if (next->arch.fpu) {
        fpu_restore(next->arch.fpu);
        load_bases(&next->arch);
    }
    set_current_task(next);
    c->kstack_top = top;
    tss_set_kernel_stack(c->id, top);
    return switch_stack(&prev->arch.ksp, next->arch.ksp, prev);
}

static int copy_user_state(struct task *child, const struct clone_args_k *args)
{
    struct pt_regs *regs = task_regs(child);
    int err;

    if (args->set_tls && args->tls >= user_top())
        return -EPERM;
    err = fpu_alloc_raw(&child->arch.fpu);
    if (err)
        return err;
    *regs = *args->regs;
    regs->rax = 0;
    if (args->stack != 0)
        regs->rsp = args->stack;
    preempt_disable();
    fpu_save(current->arch.fpu); /* whoever has user registers to copy has an FPU area */
    memcpy(child->arch.fpu, current->arch.fpu, fpu_area_size());
    save_bases(&current->arch);
    preempt_enable();
    child->arch.fs_base = args->set_tls ? args->tls : current->arch.fs_base;
    child->arch.gs_base = current->arch.gs_base;
    return 0;
}

int arch_copy_thread(struct task *child, const struct clone_args_k *args)
{
    struct pt_regs *regs = task_regs(child);
    struct switch_frame *frame = (struct switch_frame *)regs - 1;

    child->arch = (struct arch_thread){ 0 };
    memset(regs, 0, sizeof(*regs));
    memset(frame, 0, sizeof(*frame));
    if (args->regs) {
        int err = copy_user_state(child, args);

        if (err)
            return err;
    }
    frame->rbx = (unsigned long)args->fn;
    frame->r12 = (unsigned long)args->arg;
    frame->rip = (unsigned long)ret_from_fork;
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
    void *area;
    int err;

    if (current->arch.fpu)
        return 0;
    err = fpu_alloc(&area);
    if (err)
        return err;
    preempt_disable();
    current->arch.fpu = area;
    fpu_restore(area);
    preempt_enable();
    return 0;
}

/* Nothing: a program brings its own way back from a signal handler (SA_RESTORER). */
int arch_map_user_code(struct mm *mm)
{
    (void)mm;
    return 0;
}

void arch_flush_thread(void)
{
    struct task *t = current;

    fpu_reset(t->arch.fpu);
    preempt_disable();
    t->arch.fs_base = 0;
    t->arch.gs_base = 0;
    __asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs" : : "r"(0));
    load_bases(&t->arch);
    preempt_enable();
}

void arch_start_user(struct pt_regs *regs, const struct arch_exec *x)
{
    memset(regs, 0, sizeof(*regs));
    regs->orig_rax = -1; /* not the registers that syscall came with: no sysret */
    regs->rip = x->entry;
    regs->rsp = x->sp;
    regs->cs = USER_CS;
    regs->ss = USER_DS;
    regs->rflags = X86_EFLAGS_IF;
}

bool arch_elf_machine_ok(u16 machine, u8 elf_class, u8 elf_data)
{
    return machine == EM_X86_64 && elf_class == ELFCLASS64 && elf_data == ELFDATA2LSB;
}

const char *arch_elf_wanted(void)
{
    return "x86-64 (64-bit, little-endian)";
}

const char *arch_platform(void)
{
    return "x86_64";
}

const char *arch_uname_machine(void)
{
    return "x86_64";
}

unsigned long arch_hwcap(void)
{
    return cpuid(1, 0).edx;
}

unsigned long arch_hwcap2(void)
{
    return cpu_features.fsgsbase ? HWCAP2_FSGSBASE : 0;
}

unsigned int arch_auxv(u64 *words, unsigned int max)
{
    return 0;
}
