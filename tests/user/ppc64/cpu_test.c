/* SPDX-License-Identifier: MIT */
/*
 * What a program sees of a 64-bit big-endian POWER CPU through the kernel: which registers a system
 * call keeps and how it reports errors, how each exception becomes a signal, what the signal frame
 * holds and what happens to one that a handler has changed, floating-point, VMX and VSX registers
 * over switches, fork and signals, and code that a program writes itself.
 */
#include "../ktap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <ucontext.h>

#define GP_NIP   32
#define GP_MSR   33
#define GP_CTR   35
#define GP_LNK   36
#define GP_CCR   38
#define GP_TRAP  40
#define GP_DAR   41
#define GP_DSISR 42

#define MSR_PR (1ul << 14)
#define MSR_EE (1ul << 15)
#define MSR_HV (1ul << 60)

/* Where the CPU says why it interrupted. */
#define MSR_CAUSES 0x783f0000ul

#define TRAP_DSI        0x300
#define TRAP_ISI        0x400
#define TRAP_ALIGNMENT  0x600
#define TRAP_PROGRAM    0x700
#define DSISR_STORE     0x02000000
#define CLOBBER_SYSCALL "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "ctr", "memory"

static volatile unsigned long caught_gp[48];

#define CPU_STATE_SIGNALS
#include "../cpu_state.h"

static void note_frame(const ucontext_t *uc)
{
    for (int i = 0; i < 48; i++)
        caught_gp[i] = uc->uc_mcontext.gp_regs[i];
}

static void skip_instruction(ucontext_t *uc)
{
    uc->uc_mcontext.gp_regs[GP_NIP] += 4;
}

static void return_to_caller(ucontext_t *uc)
{
    uc->uc_mcontext.gp_regs[GP_NIP] = uc->uc_mcontext.gp_regs[GP_LNK];
}

/* ---- system calls ---- */

TEST(syscall_keeps_registers)
{
    unsigned long want[15], got[15];

    for (int i = 0; i < 15; i++)
        want[i] = 0x1111111111111111ul * (unsigned long)(i + 1);
    /* r14 to r27 and LR around getppid; r30 and r31 hold the addresses. */
    __asm__ volatile("mr 30, %0\n\t"
                     "mr 31, %1\n\t"
                     "mflr 0\n\t"
                     "stdu 0, -16(1)\n\t"
                     "ld 14, 0(30); ld 15, 8(30); ld 16, 16(30); ld 17, 24(30)\n\t"
                     "ld 18, 32(30); ld 19, 40(30); ld 20, 48(30); ld 21, 56(30)\n\t"
                     "ld 22, 64(30); ld 23, 72(30); ld 24, 80(30); ld 25, 88(30)\n\t"
                     "ld 26, 96(30); ld 27, 104(30)\n\t"
                     "ld 0, 112(30); mtlr 0\n\t"
                     "li 0, %2\n\t"
                     "sc\n\t"
                     "std 14, 0(31); std 15, 8(31); std 16, 16(31); std 17, 24(31)\n\t"
                     "std 18, 32(31); std 19, 40(31); std 20, 48(31); std 21, 56(31)\n\t"
                     "std 22, 64(31); std 23, 72(31); std 24, 80(31); std 25, 88(31)\n\t"
                     "std 26, 96(31); std 27, 104(31)\n\t"
                     "mflr 0; std 0, 112(31)\n\t"
                     "ld 0, 0(1)\n\t"
                     "addi 1, 1, 16\n\t"
                     "mtlr 0"
                     :
                     : "b"(want), "b"(got), "i"(SYS_getppid)
                     : "r0", "r3", CLOBBER_SYSCALL, "cr0", "r14", "r15", "r16", "r17", "r18", "r19",
                       "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r30", "r31", "lr");
    for (int i = 0; i < 15; i++)
        CHECK_EQ(got[i], want[i]);
}

