/* SPDX-License-Identifier: MIT */
/*
 * signal.c: the frame that a signal handler gets on the user stack, and the way back from it.
 *
 * Which signal, and when, is decided in kernel/; here is only its layout, which is Linux's for
 * 64-bit PowerPC: ucontext with all registers, siginfo, a gap for code that uses memory below its
 * stack pointer. Programs, debuggers and unwinders read and write it. The handler returns to the
 * code in a page that each program is given by exec.
 * No locks: current's own state. A frame that cannot be written or read ends in SIGSEGV.
 * I1: what sigreturn loads cannot harm the kernel: of MSR, FPSCR and CR only bits that a program
 *     may set are taken.
 * Source: the UAPI headers asm/sigcontext.h, asm/ucontext.h, asm/elf.h, asm/ptrace.h (order and
 * numbers of the registers); 64-bit PowerPC ELF ABI supplement 1.9 section 3.2.2.
 * Read next: kernel/signal/, fpu.c.
 */
#include "internal.h"
#include <arch/mmu_const.h>
#include <arch/task.h>
#include <asm/errno.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/signal.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <linux/mman.h>
#include <mm/mm.h>

#define NR_GREGS   48 /* struct pt_regs, padded */
#define NR_FREGS   33 /* FPR 0 to 31, FPSCR */
#define NR_VREGS   34 /* VR 0 to 31, VSCR in the last word of one, VRSAVE in the first of one */
#define VMX_WORDS  (NR_VREGS + NR_VREGS + 1 + 32)

struct linux_sigcontext {
    u64 unused[4];
    u32 signal, pad;
    u64 handler, oldmask;
    u64 regs;               /* address of gp_regs */
    u64 gp_regs[NR_GREGS];
    u64 fp_regs[NR_FREGS];
    u64 v_regs;             /* address of the vector registers in the frame, 16-byte aligned */
};

struct linux_ucontext {
    u64 flags, link;
    stack_t stack;
    sigset_t mask;
    u64 unused[15];
    struct linux_sigcontext mc;
};

struct frame_tail {
    u64 unused[2];
    u32 trampoline[6];      /* where older systems had the code to return to */
    u64 pinfo, puc;
    siginfo_t info;
};

struct rt_sigframe {
    struct linux_ucontext uc;
    /* Part of the ucontext: NR_VREGS times 16 bytes, then the second halves of VSR 0 to 31. */
    u64 vmx[VMX_WORDS];
    struct frame_tail tail;
    u8 gap[512];            /* of the interrupted program: below its r1 */
} __aligned(16);

_Static_assert(offsetof(struct linux_ucontext, mc) == 168, "Linux's layout");
_Static_assert(offsetof(struct linux_sigcontext, gp_regs) == 64, "Linux's layout");
_Static_assert(offsetof(struct linux_sigcontext, fp_regs) == 448, "Linux's layout");
_Static_assert(offsetof(struct rt_sigframe, vmx) == 888, "Linux's layout");
_Static_assert(offsetof(struct rt_sigframe, tail) == 1696, "Linux's layout");

/* Frame of a caller that the handler may save its own registers in. */
#define CALLER_FRAME 128

/* Condition register, XER and the like are a program's own; of MSR nothing is but these. */
#define MSR_SINGLE_STEP MSR_SE

/* ---- the page with the way back ---- */

/*
 * The other order than Linux's old one, on purpose: GCC's unwinder knows that one and then takes
 * register 99 for the return address, which its own tables have called a vector register since
 * GCC 10, and aborts. What it does not know ends the stack for it, which is what thread
 * cancellation needs.
 */
static const u32 sigreturn_code[] = {
    0x38000000 + __NR_rt_sigreturn, /* li r0, 172 */
    0x38210000 + CALLER_FRAME,      /* addi r1, r1, 128 */
    0x44000002,                     /* sc */
};

int arch_map_user_code(struct mm *mm)
{
    struct mmap_request rq = { .len = PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
                               .flags = MAP_PRIVATE | MAP_ANONYMOUS };
    long at = mm_mmap(mm, &rq);
    ssize_t n;

    if (at < 0)
        return (int)at;
    n = mm_access_remote(mm, (vaddr_t)at, (void *)sigreturn_code, sizeof(sigreturn_code), true);
    if (n != sizeof(sigreturn_code))
        return -ENOMEM;
    mm->arch_code = (vaddr_t)at;
    return mm_mprotect(mm, (vaddr_t)at, PAGE_SIZE, PROT_READ | PROT_EXEC);
}

