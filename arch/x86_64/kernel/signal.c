/* SPDX-License-Identifier: MIT */
/*
 * signal.c: the frame that a signal handler gets on the user stack, and the way back from it.
 *
 * Which signal, and when, is decided in kernel/; here is only its layout, which is Linux's: return
 * address, ucontext, siginfo, above them the FPU state in XSAVE form with Linux's markers. Programs
 * and debuggers read and write it.
 * No locks: current's own state. A frame that cannot be written or read ends in SIGSEGV.
 * I1: what sigreturn loads cannot fault the kernel: RIP is canonical, segments are the user's,
 *     RFLAGS bits that a user may not set keep their values, the FPU image passed fpu_sanitize().
 * Source: the UAPI headers asm/sigcontext.h and asm/ucontext.h; System V ABI, AMD64 supplement
 * 3.2.2 (red zone).
 * Read next: kernel/signal/, fpu.c.
 */
#include "internal.h"
#include <arch/mmu_const.h>
#include <arch/task.h>
#include <asm/errno.h>
#include <asm/sigcontext.h>
#include <kernel/signal.h>
#include <asm/ucontext.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task_regs.h>
#include <kernel/uaccess.h>
#include <mm/slab.h>

struct rt_sigframe {
    u64 return_address;
    struct ucontext uc;
    siginfo_t info;
};

#define RED_ZONE 128
#define FPSTATE_ALIGN 64
/* Flags that belong to the program. */
#define USER_FLAGS                                                                                \
    (0xcd5UL | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_RF | X86_EFLAGS_AC | X86_EFLAGS_ID)

static size_t fpstate_size(void)
{
    return fpu_area_size() + (fpu_features() != 0 ? FP_XSTATE_MAGIC2_SIZE : 0);
}

size_t arch_min_sigstack(void)
{
    return ALIGN_UP(sizeof(struct rt_sigframe) + fpstate_size() + FPSTATE_ALIGN + 16 + 8, 16);
}

/*
 * Writes the FPU registers to @to with Linux's markers; 0 or -EFAULT. The markers' places in the
 * area are nobody else's: XSAVE does not write them, XRSTOR does not read them. A switch may save
 * into the area again meanwhile: the same registers, so the copy is whole.
 */
static int write_fpstate(u8 __user *to)
{
    struct _fpstate *s = current->arch.fpu;
    const u32 magic2 = FP_XSTATE_MAGIC2;

    preempt_disable();
    fpu_save_full(s);
    preempt_enable();
    if (fpu_features() != 0) {
        s->sw_reserved = (struct _fpx_sw_bytes){
            .magic1 = FP_XSTATE_MAGIC1,
            .extended_size = (u32)fpstate_size(),
            .xfeatures = fpu_features(),
            .xstate_size = (u32)fpu_area_size(),
        };
        memcpy((u8 *)s + fpu_area_size(), &magic2, sizeof(magic2));
    }
    return copy_to_user(to, s, fpstate_size());
}

static void fill_sigcontext(struct sigcontext *sc, const struct pt_regs *r, u64 mask)
{
    const struct trap_note *trap = &current->trap;

    *sc = (struct sigcontext){
        .r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11,
        .r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
        .rdi = r->rdi, .rsi = r->rsi, .rbp = r->rbp, .rbx = r->rbx,
        .rdx = r->rdx, .rax = r->rax, .rcx = r->rcx, .rsp = r->rsp,
        .rip = r->rip, .eflags = r->rflags, .cs = (u16)r->cs, .ss = (u16)r->ss,
        .err = trap->error, .trapno = trap->number, .cr2 = trap->addr, .oldmask = mask,
    };
}

/*
 * Lowest address of the frame and, above it, of the FPU state; false when an alternate stack would
 * overflow.
 */
static bool place_frame(const struct pt_regs *regs, const struct ksigaction *act, vaddr_t *frame,
                        vaddr_t *fpstate)
{
    const struct task *t = current;
    vaddr_t sp = signal_frame_top(regs->rsp - RED_ZONE, act);
    bool on_alt = sp != regs->rsp - RED_ZONE || signal_on_altstack(sp);

    *fpstate = ALIGN_DOWN(sp - fpstate_size(), FPSTATE_ALIGN);
    /* As if the handler had been called: RSP + 8 is a multiple of 16. */
    *frame = ALIGN_DOWN(*fpstate - sizeof(struct rt_sigframe), 16) - 8;
    return !on_alt || *frame >= t->altstack_sp;
}