TEST(syscall_keeps_the_callers_condition_fields)
{
    unsigned long fields = 0x0a5c0000, got; /* CR2 to CR4 belong to the caller's caller */

    fields &= 0x00fff000;
    __asm__ volatile("mtcrf 0x38, %1\n\t"
                     "li 0, %2\n\t"
                     "sc\n\t"
                     "mfcr %0"
                     : "=&r"(got)
                     : "r"(fields), "i"(SYS_getppid)
                     : "r0", "r3", CLOBBER_SYSCALL, "cr0", "cr1", "cr2", "cr3", "cr4", "cr5", "cr6",
                       "cr7");
    CHECK_EQ(got & 0x00fff000, fields);
}

/* An error: CR0.SO is set and r3 holds the positive number. */
static long plain_call(long nr, long arg, bool *failed)
{
    register long r0 __asm__("r0") = nr;
    register long r3 __asm__("r3") = arg;
    long cr;

    __asm__ volatile("sc\n\tmfcr %0" : "=&r"(cr), "+r"(r0), "+r"(r3) : : CLOBBER_SYSCALL, "cr0");
    *failed = cr & 0x10000000;
    return r3;
}

TEST(errors_are_positive_with_a_flag)
{
    bool failed;

    CHECK_EQ(plain_call(SYS_close, -1, &failed), EBADF);
    CHECK(failed);
    CHECK_EQ(plain_call(SYS_getpid, 0, &failed), getpid());
    CHECK(!failed);
}

/* A call that succeeds right behind one that failed, with nothing in between that changes CR0. */
TEST(success_clears_the_flag)
{
    unsigned long cr, value;

    __asm__ volatile("li 0, %2\n\tli 3, -1\n\tsc\n\t"
                     "li 0, %3\n\tsc\n\t"
                     "mfcr %0\n\tmr %1, 3"
                     : "=&r"(cr), "=&r"(value)
                     : "i"(SYS_close), "i"(SYS_getpid)
                     : "r0", "r3", CLOBBER_SYSCALL, "cr0");
    CHECK(!(cr & 0x10000000));
    CHECK_EQ(value, getpid());
}

TEST(syscall_numbers)
{
    bool failed;

    CHECK_ERRNO(syscall(-1), ENOSYS);
    CHECK_ERRNO(syscall(100000), ENOSYS);
    /* All of r0 counts. */
    CHECK_EQ(plain_call(1l << 32 | SYS_getpid, 0, &failed), ENOSYS);
    CHECK(failed);
}

/* ---- exceptions ---- */

TEST(trap_instruction)
{
    catch_signal(SIGTRAP);
    change = skip_instruction;
    __asm__ volatile("trap");
    CHECK_EQ(caught, SIGTRAP);
    CHECK_EQ(caught_code, TRAP_BRKPT);
    CHECK_EQ(caught_addr, caught_gp[GP_NIP]);
    CHECK_EQ(caught_gp[GP_TRAP], TRAP_PROGRAM);
    CHECK_EQ(caught_gp[GP_MSR] & MSR_CAUSES, 0); /* they are no bits of the program's MSR */
}

TEST(illegal_instruction)
{
    catch_signal(SIGILL);
    change = skip_instruction;
    __asm__ volatile(".long 0");
    CHECK_EQ(caught, SIGILL);
    CHECK_EQ(caught_code, ILL_ILLOPC);
    CHECK_EQ(caught_addr, caught_gp[GP_NIP]);
    CHECK_EQ(caught_gp[GP_TRAP], TRAP_PROGRAM);
}

TEST(privileged_instruction)
{
    unsigned long msr;

    catch_signal(SIGILL);
    change = skip_instruction;
    __asm__ volatile("li %0, 1\n\tmfmsr %0" : "=&r"(msr));
    CHECK_EQ(caught, SIGILL);
    CHECK_EQ(caught_code, ILL_PRVOPC);
    CHECK_EQ(msr, 1);
}

TEST(division_by_zero_does_not_trap)
{
    long result, zero = 0;

    __asm__ volatile("divd %0, %1, %1" : "=r"(result) : "r"(zero));
    CHECK_EQ(caught, 0);
}