/* ---- building a frame ---- */

size_t arch_min_sigstack(void)
{
    return sizeof(struct rt_sigframe) + CALLER_FRAME + 16;
}

/* Where in a frame at @frame the vector registers lie. */
static vaddr_t vmx_of(vaddr_t frame)
{
    return ALIGN_UP(frame + offsetof(struct rt_sigframe, vmx), 16);
}

/* @frame: where the structure will lie in user memory. */
static void fill_sigcontext(struct linux_sigcontext *sc, const struct pt_regs *r, vaddr_t frame)
{
    const struct arch_thread *a = &current->arch;
    struct pt_regs *out = (struct pt_regs *)sc->gp_regs;

    *out = *r;
    out->trap = a->trapno;
    out->dar = a->fault_addr;
    out->dsisr = a->error_code;
    out->msr |= a->fpu_used ? MSR_VEC | MSR_VSX : 0; /* the frame has them */
    sc->regs = frame + offsetof(struct rt_sigframe, uc.mc.gp_regs);
    sc->v_regs = vmx_of(frame);
    for (unsigned int i = 0; i < 32 && a->fpu_used; i++)
        sc->fp_regs[i] = a->fpu->vsr[i][0];
    sc->fp_regs[32] = a->fpu_used ? a->fpu->fpscr : 0;
}

static int write_vmx(u8 __user *to)
{
    const struct fpu_state *s = current->arch.fpu;
    u64 low[32];

    for (unsigned int i = 0; i < 32; i++)
        low[i] = s->vsr[i][1];
    if (copy_to_user(to, s->vsr[32], 32 * 16) != 0 ||
        copy_to_user(to + 32 * 16, s->vscr, 16) != 0 || put_user_u32(s->vrsave, to + 33 * 16) != 0)
        return -EFAULT;
    return copy_to_user(to + NR_VREGS * 16, low, sizeof(low));
}

/* Lowest address of the frame; false when an alternate stack would overflow. */
static bool place_frame(const struct pt_regs *regs, const struct ksigaction *act, vaddr_t *frame)
{
    vaddr_t sp = signal_frame_top(regs->gpr[1], act);
    bool on_alt = sp != regs->gpr[1] || signal_on_altstack(sp);

    *frame = ALIGN_DOWN(sp - sizeof(struct rt_sigframe), 16);
    return !on_alt || *frame - CALLER_FRAME >= current->altstack_sp;
}

/* A function pointer of an ELFv1 program points to a descriptor. */
static int enter_handler(struct pt_regs *regs, vaddr_t handler)
{
    u64 code = handler, toc;

    if (!current->arch.elfv2) {
        if (get_user_u64(&code, (const void __user *)handler) != 0 ||
            get_user_u64(&toc, (const void __user *)(handler + 8)) != 0)
            return -EFAULT;
        regs->gpr[2] = toc;
    } else {
        regs->gpr[12] = handler;
    }
    regs->nip = code;
    return 0;
}

static int write_frame(vaddr_t frame, const struct pt_regs *regs, const siginfo_t *info,
                       const struct ksigaction *act, const sigset_t *oldmask)
{
    struct linux_ucontext uc = { .mask = *oldmask };
    struct frame_tail tail = {
        .pinfo = frame + offsetof(struct rt_sigframe, tail.info), .puc = frame, .info = *info
    };
    int err;

    signal_save_altstack(&uc.stack);
    uc.mc.signal = (u32)info->si_signo;
    uc.mc.handler = (u64)act->handler;
    uc.mc.oldmask = oldmask->bits;
    fill_sigcontext(&uc.mc, regs, frame);
    err = copy_to_user((void __user *)frame, &uc, sizeof(uc));
    if (!err && current->arch.fpu_used)
        err = write_vmx((u8 __user *)vmx_of(frame));
    if (!err)
        err = copy_to_user((void __user *)(frame + offsetof(struct rt_sigframe, tail)), &tail,
                           sizeof(tail));
    return err; /* the gap is the interrupted program's */
}

