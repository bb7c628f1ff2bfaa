/* SPDX-License-Identifier: MIT */
/*
 * platform.c: what the kernel wants to know from the device tree: memory, command line, initramfs,
 * CPUs, the MMU's sizes, RTAS tokens, the console.
 *
 * Everything is copied; the tree may be overwritten afterwards. It prints nothing (no console yet)
 * and stops for nothing that can be done without: with memory and time base the kernel boots, a
 * missing node of another kind is a function that the machine does not have.
 * No locks: boot CPU. Checked by tests/host/lib/fdt_test.c on trees that QEMU makes.
 * Source: LoPAR (Linux on Power Architecture Reference) B.6.2 (CPU nodes), C.6 (processor
 * properties); Devicetree Specification 0.3 chapter 3.
 * Read next: start.c, lib/fdt.c.
 */
#include <asm/quire_platform.h>
#include <boot/ppc64/boot.h>
#include <kernel/string.h>

/* Filled in the one call of platform_parse(); zero before. */
struct ppc_platform ppc_platform __ro_after_init;

/* The nodes of one kind are told by device_type, whatever their names are. */
static bool has_type(const struct fdt *f, int node, const char *type)
{
    const char *have = fdt_string(f, node, "device_type");

    return have && strcmp(have, type) == 0;
}

static const char *read_memory(const struct fdt *f)
{
    int root = fdt_root(f);
    bool ok = true;
    u32 na = fdt_u32(f, root, "#address-cells", 0, &ok);
    u32 ns = fdt_u32(f, root, "#size-cells", 0, &ok);
    u32 found = 0;

    if (!ok || na == 0 || na > 2 || ns == 0 || ns > 2)
        return "the root's #address-cells and #size-cells";
    for (int n = fdt_first_child(f, root); n != FDT_NONE; n = fdt_next_sibling(f, n)) {
        u32 len, step = 4 * (na + ns);
        const u8 *p;

        if (!has_type(f, n, "memory"))
            continue;
        p = fdt_property(f, n, "reg", &len);
        for (; p && len >= step; p += step, len -= step, found++)
            bootinfo_add_range(fdt_cells(p, na), fdt_cells(p + 4 * na, ns), BOOT_RAM);
    }
    return found > 0 ? NULL : "a memory node";
}

/*
 * The loader also reserves what it loaded. Of that the initramfs is given back to the page
 * allocator when it was unpacked, and the image has copied itself away.
 */
static void read_reserved(const struct bootinfo *bi, const struct fdt *f, paddr_t loaded_at)
{
    u64 base, len;

    for (u32 i = 0; fdt_reserved(f, i, &base, &len); i++) {
        bool initrd = base == bi->initrd_base && len == bi->initrd_len;

        if (!initrd && !(loaded_at != 0 && base == loaded_at))
            bootinfo_add_range(base, len, BOOT_RESERVED);
    }
}

/* One or two cells: both are in use. */
static bool read_address(const struct fdt *f, int node, const char *name, u64 *v)
{
    u32 len;
    const void *p = fdt_property(f, node, name, &len);

    if (!p || (len != 4 && len != 8))
        return false;
    *v = fdt_cells(p, len / 4);
    return true;
}

static void read_chosen(struct bootinfo *bi, const struct fdt *f, int chosen)
{
    u64 start, end;
    u32 len;
    const char *args = fdt_property(f, chosen, "bootargs", &len);

    if (args)
        bootinfo_set_cmdline(bi, args, len);
    if (read_address(f, chosen, "linux,initrd-start", &start) &&
        read_address(f, chosen, "linux,initrd-end", &end) && start < end) {
        bi->initrd_base = start;
        bi->initrd_len = end - start;
    }
}

static void add_cpu(struct ppc_platform *p, u32 id)
{
    if (p->nr_cpus == NR_CPUS)
        p->nr_dropped_cpus++;
    else
        p->cpu_ids[p->nr_cpus++] = id;
}

/* Each hardware thread is a CPU with a server number of its own. */
static void read_threads(struct ppc_platform *p, const struct fdt *f, int cpu)
{
    bool ok = true;
    u32 id = fdt_u32(f, cpu, "ibm,ppc-interrupt-server#s", 0, &ok);

    for (u32 i = 0; ok; id = fdt_u32(f, cpu, "ibm,ppc-interrupt-server#s", ++i, &ok))
        add_cpu(p, id);
}

/* Groups of: base shift, SLB bits, number of pairs, that many pairs of shift and LP bits. */
static void read_segment_sizes(struct ppc_platform *p, const struct fdt *f, int cpu)
{
    static const char name[] = "ibm,segment-page-sizes";
    bool ok = true;

    for (u32 at = 0; p->nr_segment_sizes < PPC_MAX_SEGMENT_SIZES;) {
        struct ppc_segment_size *s = &p->segment_size[p->nr_segment_sizes];
        u32 nr;

        s->shift = fdt_u32(f, cpu, name, at, &ok);
        s->slb = fdt_u32(f, cpu, name, at + 1, &ok);
        nr = fdt_u32(f, cpu, name, at + 2, &ok);
        if (!ok || nr > 64)
            return;
        at += 3;
        for (u32 i = 0; i < nr; i++, at += 2) {
            if (s->nr == PPC_MAX_ACTUAL_SIZES)
                continue;
            s->actual[s->nr].shift = fdt_u32(f, cpu, name, at, &ok);
            s->actual[s->nr].lp = fdt_u32(f, cpu, name, at + 1, &ok);
            s->nr += ok;
        }
        p->nr_segment_sizes++;
    }
}