int arch_setup_sigframe(struct pt_regs *regs, const siginfo_t *info, const struct ksigaction *act,
                        const sigset_t *oldmask)
{
    struct rt_sigframe f;
    vaddr_t frame, fpstate;

    if (!(act->flags & SA_RESTORER) || !place_frame(regs, act, &frame, &fpstate))
        return -EFAULT;
    if (write_fpstate((u8 __user *)fpstate) != 0)
        return -EFAULT;
    /*
     * Every byte of f is set: no kernel memory leaks through it, and no time is spent on clearing.
     */
    f.return_address = (u64)act->restorer;
    f.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    if (fpu_features() != 0)
        f.uc.uc_flags |= UC_FP_XSTATE;
    f.uc.uc_link = NULL;
    signal_save_altstack(&f.uc.uc_stack);
    fill_sigcontext(&f.uc.uc_mcontext, regs, oldmask->bits);
    f.uc.uc_mcontext.fpstate = (struct _fpstate *)fpstate;
    f.uc.uc_sigmask = *oldmask;
    f.info = *info;
    if (copy_to_user((void __user *)frame, &f, sizeof(f)) != 0)
        return -EFAULT;

    regs->rdi = (unsigned long)info->si_signo;
    regs->rsi = frame + offsetof(struct rt_sigframe, info);
    regs->rdx = frame + offsetof(struct rt_sigframe, uc);
    regs->rax = 0;
    regs->rip = (unsigned long)act->handler;
    regs->rsp = frame;
    regs->cs = USER_CS;
    regs->ss = USER_DS;
    regs->rflags &= ~(X86_EFLAGS_DF | X86_EFLAGS_RF | X86_EFLAGS_TF);
    regs->orig_rax = -1;
    return 0;
}

/*
 * Is there extended state behind the FXSAVE image? Its markers must be as write_fpstate() left
 * them.
 */
static int has_extended_state(const u8 __user *from, bool *extended)
{
    struct _fpx_sw_bytes sw;
    u32 magic2;

    *extended = false;
    if (fpu_features() == 0)
        return 0;
    if (copy_from_user(&sw, from + offsetof(struct _fpstate, sw_reserved), sizeof(sw)) != 0)
        return -EFAULT;
    if (sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size != fpu_area_size() ||
        sw.extended_size != fpstate_size())
        return 0;
    if (get_user_u32(&magic2, from + fpu_area_size()) != 0)
        return -EFAULT;
    *extended = magic2 == FP_XSTATE_MAGIC2;
    return 0;
}

static int read_fpstate(const u8 __user *from)
{
    size_t len = sizeof(struct _fpstate);
    bool extended;
    void *area, *old;
    int err;

    if (!from) {
        fpu_reset(current->arch.fpu);
        return 0;
    }
    err = has_extended_state(from, &extended);
    if (err)
        return err;
    /* Not into the thread's own area: the copy may sleep, and a switch would save over it. The new
     * one becomes the thread's own. */
    err = fpu_alloc_raw(&area);
    if (err)
        return err;
    if (extended)
        len = fpu_area_size();
    err = copy_from_user(area, from, len);
    if (!err && !fpu_sanitize(area, len))
        err = -EINVAL;
    if (!err) {
        preempt_disable();
        old = current->arch.fpu;
        current->arch.fpu = area;
        fpu_restore(area);
        preempt_enable();
        area = old;
    }
    fpu_free(area);
    return err;
}

/* Would iretq take it? Bits 47 (56 with five levels) to 63 must be equal. */
static bool is_canonical(vaddr_t va)
{
    unsigned int shift = cpu_features.la57 ? 64 - 57 : 64 - 48;

    return (vaddr_t)((long)(va << shift) >> shift) == va;
}

static void load_sigcontext(struct pt_regs *r, const struct sigcontext *sc)
{
    *r = (struct pt_regs){
        .r8 = sc->r8, .r9 = sc->r9, .r10 = sc->r10, .r11 = sc->r11,
        .r12 = sc->r12, .r13 = sc->r13, .r14 = sc->r14, .r15 = sc->r15,
        .rdi = sc->rdi, .rsi = sc->rsi, .rbp = sc->rbp, .rbx = sc->rbx,
        .rdx = sc->rdx, .rax = sc->rax, .rcx = sc->rcx, .rsp = sc->rsp,
        .rip = sc->rip, .cs = USER_CS, .ss = USER_DS, .orig_rax = -1,
        .rflags = (r->rflags & ~USER_FLAGS) | (sc->eflags & USER_FLAGS),
    };
}

SYSCALL0(rt_sigreturn)
{
    struct pt_regs *regs = current_regs();
    const void __user *frame = (const void __user *)(regs->rsp - sizeof(u64));
    struct rt_sigframe f;
    vaddr_t rip;

    if (copy_from_user(&f, frame, offsetof(struct rt_sigframe, info)) != 0)
        goto bad;
    signal_set_blocked(&f.uc.uc_sigmask);
    load_sigcontext(regs, &f.uc.uc_mcontext);
    if (read_fpstate((const u8 __user *)f.uc.uc_mcontext.fpstate) != 0)
        goto bad;
    signal_restore_altstack(&f.uc.uc_stack, regs->rsp);
    rip = regs->rip;
    if (!is_canonical(rip)) {
        /* Keep the kernel's iretq from faulting; the program gets what the CPU would raise. */
        regs->rip = 0;
        signal_send_fault(SIGSEGV, SI_KERNEL, 0, X86_GP, 0);
    }
    return (long)regs->rax;
bad:
    regs->orig_rax = -1;
    signal_send_fault(SIGSEGV, SI_KERNEL, 0, X86_GP, 0);
    return (long)regs->rax;
}