int arch_setup_sigframe(struct pt_regs *regs, const siginfo_t *info, const struct ksigaction *act,
                        const sigset_t *oldmask)
{
    vaddr_t frame, sp;
    int err;

    if (!place_frame(regs, act, &frame))
        return -EFAULT;
    sp = frame - CALLER_FRAME;
    fpu_save_current();
    err = write_frame(frame, regs, info, act, oldmask);
    if (!err)
        err = put_user_u64(regs->gpr[1], (void __user *)sp); /* back chain */
    if (!err)
        err = enter_handler(regs, (vaddr_t)act->handler);
    if (err)
        return -EFAULT;
    fpu_forget(regs);
    current->arch.fpu->fpscr = 0;
    regs->gpr[1] = sp;
    regs->gpr[3] = (unsigned long)info->si_signo;
    regs->gpr[4] = frame + offsetof(struct rt_sigframe, tail.info);
    regs->gpr[5] = frame + offsetof(struct rt_sigframe, uc);
    regs->gpr[6] = frame;
    regs->link = current->mm->arch_code;
    regs->msr &= ~MSR_SE;
    regs->trap = 0;
    regs->result = 0;
    return 0;
}

/* ---- the way back ---- */

/*
 * Into the state of the current thread, whose registers are not live, so that nobody else writes
 * it. Vector registers only when the frame says that it has them, else they are zero.
 */
static int read_vmx(struct fpu_state *s, u64 v_regs, unsigned long msr)
{
    const u8 __user *v = (const u8 __user *)v_regs;
    u64 low[32];

    if (!(msr & MSR_VEC) || v_regs == 0)
        return 0;
    if (copy_from_user(s->vsr[32], v, 32 * 16) != 0 ||
        copy_from_user(s->vscr, v + 32 * 16, 16) != 0 ||
        get_user_u32(&s->vrsave, v + 33 * 16) != 0)
        return -EFAULT;
    if (!(msr & MSR_VSX))
        return 0;
    if (copy_from_user(low, v + 16 * NR_VREGS, sizeof(low)) != 0)
        return -EFAULT;
    for (unsigned int i = 0; i < 32; i++)
        s->vsr[i][1] = low[i];
    return 0;
}

static int read_fpu(const struct linux_sigcontext *sc, unsigned long msr)
{
    struct fpu_state *s = current->arch.fpu;
    u64 any = 0;

    for (unsigned int i = 0; i < NR_FREGS; i++)
        any |= sc->fp_regs[i];
    if (!current->arch.fpu_used && any == 0 && !(msr & MSR_VEC))
        return 0; /* the initial state, before and after */
    current->arch.fpu_used = true;
    fpu_reset(s);
    for (unsigned int i = 0; i < 32; i++)
        s->vsr[i][0] = sc->fp_regs[i];
    s->fpscr = sc->fp_regs[32];
    return read_vmx(s, sc->v_regs, msr);
}

static void load_gp_regs(struct pt_regs *r, const u64 *gp_regs)
{
    const struct pt_regs *from = (const struct pt_regs *)gp_regs;
    unsigned long msr = r->msr;

    *r = *from;
    r->msr = (msr & ~MSR_SINGLE_STEP) | (from->msr & MSR_SINGLE_STEP);
    r->softe = 1;
    r->trap = 0;
    r->result = 0;
}

static int restore_frame(struct pt_regs *regs, const void __user *frame)
{
    struct linux_ucontext uc;

    if (copy_from_user(&uc, frame, sizeof(uc)) != 0)
        return -EFAULT;
    fpu_forget(regs);
    if (read_fpu(&uc.mc, ((struct pt_regs *)uc.mc.gp_regs)->msr) != 0)
        return -EFAULT;
    signal_set_blocked(&uc.mask);
    load_gp_regs(regs, uc.mc.gp_regs);
    signal_restore_altstack(&uc.stack, regs->gpr[1]);
    return 0;
}

SYSCALL0(rt_sigreturn)
{
    struct pt_regs *regs = current_regs();
    vaddr_t frame = regs->gpr[1]; /* the code in the page took the handler's caller frame away */

    if (restore_frame(regs, (const void __user *)frame) != 0)
        signal_send_fault(SIGSEGV, SI_KERNEL, 0, 0, 0);
    return 0;
}
