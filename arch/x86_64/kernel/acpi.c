/* SPDX-License-Identifier: MIT */
/*
 * acpi.c: reads from the firmware's tables which CPUs and interrupt controllers there are, and how
 * to switch off.
 *
 * MADT and FADT only, and of the DSDT nothing but the \_S5 package, found by its name: the bytecode
 * is not interpreted. Every table is checked to lie below 4 GiB (the early map), for its length and
 * its checksum before use; a table that fails is as good as missing, and the kernel runs with one
 * CPU then. Boot CPU only, before the early map goes away.
 * Source: ACPI specification 6.4, sections 5.2.5 (RSDP), 5.2.7 (RSDT), 5.2.8 (XSDT), 5.2.9 (FADT),
 * 5.2.12 (MADT).
 * Read next: apic.c, ioapic.c, smp.c.
 */
#include "internal.h"
#include <boot/x86_64/boot.h>
#include <kernel/printk.h>
#include <kernel/string.h>

struct acpi_info acpi __ro_after_init;

struct rsdp {
    char signature[8];
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt;
    /* Revision 2 and later. */
    u32 length;
    u64 xsdt;
    u8 extended_checksum, reserved[3];
} __packed;
#define RSDP_V1_BYTES 20

struct table {
    char signature[4];
    u32 length;
    u8 revision, checksum;
    char oem[6], oem_table[8];
    u32 oem_revision, creator, creator_revision;
} __packed;

struct address {
    u8 space, width, offset, access;
    u64 addr;
} __packed;

struct fadt {
    struct table header;
    u32 firmware_control, dsdt;
    u8 reserved0, profile;
    u16 sci_interrupt;
    u32 smi_command;
    u8 acpi_enable, acpi_disable, s4bios, pstate;
    u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control;
    u8 unused[40]; /* PM2 and timer blocks, GPE blocks, C states, RTC, boot flags */
    u32 flags;
    struct address reset;
    u8 reset_value;
} __packed;
_Static_assert(offsetof(struct fadt, flags) == 112, "ACPI 5.2.9");
#define FADT_RESET_SUPPORTED (1u << 10)

struct madt {
    struct table header;
    u32 lapic, flags;
} __packed;

struct madt_entry {
    u8 type, length;
} __packed;

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_ADDRESS = 5 };

struct madt_lapic {
    struct madt_entry e;
    u8 processor, apic_id;
    u32 flags; /* bit 0 enabled */
} __packed;

struct madt_ioapic {
    struct madt_entry e;
    u8 id, reserved;
    u32 addr, first_gsi;
} __packed;

struct madt_override {
    struct madt_entry e;
    u8 bus, source;
    u32 gsi;
    u16 flags; /* bits 0-1 polarity (3 low), 2-3 trigger (3 level) */
} __packed;

struct madt_lapic_address {
    struct madt_entry e;
    u16 reserved;
    u64 addr;
} __packed;

static bool checksum_ok(const void *p, size_t n)
{
    const u8 *b = p;
    u8 sum = 0;

    for (size_t i = 0; i < n; i++)
        sum = (u8)(sum + b[i]);
    return sum == 0;
}

/* A whole table with a good checksum, or NULL. */
static const struct table *get_table(u64 pa)
{
    const struct table *t = boot_ptr(pa, sizeof(*t));

    if (!t || t->length < sizeof(*t) || !boot_ptr(pa, t->length) || !checksum_ok(t, t->length))
        return NULL;
    return t;
}

static bool signature_is(const struct table *t, const char *name)
{
    return memcmp(t->signature, name, 4) == 0;
}

static void parse_madt_entry(const struct madt_entry *e)
{
    const struct madt_lapic *lapic = (const void *)e;
    const struct madt_ioapic *ioapic = (const void *)e;
    const struct madt_override *over = (const void *)e;
    const struct madt_lapic_address *address = (const void *)e;

    if (e->type == MADT_LAPIC && e->length >= sizeof(*lapic) && (lapic->flags & 1)) {
        if (acpi.nr_cpus < NR_CPUS)
            acpi.apic_ids[acpi.nr_cpus++] = lapic->apic_id;
        else
            acpi.nr_dropped_cpus++;
    } else if (e->type == MADT_IOAPIC && e->length >= sizeof(*ioapic)) {
        if (acpi.nr_ioapics == MAX_IOAPICS)
            return;
        acpi.ioapic[acpi.nr_ioapics].base = ioapic->addr;
        acpi.ioapic[acpi.nr_ioapics++].first_gsi = ioapic->first_gsi;
    } else if (e->type == MADT_OVERRIDE && e->length >= sizeof(*over) && over->source < 16) {
        acpi.isa[over->source].gsi = over->gsi;
        acpi.isa[over->source].active_low = (over->flags & 3) == 3;
        acpi.isa[over->source].level = ((over->flags >> 2) & 3) == 3;
    } else if (e->type == MADT_LAPIC_ADDRESS && e->length >= sizeof(*address)) {
        acpi.lapic = address->addr;
    }
}