TEST(page_fault_frame)
{
    catch_signal(SIGSEGV);
    change = skip_instruction;
    __asm__ volatile("stw %0, 0(%1)" : : "r"(1), "b"(ktap_nowhere) : "memory");
    CHECK_EQ(caught, SIGSEGV);
    CHECK_EQ(caught_code, SEGV_MAPERR);
    CHECK_EQ(caught_addr, (unsigned long)ktap_nowhere);
    CHECK_EQ(caught_gp[GP_TRAP], TRAP_DSI);
    CHECK_EQ(caught_gp[GP_DAR], (unsigned long)ktap_nowhere);
    CHECK(caught_gp[GP_DSISR] & DSISR_STORE);
    caught = 0;
    __asm__ volatile("lwz 4, 0(%0)" : : "b"(ktap_nowhere) : "r4");
    CHECK_EQ(caught, SIGSEGV);
    CHECK(!(caught_gp[GP_DSISR] & DSISR_STORE));
}

/* The kernel's addresses, and some that no page table reaches. */
TEST(addresses_out_of_reach)
{
    static const unsigned long addrs[] = {
        0xc000000000000000, 0xc000000001000000, 0x4000000000000000, 0x8000000000000000,
        0xd000000000000000, 0x0fffffffffff0000, 0xfffffffffffffff8};

    catch_signal(SIGSEGV);
    change = skip_instruction;
    for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
        caught = 0;
        __asm__ volatile("ld 4, 0(%0)" : : "b"(addrs[i]) : "r4");
        CHECK_EQ(caught, SIGSEGV);
        CHECK_EQ(caught_addr, addrs[i]);
        caught = 0;
        __asm__ volatile("std 4, 0(%0)" : : "b"(addrs[i]) : "memory");
        CHECK_EQ(caught, SIGSEGV);
        CHECK_EQ(caught_addr, addrs[i]);
    }
}

static void jump_to(unsigned long address)
{
    __asm__ volatile("mtctr %0\n\tbctrl" : : "r"(address) : "ctr", "lr", "memory");
}

TEST(jumps_out_of_reach)
{
    catch_signal(SIGSEGV);
    change = return_to_caller;
    jump_to((unsigned long)ktap_nowhere);
    CHECK_EQ(caught, SIGSEGV);
    CHECK_EQ(caught_code, SEGV_MAPERR);
    CHECK_EQ(caught_addr, (unsigned long)ktap_nowhere);
    CHECK_EQ(caught_gp[GP_TRAP], TRAP_ISI);
    caught = 0;
    jump_to(0xc000000000000100);
    CHECK_EQ(caught, SIGSEGV);
    CHECK_EQ(caught_addr, 0xc000000000000100);
}

TEST(unaligned_accesses_work)
{
    unsigned char bytes[32];
    unsigned long value;

    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    for (int i = 1; i < 8; i++) {
        __asm__ volatile("ld %0, 0(%1)" : "=r"(value) : "b"(bytes + i) : "memory");
        CHECK_EQ(value >> 56, i); /* big-endian: the first byte is the highest */
        CHECK_EQ(value & 0xff, i + 7);
    }
}

TEST(unaligned_reservation_is_sigbus)
{
    unsigned long words[2] = {0, 0};
    unsigned long at = (unsigned long)words + 2;

    catch_signal(SIGBUS);
    change = skip_instruction;
    __asm__ volatile("lwarx 4, 0, %0" : : "r"(at) : "r4", "memory");
    if (!caught)
        ktap_skip("this CPU reserves unaligned words");
    CHECK_EQ(caught, SIGBUS);
    CHECK_EQ(caught_code, BUS_ADRALN);
    CHECK_EQ(caught_addr, at);
    CHECK_EQ(caught_gp[GP_TRAP], TRAP_ALIGNMENT);
}

/* ---- signal frames ---- */

