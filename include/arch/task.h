/* SPDX-License-Identifier: MIT */
/*
 * arch/task.h: contract between tasks and signals (kernel/task, kernel/signal) and a machine's
 * registers.
 *
 * Every task has a kernel stack; a struct pt_regs lies at its top (the user registers of a user
 * thread). Implemented in arch/ARCH/kernel/. Signal frames and call restart are declared in
 * <kernel/signal.h>, the context switch in <kernel/sched.h>.
 */
#pragma once
#include <arch/ptrace.h>
#include <kernel/types.h>

struct mm;
struct task;
struct pt_regs;

/* How a new thread starts. Either fn is set (it starts in the kernel), or regs is (it starts in
 * user mode). */
struct clone_args_k {
    const struct pt_regs
        *regs; /* the parent's user registers; the child gets a copy with result 0; NULL with fn */
    vaddr_t stack; /* user stack pointer of the child; 0 = the parent's */
    bool set_tls;  /* CLONE_SETTLS: tls is the child's thread pointer, else it keeps the parent's */
    unsigned long tls;
    int (*fn)(
        void *); /* called first with arg; when it returns, the thread goes to user mode with the
                    pt_regs that arch_start_user filled meanwhile. kernel_thread's never returns. */
    void *arg;
};

/*
 * Fills @child->arch and @child's kernel stack so that the first switch to it runs
 * sched_finish_switch(prev), then args->fn or the return to user mode (through exit_to_user_work
 * when that is due). A user thread copies the FPU state of current. 0 or -ENOMEM; on error nothing
 * stays allocated.
 */
int __must_check arch_copy_thread(struct task *child, const struct clone_args_k *args);
/* Frees what arch_copy_thread or arch_prepare_exec allocated in @t->arch. @t does not run any more,
 * or never ran. */
void arch_free_thread(struct task *t);

/* clone(2)'s last two arguments, whose order differs between machines. */
void arch_clone_order(unsigned long fourth, unsigned long fifth, vaddr_t *child_tid,
                      unsigned long *tls);

/* A program image that is about to run. */
struct arch_exec {
    vaddr_t entry;     /* e_entry, load bias added */
    vaddr_t sp;        /* initial stack pointer, 16-byte aligned, points at argc */
    vaddr_t load_bias; /* added to the file's addresses; ELFv1 descriptors need it */
    u32 elf_flags;     /* e_flags */
};
/* Before the point of no return: allocates what a user thread needs and a kernel thread lacks (FPU
 * area). 0, -ENOMEM. */
int __must_check arch_prepare_exec(void);
/* exec, the new address space is not current yet: maps what the kernel itself gives each program
 * to run, e.g. the way back from a signal handler. 0 or a negative errno. */
int __must_check arch_map_user_code(struct mm *mm);
/* Current's FPU state, TLS pointer and other user registers outside pt_regs back to their initial
 * values. */
void arch_flush_thread(void);
/* All user registers to their initial values, then pc and sp. The new address space is current's
 * already. */
void arch_start_user(struct pt_regs *regs, const struct arch_exec *x);

/* Does this kernel run ELF files of this e_machine, EI_CLASS, EI_DATA? */
bool arch_elf_machine_ok(u16 machine, u8 elf_class, u8 elf_data);
const char *arch_elf_wanted(void); /* for messages: "x86-64 (64-bit, little-endian)" */
const char *arch_platform(void);   /* AT_PLATFORM: "x86_64" */
const char *arch_uname_machine(void);
unsigned long arch_hwcap(void), arch_hwcap2(void);
size_t arch_min_sigstack(
    void); /* AT_MINSIGSTKSZ: bytes of a signal frame, and sigaltstack's lower limit */
/* Further auxv pairs (AT_DCACHEBSIZE ...): fills @words (type, value alternating, at most @max),
 * returns words used. */
unsigned int arch_auxv(u64 *words, unsigned int max);

/* One word of hardware randomness; false when the CPU has none. */
bool arch_random_u64(u64 *v);
/* Ends the machine. status is seen as QEMU's exit status where the machine can say it (test runs).
 */
__noreturn void arch_poweroff(int status);
__noreturn void arch_restart(void);

/* kernel/task/user_return.c: called by arch with interrupts on when current has sigpending_flag or
 * need_resched is set, before returning to user mode; afterwards arch turns interrupts off and
 * looks again. */
void exit_to_user_work(struct pt_regs *regs);
