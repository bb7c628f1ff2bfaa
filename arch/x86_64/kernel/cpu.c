/* SPDX-License-Identifier: MIT */
/*
 * cpu.c: what this CPU can do, and the control registers that switch it on.
 *
 * The boot CPU decides for all: the others must have at least its features (they do on every
 * machine that runs one kernel). It does not know the FPU (fpu.c) or paging modes (boot/, mm/). No
 * locks: written at boot only.
 * Source: SDM volume 2, CPUID; volume 3, section 2.5 (control registers).
 * Read next: gdt.c, fpu.c.
 */
#include "internal.h"
#include <asm/quire_asm.h>
#include <arch/info.h>
#include <arch/task.h>
#include <kernel/printk.h>
#include <kernel/string.h>

struct cpu_features cpu_features __ro_after_init;

/* linker.ld: the sites of CLAC and STAC. */
struct patch {
    s32 where; /* relative to the field */
    u32 kind;
};
extern const struct patch __patches_start[], __patches_end[];

static void copy_brand(char *out)
{
    for (u32 i = 0; i < 3; i++) {
        struct cpuid_regs r = cpuid(0x80000002 + i, 0);

        memcpy(out + i * 16, &r, 16);
    }
    out[48] = '\0';
}

static void detect_identity(struct cpu_features *f)
{
    struct cpuid_regs r = cpuid(0, 0);

    memcpy(f->vendor, &r.ebx, 4);
    memcpy(f->vendor + 4, &r.edx, 4);
    memcpy(f->vendor + 8, &r.ecx, 4);
    r = cpuid(1, 0);
    f->stepping = r.eax & 15;
    f->model = ((r.eax >> 4) & 15) | ((r.eax >> 12) & 0xf0);
    f->family = (r.eax >> 8) & 15;
    if (f->family == 15)
        f->family += (r.eax >> 20) & 255;
    if (cpuid(0x80000000, 0).eax >= 0x80000004)
        copy_brand(f->model_name);
}

/* The nops become clac and stac; the text is still writable. */
static void patch_smap_sites(void)
{
    static const u8 clac[3] = { 0x0f, 0x01, 0xca }, stac[3] = { 0x0f, 0x01, 0xcb };

    for (const struct patch *p = __patches_start; p < __patches_end; p++)
        memcpy((u8 *)&p->where + p->where, p->kind == PATCH_STAC ? stac : clac, 3);
    /* A serialising instruction, so that no stale copy of the code runs. */
    (void)cpuid(0, 0);
}

void cpu_features_detect(void)
{
    struct cpu_features *f = &cpu_features;
    u32 max = cpuid(0, 0).eax, max_ext = cpuid(0x80000000, 0).eax;
    struct cpuid_regs r = cpuid(1, 0);

    f->pge = r.edx & (1u << 13);
    f->xsave = r.ecx & (1u << 26);
    f->rdrand = r.ecx & (1u << 30);
    if (max >= 7) {
        r = cpuid(7, 0);
        f->fsgsbase = r.ebx & (1u << 0);
        f->smep = r.ebx & (1u << 7);
        f->erms = r.ebx & (1u << 9);
        f->smap = r.ebx & (1u << 20);
        f->umip = r.ecx & (1u << 2);
    }
    f->la57 = (read_cr(4) & CR4_LA57) != 0;
    if (max >= 13 && f->xsave)
        f->xsaveopt = cpuid(13, 1).eax & 1;
    r = cpuid(0x80000001, 0);
    f->nx = r.edx & (1u << 20);
    f->gbpages = r.edx & (1u << 26);
    f->tsc_invariant = max_ext >= 0x80000007 && (cpuid(0x80000007, 0).edx & (1u << 8));
    if (max >= 0x15) {
        r = cpuid(0x15, 0);
        if (r.eax != 0 && r.ebx != 0 && r.ecx != 0)
            f->tsc_khz = (u32)((u64)r.ecx * r.ebx / r.eax / 1000);
    }
    detect_identity(f);
    if (f->smap)
        patch_smap_sites();
}

void cpu_setup_control_registers(void)
{
    const struct cpu_features *f = &cpu_features;
    unsigned long cr4 = read_cr(4) | CR4_OSFXSR | CR4_OSXMMEXCPT;

    cr4 |= f->pge ? CR4_PGE : 0;
    cr4 |= f->umip ? CR4_UMIP : 0;
    cr4 |= f->fsgsbase ? CR4_FSGSBASE : 0;
    cr4 |= f->xsave ? CR4_OSXSAVE : 0;
    cr4 |= f->smep ? CR4_SMEP : 0;
    cr4 |= f->smap ? CR4_SMAP : 0;
    write_cr(4, cr4);
    write_cr(0, (read_cr(0) & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP);
}

int arch_cpuinfo(unsigned int cpu, char *buf, size_t n)
{
    const struct cpu_features *f = &cpu_features;

    return scnprintf(buf, n,
                     "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n"
                     "model name\t: %s\nstepping\t: %u\napicid\t\t: %u\n"
                     "flags\t\t: fpu tsc msr pae cx8 apic mmx fxsr sse sse2 syscall"
                     "%s%s%s%s%s%s%s%s%s\n\n",
                     cpu, f->vendor, f->family, f->model, f->model_name, f->stepping,
                     cpus[cpu].hw_id, f->nx ? " nx" : "", f->pge ? " pge" : "",
                     f->gbpages ? " pdpe1gb" : "", f->la57 ? " la57" : "", f->smep ? " smep" : "",
                     f->smap ? " smap" : "", f->umip ? " umip" : "",
                     f->fsgsbase ? " fsgsbase" : "", f->xsave ? " xsave" : "");
}

bool arch_random_u64(u64 *v)
{
    bool ok = false;

    if (!cpu_features.rdrand)
        return false;
    /* SDM volume 1, 7.3.17.1: ten tries. */
    for (int i = 0; i < 10 && !ok; i++)
        __asm__ volatile("rdrand %0" : "=r"(*v), "=@ccc"(ok) : : "cc");
    return ok;
}

/* Nothing that others do not have. */
void arch_proc_init(void)
{
}