/* The frame shows the registers of what was interrupted, and returning from it brings them back. */
TEST(frame_has_the_registers)
{
    unsigned long r14 = 0x1414141414141414, r31 = 0x3131313131313131, ctr = 0x5555aaaa5555aaaa;
    unsigned long got[3];

    catch_signal(SIGTRAP);
    change = skip_instruction;
    __asm__ volatile("mr 14, %0\n\tmr 31, %1\n\tmtctr %2\n\t"
                     "trap\n\t"
                     "std 14, 0(%3)\n\tstd 31, 8(%3)\n\tmfctr 14\n\tstd 14, 16(%3)"
                     :
                     : "r"(r14), "r"(r31), "r"(ctr), "b"(got)
                     : "r14", "r31", "ctr", "memory");
    CHECK_EQ(caught_gp[14], r14);
    CHECK_EQ(caught_gp[31], r31);
    CHECK_EQ(caught_gp[GP_CTR], ctr);
    CHECK(caught_gp[GP_MSR] & MSR_PR);
    CHECK_EQ(got[0], r14);
    CHECK_EQ(got[1], r31);
    CHECK_EQ(got[2], ctr);
}

static void change_registers(ucontext_t *uc)
{
    uc->uc_mcontext.gp_regs[GP_NIP] += 4;
    uc->uc_mcontext.gp_regs[15] = 0x1515;
    uc->uc_mcontext.gp_regs[GP_CTR] = 0xc7c7;
    uc->uc_mcontext.gp_regs[GP_CCR] = 0x00420000;
    uc->uc_mcontext.fp_regs[20] = 2.5;
}

TEST(changes_of_the_frame_take_effect)
{
    unsigned long got[3];
    double f;

    catch_signal(SIGTRAP);
    change = change_registers;
    __asm__ volatile("fsub 20, 20, 20\n\t"
                     "trap\n\t"
                     "std 15, 0(%1)\n\tmfctr 15\n\tstd 15, 8(%1)\n\tmfcr 15\n\tstd 15, 16(%1)\n\t"
                     "fmr %0, 20"
                     : "=d"(f)
                     : "b"(got)
                     : "r15", "ctr", "fr20", "cr0", "cr1", "cr2", "cr3", "cr4", "cr5", "cr6", "cr7",
                       "memory");
    CHECK_EQ(got[0], 0x1515);
    CHECK_EQ(got[1], 0xc7c7);
    CHECK_EQ(got[2], 0x00420000);
    CHECK(f == 2.5);
}

/* A handler needs the red zone of what it interrupts left alone: 288 bytes below r1. */
TEST(red_zone_survives)
{
    unsigned long first, last;

    catch_signal(SIGTRAP);
    change = skip_instruction;
    __asm__ volatile("li 4, 4711\n\tstd 4, -288(1)\n\tstd 4, -8(1)\n\t"
                     "trap\n\t"
                     "ld %0, -288(1)\n\tld %1, -8(1)"
                     : "=&r"(first), "=&r"(last)
                     :
                     : "r4", "memory");
    CHECK_EQ(caught, SIGTRAP);
    CHECK_EQ(first, 4711);
    CHECK_EQ(last, 4711);
}

static void to_kernel(ucontext_t *uc)
{
    uc->uc_mcontext.gp_regs[GP_NIP] = 0xc000000000000100;
}

static void to_nowhere(ucontext_t *uc)
{
    uc->uc_mcontext.gp_regs[GP_NIP] = (unsigned long)ktap_nowhere;
}

static void stack_in_the_kernel(ucontext_t *uc)
{
    uc->uc_mcontext.gp_regs[1] = 0xc000000000100000;
}

static void privileged_msr(ucontext_t *uc)
{
    uc->uc_mcontext.gp_regs[GP_MSR] |= MSR_HV;
    uc->uc_mcontext.gp_regs[GP_MSR] &= ~(MSR_PR | MSR_EE);
}

/* A thread's own pointer: glibc puts it into r13. */
static void no_thread_pointer(ucontext_t *uc)
{
    uc->uc_mcontext.gp_regs[13] = 0;
}