/* The boot CPU first. */
static void sort_cpus(struct ppc_platform *p, u32 boot_cpu)
{
    for (u32 i = 1; i < p->nr_cpus; i++) {
        if (p->cpu_ids[i] == boot_cpu) {
            p->cpu_ids[i] = p->cpu_ids[0];
            p->cpu_ids[0] = boot_cpu;
        }
    }
}

static const char *read_cpus(struct ppc_platform *p, const struct fdt *f)
{
    int cpus = fdt_child(f, fdt_root(f), "cpus"), first = FDT_NONE;

    if (cpus == FDT_NONE)
        return "/cpus";
    for (int n = fdt_first_child(f, cpus); n != FDT_NONE; n = fdt_next_sibling(f, n)) {
        if (!has_type(f, n, "cpu"))
            continue;
        first = first == FDT_NONE ? n : first;
        read_threads(p, f, n);
    }
    if (first == FDT_NONE || p->nr_cpus == 0)
        return "a CPU node with ibm,ppc-interrupt-server#s";
    sort_cpus(p, f->boot_cpu);
    p->timebase_hz = fdt_u32(f, first, "timebase-frequency", 0, NULL);
    p->pft_size = fdt_u32(f, first, "ibm,pft-size", 1, NULL);
    p->slb_size = fdt_u32(f, first, "slb-size", 0, NULL);
    if (p->slb_size == 0)
        p->slb_size = fdt_u32(f, first, "ibm,slb-size", 0, NULL);
    read_segment_sizes(p, f, first);
    return p->timebase_hz != 0 ? NULL : "timebase-frequency of the CPU node";
}

static void read_rtas(struct ppc_platform *p, const struct fdt *f)
{
    int n = fdt_child(f, fdt_root(f), "rtas");
    struct ppc_rtas *r = &p->rtas;
    u32 len;

    if (n == FDT_NONE)
        return;
    p->hv_rtas = fdt_property(f, n, "ibm,hypertas-functions", &len) != NULL;
    r->power_off = fdt_u32(f, n, "power-off", 0, NULL);
    r->system_reboot = fdt_u32(f, n, "system-reboot", 0, NULL);
    r->start_cpu = fdt_u32(f, n, "start-cpu", 0, NULL);
    r->stop_self = fdt_u32(f, n, "stop-self", 0, NULL);
    r->get_time_of_day = fdt_u32(f, n, "get-time-of-day", 0, NULL);
    r->set_xive = fdt_u32(f, n, "ibm,set-xive", 0, NULL);
    r->os_term = fdt_u32(f, n, "ibm,os-term", 0, NULL);
    r->read_pci_config = fdt_u32(f, n, "ibm,read-pci-config", 0, NULL);
    r->write_pci_config = fdt_u32(f, n, "ibm,write-pci-config", 0, NULL);
    r->change_msi = fdt_u32(f, n, "ibm,change-msi", 0, NULL);
    r->query_interrupt_source = fdt_u32(f, n, "ibm,query-interrupt-source-number", 0, NULL);
}

static void read_console(struct ppc_platform *p, const struct fdt *f)
{
    int vdevice = fdt_child(f, fdt_root(f), "vdevice");
    int vty = vdevice == FDT_NONE ? FDT_NONE : fdt_child(f, vdevice, "vty");

    if (vty == FDT_NONE)
        return;
    p->vty = fdt_u32(f, vty, "reg", 0, NULL);
    p->vty_irq = fdt_u32(f, vty, "interrupts", 0, NULL);
}

/* An entry of "ranges": three cells of the bus, two of the CPU, two of length. */
#define RANGE_BYTES   28
#define SPACE_MASK    0x03000000u
#define SPACE_MEM32   0x02000000u

static void read_phb(struct ppc_platform *p, const struct fdt *f)
{
    int n = fdt_child(f, fdt_root(f), "pci");
    u32 len;
    const u8 *r = n == FDT_NONE ? NULL : fdt_property(f, n, "reg", &len);

    if (!r || len < 8)
        return;
    p->phb.buid = fdt_cells(r, 2);
    r = fdt_property(f, n, "ranges", &len);
    for (; r && len >= RANGE_BYTES; r += RANGE_BYTES, len -= RANGE_BYTES) {
        if ((fdt_cells(r, 1) & SPACE_MASK) != SPACE_MEM32)
            continue;
        p->phb.window_bus = fdt_cells(r + 4, 2);
        p->phb.window_cpu = fdt_cells(r + 12, 2);
        p->phb.window_len = fdt_cells(r + 20, 2);
        p->phb.found = true;
        return;
    }
}

const char *platform_parse(struct bootinfo *bi, const struct fdt *f, paddr_t loaded_at)
{
    struct ppc_platform *p = &ppc_platform;
    const char *model = fdt_string(f, fdt_root(f), "model"), *missing;

    if (model)
        memcpy(p->model, model, strnlen(model, sizeof(p->model) - 1));
    missing = read_memory(f);
    if (!missing)
        missing = read_cpus(p, f);
    read_chosen(bi, f, fdt_child(f, fdt_root(f), "chosen"));
    read_reserved(bi, f, loaded_at);
    read_rtas(p, f);
    read_console(p, f);
    read_phb(p, f);
    return missing;
}
