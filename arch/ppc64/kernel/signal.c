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
#include "user_word.h"
#include <arch/mmu_const.h>
#include <arch/task.h>
#include <asm/errno.h>
#include <kernel/fail.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/signal.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task_regs.h>
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

/* The frame is current's, checked by access_ok; so are those below. */
static int put_gp_regs(struct linux_sigcontext __user *sc, const struct pt_regs *r)
{
    const struct trap_note *trap = &current->trap;
    struct pt_regs *out = (struct pt_regs *)sc->gp_regs;
    const u64 *from = (const u64 *)r;

#pragma GCC unroll 64
    for (unsigned int i = 0; i < sizeof(*r) / sizeof(u64); i++)
        user_put_word(from[i], &sc->gp_regs[i], fault);
    user_put_word(trap->number, &out->trap, fault);
    user_put_word(trap->addr, &out->dar, fault);
    user_put_word(trap->error, &out->dsisr, fault);
    if (current->arch.fpu_used)
        user_put_word(r->msr | MSR_VEC | MSR_VSX, &out->msr, fault); /* the frame has them */
    return 0;
fault:
    return -EFAULT;
}

static int put_fp_regs(struct linux_sigcontext __user *sc)
{
    const struct fpu_state *s = current->arch.fpu;

    if (!current->arch.fpu_used) {
#pragma GCC unroll 64
        for (unsigned int i = 0; i < NR_FREGS; i++)
            user_put_word(0, &sc->fp_regs[i], fault);
        return 0;
    }
    for (unsigned int i = 0; i < 32; i++)
        user_put_word(s->vsr[i][0], &sc->fp_regs[i], fault);
    user_put_word(s->fpscr, &sc->fp_regs[32], fault);
    return 0;
fault:
    return -EFAULT;
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

/* All but registers; what Linux leaves as it is, reserved fields and the gap, stays, too. */
static int put_frame(struct rt_sigframe __user *f, const siginfo_t *info,
                     const struct ksigaction *act, const sigset_t *oldmask)
{
    struct linux_sigcontext __user *sc = &f->uc.mc;
    const u64 *from = (const u64 *)info;
    stack_t stack;

    signal_save_altstack(&stack);
    user_put_word(0, &f->uc.flags, fault);
    user_put_word(0, &f->uc.link, fault);
    for (unsigned int i = 0; i < sizeof(stack) / sizeof(u64); i++)
        user_put_word(((const u64 *)&stack)[i], (u64 *)&f->uc.stack + i, fault);
    user_put_word(oldmask->bits, &f->uc.mask, fault);
    user_put_word((u64)info->si_signo << 32, &sc->signal, fault); /* and the padding */
    user_put_word(act->handler, &sc->handler, fault);
    user_put_word(oldmask->bits, &sc->oldmask, fault);
    user_put_word(sc->gp_regs, &sc->regs, fault);
    user_put_word(vmx_of((vaddr_t)f), &sc->v_regs, fault);
    user_put_word(&f->tail.info, &f->tail.pinfo, fault);
    user_put_word(&f->uc, &f->tail.puc, fault);
#pragma GCC unroll 64
    for (unsigned int i = 0; i < sizeof(*info) / sizeof(u64); i++)
        user_put_word(from[i], (u64 *)&f->tail.info + i, fault);
    return 0;
fault:
    return -EFAULT;
}

static int write_frame(vaddr_t frame, const struct pt_regs *regs, const siginfo_t *info,
                       const struct ksigaction *act, const sigset_t *oldmask)
{
    struct rt_sigframe __user *f = (struct rt_sigframe __user *)frame;
    vaddr_t sp = frame - CALLER_FRAME;

    if (!access_ok((void __user *)sp, sizeof(*f) + CALLER_FRAME) || should_fail(FAIL_USERCOPY))
        return -EFAULT;
    user_put_word(regs->gpr[1], sp, fault); /* back chain */
    if (put_frame(f, info, act, oldmask) != 0 || put_gp_regs(&f->uc.mc, regs) != 0 ||
        put_fp_regs(&f->uc.mc) != 0)
        return -EFAULT;
    return current->arch.fpu_used ? write_vmx((u8 __user *)vmx_of(frame)) : 0;
fault:
    return -EFAULT;
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

/* The way back is from any address, aligned or not. */
static const struct pt_regs __user *gp_regs_of(const struct linux_sigcontext __user *sc)
{
    return (const struct pt_regs __user *)user_field(sc, gp_regs);
}

/* 1 when none of the frame's is set, 0 when one is, -EFAULT. */
static int fp_regs_are_zero(const struct linux_sigcontext __user *sc)
{
    u64 any = 0, v;

#pragma GCC unroll 64
    for (unsigned int i = 0; i < NR_FREGS; i++) {
        user_get_word(v, user_field(sc, fp_regs[i]), fault);
        any |= v;
    }
    return any == 0;
fault:
    return -EFAULT;
}

static int read_fpu(const struct linux_sigcontext __user *sc)
{
    struct fpu_state *s = current->arch.fpu;
    u64 msr, v_regs;
    int zero;

    user_get_word(msr, user_field(gp_regs_of(sc), msr), fault);
    user_get_word(v_regs, user_field(sc, v_regs), fault);
    if (!current->arch.fpu_used && !(msr & MSR_VEC)) {
        zero = fp_regs_are_zero(sc);
        if (zero != 0)
            return zero < 0 ? zero : 0; /* the initial state, before and after */
    }
    current->arch.fpu_used = true;
    fpu_reset(s);
    for (unsigned int i = 0; i < 32; i++)
        user_get_word(s->vsr[i][0], user_field(sc, fp_regs[i]), fault);
    user_get_word(s->fpscr, user_field(sc, fp_regs[32]), fault);
    return read_vmx(s, v_regs, msr);
fault:
    return -EFAULT;
}

/* Into @r itself, as the last part: what came before a fault is the program's, too. */
static int load_gp_regs(struct pt_regs *r, const struct linux_sigcontext __user *sc)
{
    const struct pt_regs __user *from = gp_regs_of(sc);
    unsigned long msr;

    user_get_word(msr, user_field(from, msr), fault);
    user_get_word(r->nip, user_field(from, nip), fault);
    user_get_word(r->ctr, user_field(from, ctr), fault);
    user_get_word(r->link, user_field(from, link), fault);
    user_get_word(r->xer, user_field(from, xer), fault);
    user_get_word(r->ccr, user_field(from, ccr), fault);
#pragma GCC unroll 64
    for (unsigned int i = 0; i < 32; i++)
        user_get_word(r->gpr[i], user_field(from, gpr[i]), fault);
    r->msr = (r->msr & ~MSR_SINGLE_STEP) | (msr & MSR_SINGLE_STEP);
    r->trap = 0;
    return 0;
fault:
    return -EFAULT;
}

static int restore_frame(struct pt_regs *regs, const struct rt_sigframe __user *f)
{
    const struct linux_ucontext __user *uc = user_field(f, uc);
    const u64 __user *from = (const u64 __user *)user_field(uc, stack);
    stack_t stack;
    sigset_t mask;

    if (!access_ok(f, sizeof(*f)) || should_fail(FAIL_USERCOPY))
        return -EFAULT;
    for (unsigned int i = 0; i < sizeof(stack) / sizeof(u64); i++)
        user_get_word(((u64 *)&stack)[i], from + i, fault);
    user_get_word(mask.bits, user_field(uc, mask), fault);
    fpu_forget(regs);
    if (read_fpu(user_field(uc, mc)) != 0 || load_gp_regs(regs, user_field(uc, mc)) != 0)
        return -EFAULT;
    signal_set_blocked(&mask);
    signal_restore_altstack(&stack, regs->gpr[1]);
    return 0;
fault:
    return -EFAULT;
}

SYSCALL0(rt_sigreturn)
{
    struct pt_regs *regs = current_regs();
    vaddr_t frame = regs->gpr[1]; /* the code in the page took the handler's caller frame away */

    if (restore_frame(regs, (const struct rt_sigframe __user *)frame) != 0)
        signal_send_fault(SIGSEGV, SI_KERNEL, 0, 0, 0);
    return 0;
}