static void take_signal_and_exit(void)
{
    syscall(SYS_kill, getpid(), SIGUSR1);
    /* Without the library: it may need what was changed. mfmsr must still be privileged. */
    change = skip_instruction;
    catch_signal(SIGILL);
    caught = 0;
    __asm__ volatile("mfmsr 4" : : : "r4");
    _exit(caught == SIGILL ? 0 : 1);
}

TEST(bad_frames_kill_the_program_only)
{
    int status;

    status = return_with(to_kernel);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = return_with(to_nowhere);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = return_with(stack_in_the_kernel);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = return_with(no_thread_pointer);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK_EQ(return_with(privileged_msr), 0);
}

/* ---- floating-point, VMX and VSX registers ---- */

/*
 * 16 bytes each: f10 and f13, v5, v19, and, with VSX, all of VSX register 11. All are registers
 * that a function may change, so that the compiler does not put old values back.
 */
struct vectors {
    unsigned char bytes[5][16] __attribute__((aligned(16)));
};

static bool has_vmx, has_vsx;

__attribute__((constructor)) static void ask_cpu(void)
{
    has_vmx = getauxval(AT_HWCAP) & PPC_FEATURE_HAS_ALTIVEC;
    has_vsx = getauxval(AT_HWCAP) & PPC_FEATURE_HAS_VSX;
}

static void load_vectors(const struct vectors *v)
{
    __asm__ volatile("lfd 10, 0(%0)\n\tlfd 13, 16(%0)" : : "b"(v->bytes) : "fr10", "fr13");
    if (has_vmx)
        __asm__ volatile(".machine push\n\t.machine power8\n\t"
                         "lvx 5, 0, %0\n\tlvx 19, 0, %1\n\t.machine pop"
                         :
                         : "r"(v->bytes[2]), "r"(v->bytes[3]));
    if (has_vsx)
        __asm__ volatile(".machine push\n\t.machine power8\n\tlxvd2x 11, 0, %0\n\t.machine pop"
                         :
                         : "r"(v->bytes[4])
                         : "fr11");
}

static bool vectors_are(const struct vectors *want)
{
    struct vectors now = *want;

    __asm__ volatile("stfd 10, 0(%0)\n\tstfd 13, 16(%0)" : : "b"(now.bytes) : "memory");
    if (has_vmx)
        __asm__ volatile(".machine push\n\t.machine power8\n\t"
                         "stvx 5, 0, %0\n\tstvx 19, 0, %1\n\t.machine pop"
                         :
                         : "r"(now.bytes[2]), "r"(now.bytes[3])
                         : "memory");
    if (has_vsx)
        __asm__ volatile(".machine push\n\t.machine power8\n\tstxvd2x 11, 0, %0\n\t.machine pop"
                         :
                         : "r"(now.bytes[4])
                         : "memory");
    return memcmp(&now, want, sizeof(now)) == 0;
}

#define CPU_STATE_VECTORS
#include "../cpu_state.h"

static volatile bool frame_has_vectors;

static void spoil_handler(int sig, siginfo_t *info, void *context)
{
    mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
    struct vectors v;

    memset(&v, 0x77, sizeof(v));
    frame_has_vectors = memcmp(&m->fp_regs[10], v.bytes, 8) == 0 &&
                        memcmp(&m->fp_regs[13], v.bytes, 8) == 0 &&
                        (!has_vmx || memcmp(&m->v_regs->vrregs[5], v.bytes, 16) == 0);
    memset(&v, 0xee, sizeof(v));
    load_vectors(&v);
}

TEST(vectors_survive_a_signal)
{
    struct sigaction sa = {.sa_sigaction = spoil_handler, .sa_flags = SA_SIGINFO};
    struct vectors v;
    pid_t pid = getpid();

    sigaction(SIGUSR1, &sa, NULL);
    memset(&v, 0x77, sizeof(v));
    load_vectors(&v);
    syscall(SYS_kill, pid, SIGUSR1);
    CHECK(vectors_are(&v));
    CHECK(frame_has_vectors);
}