static void parse_madt(const struct table *t)
{
    const struct madt *m = (const void *)t;

    if (t->length < sizeof(*m))
        return;
    acpi.lapic = m->lapic;
    for (u32 at = sizeof(*m); t->length - at >= sizeof(struct madt_entry);) {
        const struct madt_entry *e = (const void *)((const u8 *)t + at);

        if (e->length < sizeof(*e) || e->length > t->length - at)
            return;
        parse_madt_entry(e);
        at += e->length;
    }
}

/*
 * One element of the package: a byte constant 0x0a n, or the opcodes zero and one. Returns its
 * size, 0 for others.
 */
static unsigned int aml_small_number(const u8 *p, const u8 *end, u16 *v)
{
    if (p < end && *p <= 1) {
        *v = *p;
        return 1;
    }
    if (end - p >= 2 && *p == 0x0a) {
        *v = p[1];
        return 2;
    }
    return 0;
}

/* Name(\_S5, Package(){a, b, ...}): ACPI 7.4.2, encoding 20.2. */
static void find_s5(const struct table *dsdt)
{
    const u8 *p = (const u8 *)(dsdt + 1), *end = (const u8 *)dsdt + dsdt->length;

    for (; end - p > 8; p++) {
        if (memcmp(p, "_S5_\x12", 5) != 0)
            continue;
        const u8 *q = p + 5;

        q += 1 + (*q >> 6); /* package length: its top bits count the bytes that follow */
        q += 1;             /* number of elements */
        unsigned int used = q < end ? aml_small_number(q, end, &acpi.s5_type_a) : 0;

        if (used != 0)
            aml_small_number(q + used, end, &acpi.s5_type_b);
        return;
    }
}

static void parse_fadt(const struct table *t)
{
    const struct fadt *f = (const void *)t;
    const struct table *dsdt;

    if (t->length < offsetof(struct fadt, flags))
        return;
    acpi.pm1a_event = (u16)f->pm1a_event;
    acpi.pm1a_control = (u16)f->pm1a_control;
    acpi.pm1b_control = (u16)f->pm1b_control;
    acpi.smi_command_port = f->smi_command;
    acpi.acpi_enable = f->acpi_enable;
    if (t->length >= sizeof(*f) && (f->flags & FADT_RESET_SUPPORTED)) {
        acpi.reset_space = f->reset.space;
        acpi.reset_addr = f->reset.addr;
        acpi.reset_value = f->reset_value;
    }
    dsdt = get_table(f->dsdt);
    if (dsdt)
        find_s5(dsdt);
}

static void parse_root(const struct table *root, bool wide)
{
    size_t size = wide ? sizeof(u64) : sizeof(u32);
    size_t n = (root->length - sizeof(*root)) / size;

    for (size_t i = 0; i < n; i++) {
        u64 pa = 0;

        memcpy(&pa, (const u8 *)(root + 1) + i * size, size); /* little-endian, not aligned */
        const struct table *t = get_table(pa);

        if (t && signature_is(t, "APIC"))
            parse_madt(t);
        else if (t && signature_is(t, "FACP"))
            parse_fadt(t);
    }
}

static const struct rsdp *find_rsdp(const struct bootinfo *bi)
{
    const struct rsdp *r;

    if (bi->rsdp_copy_len >= RSDP_V1_BYTES)
        r = (const void *)bi->rsdp_copy;
    else
        r = boot_ptr(bi->rsdp, sizeof(*r));
    if (!r || memcmp(r->signature, "RSD PTR ", 8) != 0 || !checksum_ok(r, RSDP_V1_BYTES))
        return NULL;
    return r;
}

void acpi_parse(const struct bootinfo *bi)
{
    const struct rsdp *r = find_rsdp(bi);
    const struct table *root = NULL;
    bool wide = false;

    for (unsigned int i = 0; i < ARRAY_SIZE(acpi.isa); i++)
        acpi.isa[i].gsi = i;
    if (!r) {
        pr_warn("acpi: no root pointer; one CPU, no power off\n");
        return;
    }
    if (r->revision >= 2 && r->xsdt != 0) {
        root = get_table(r->xsdt);
        wide = root != NULL;
    }
    if (!root)
        root = get_table(r->rsdt);
    if (!root) {
        pr_warn("acpi: the root table is out of reach or damaged; one CPU, no power off\n");
        return;
    }
    parse_root(root, wide);
    acpi.found = true;
    if (acpi.nr_dropped_cpus != 0)
        pr_warn("acpi: %u CPUs more than the %d that this kernel can use\n",
                acpi.nr_dropped_cpus, NR_CPUS);
}