TEST(rounding_mode_is_the_own_of_a_thread)
{
    double fpscr = 0;
    pthread_t t;
    void *ok;

    __asm__ volatile("mtfsfi 7, 3"); /* toward minus infinity */
    REQUIRE(pthread_create(&t, NULL, spoil_vectors, (void *)9l) == 0);
    pthread_join(t, &ok);
    for (int i = 0; i < 20; i++)
        sched_yield();
    __asm__ volatile("mffs %0" : "=d"(fpscr));
    __asm__ volatile("mtfsfi 7, 0");
    CHECK_EQ(*(unsigned long *)&fpscr & 3, 3);
}

/* ---- memory and code ---- */

TEST(cache_block_is_as_the_kernel_says)
{
    static unsigned char bytes[1024] __attribute__((aligned(512)));
    unsigned long size = getauxval(AT_DCACHEBSIZE), zero = 0;

    memset(bytes, 1, sizeof(bytes));
    __asm__ volatile("dcbz 0, %0" : : "r"(bytes + 512 + 8) : "memory");
    while (zero < 512 && bytes[512 + zero] == 0)
        zero++;
    CHECK_EQ(zero, size);
    CHECK_EQ(bytes[511], 1);
}

static unsigned int *code_page(int prot)
{
    unsigned int *code =
        mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    code[0] = 0x38600000 | 17; /* li r3, 17 */
    code[1] = 0x4e800020;      /* blr */
    __asm__ volatile("dcbst 0, %0\n\tsync\n\ticbi 0, %0\n\tisync" : : "r"(code) : "memory");
    mprotect(code, 65536, prot);
    return code;
}

static long call_code(unsigned int *code)
{
    register long r3 __asm__("r3") = 0;

    __asm__ volatile("mtctr %1\n\tbctrl" : "+r"(r3) : "r"(code) : "ctr", "lr", "memory");
    return r3;
}

TEST(written_code_runs)
{
    unsigned int *code = code_page(PROT_READ | PROT_WRITE | PROT_EXEC);

    CHECK_EQ(call_code(code), 17);
    code[0] = 0x38600000 | 18;
    __asm__ volatile("dcbst 0, %0\n\tsync\n\ticbi 0, %0\n\tisync" : : "r"(code) : "memory");
    CHECK_EQ(call_code(code), 18);
}

TEST(data_does_not_run)
{
    unsigned int *code = code_page(PROT_READ | PROT_WRITE);

    catch_signal(SIGSEGV);
    change = return_to_caller;
    CHECK_EQ(call_code(code), 0);
    CHECK_EQ(caught, SIGSEGV);
    CHECK_EQ(caught_code, SEGV_ACCERR);
    CHECK_EQ(caught_addr, (unsigned long)code);
    CHECK_EQ(caught_gp[GP_TRAP], TRAP_ISI);
}

TEST(time_base_counts)
{
    unsigned long a, b;

    __asm__ volatile("mftb %0" : "=r"(a));
    usleep(1000);
    __asm__ volatile("mftb %0" : "=r"(b));
    CHECK(b > a);
}

KTAP_MAIN(CASE(syscall_keeps_registers), CASE(syscall_keeps_the_callers_condition_fields),
          CASE(errors_are_positive_with_a_flag), CASE(success_clears_the_flag),
          CASE(syscall_numbers), CASE(trap_instruction), CASE(illegal_instruction),
          CASE(privileged_instruction), CASE(division_by_zero_does_not_trap),
          CASE(page_fault_frame), CASE(addresses_out_of_reach), CASE(jumps_out_of_reach),
          CASE(unaligned_accesses_work), CASE(unaligned_reservation_is_sigbus),
          CASE(frame_has_the_registers), CASE(changes_of_the_frame_take_effect),
          CASE(red_zone_survives), CASE(bad_frames_kill_the_program_only),
          CASE(vectors_survive_switches), CASE(vectors_survive_fork),
          CASE(vectors_survive_a_signal), CASE(rounding_mode_is_the_own_of_a_thread),
          CASE(cache_block_is_as_the_kernel_says), CASE(written_code_runs), CASE(data_does_not_run),
          CASE(time_base_counts))
