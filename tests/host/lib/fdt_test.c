/* SPDX-License-Identifier: MIT */
/*
 * fdt_test.c: the reader of device trees and what boot/ppc64 makes of one: on a tree that is built
 * here, on damaged ones, and on those of QEMU's pseries machine, which QEMU writes when it is
 * installed.
 */
#include <asm/quire_platform.h>
#include <boot/ppc64/boot.h>
#include <kernel/fdt.h>
#include <kernel/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "host.h"

#define TREE_MAX 65536
#define LOADED_AT 0x400000

/* ---- a tree built by hand ---- */

struct builder {
    u8 structs[2048], strings[512];
    u32 len, strings_len;
};

static void put32(u8 *p, u32 v)
{
    p[0] = (u8)(v >> 24), p[1] = (u8)(v >> 16), p[2] = (u8)(v >> 8), p[3] = (u8)v;
}

static void word(struct builder *b, u32 v)
{
    put32(b->structs + b->len, v);
    b->len += 4;
}

static void bytes(struct builder *b, const void *p, u32 len)
{
    memcpy(b->structs + b->len, p, len);
    b->len = ALIGN_UP(b->len + len, 4);
}

static void begin(struct builder *b, const char *name)
{
    word(b, 1);
    bytes(b, name, (u32)strlen(name) + 1);
}

static void end(struct builder *b)
{
    word(b, 2);
}

static void prop(struct builder *b, const char *name, const void *value, u32 len)
{
    word(b, 3);
    word(b, len);
    word(b, b->strings_len);
    bytes(b, value, len);
    memcpy(b->strings + b->strings_len, name, strlen(name) + 1);
    b->strings_len += (u32)strlen(name) + 1;
}

static void prop32(struct builder *b, const char *name, u32 n, const u32 *v)
{
    u8 value[64];

    for (u32 i = 0; i < n; i++)
        put32(value + 4 * i, v[i]);
    prop(b, name, value, 4 * n);
}

static void cells(struct builder *b, const char *name, u32 a, u32 c)
{
    prop32(b, name, 2, (u32[]){a, c});
}

static void cell(struct builder *b, const char *name, u32 v)
{
    prop32(b, name, 1, &v);
}

static void string(struct builder *b, const char *name, const char *v)
{
    prop(b, name, v, (u32)strlen(v) + 1);
}

/* What the machine's tree lacks, for the messages. */
enum lack { COMPLETE, NO_CELLS, NO_MEMORY, NO_CPUS, NO_CPU, NO_TIMEBASE, NO_RTAS };

static void build_cpu(struct builder *b, enum lack lack)
{
    begin(b, "PowerPC,POWER9@8");
    string(b, "device_type", "cpu");
    cells(b, "ibm,ppc-interrupt-server#s", 8, 9);
    if (lack != NO_TIMEBASE)
        cell(b, "timebase-frequency", 512000000);
    cells(b, "ibm,pft-size", 0, 22);
    cell(b, "slb-size", 32);
    prop32(b, "ibm,segment-page-sizes", 12,
           (u32[]){12, 0, 2, 12, 0, 24, 0x38, 24, 0x100, 1, 24, 0});
    end(b);
}

static u32 build(u8 *out, enum lack lack)
{
    struct builder b = {.len = 0};
    u32 at = 40 + 4 * 16;

    begin(&b, "");
    string(&b, "model", "a machine made of bytes");
    if (lack != NO_CELLS) {
        cell(&b, "#address-cells", 2);
        cell(&b, "#size-cells", 2);
    }
    word(&b, 4); /* NOP */
    begin(&b, "chosen");
    string(&b, "bootargs", "ktest=fdt quiet");
    cell(&b, "linux,initrd-start", 0x2000000);
    cells(&b, "linux,initrd-end", 0, 0x2001234);
    end(&b);
    if (lack != NO_MEMORY) {
        begin(&b, "memory@0");
        string(&b, "device_type", "memory");
        prop32(&b, "reg", 8, (u32[]){0, 0, 0, 0x10000000, 1, 0, 0, 0x8000000});
        end(&b);
    }
    if (lack != NO_CPUS) {
        begin(&b, "cpus");
        if (lack != NO_CPU)
            build_cpu(&b, lack);
        end(&b);
    }
    if (lack != NO_RTAS) {
        begin(&b, "rtas");
        cell(&b, "power-off", 0x2003);
        cell(&b, "start-cpu", 0x2006);
        end(&b);
    }
    end(&b);
    word(&b, 9);

    memset(out, 0, at);
    put32(out, 0xd00dfeed);
    put32(out + 4, at + b.len + b.strings_len);
    put32(out + 8, at);
    put32(out + 12, at + b.len);
    put32(out + 16, 40);
    put32(out + 20, 17);
    put32(out + 24, 16);
    put32(out + 28, 9); /* the boot CPU */
    put32(out + 32, b.strings_len);
    put32(out + 36, b.len);
    put32(out + 40 + 4, 0x4000); /* reserved: 0x4000, 0x2000 bytes */
    put32(out + 40 + 12, 0x2000);
    put32(out + 56 + 4, 0x2000000); /* the initramfs */
    put32(out + 56 + 12, 0x1234);
    put32(out + 72 + 4, LOADED_AT); /* the image, which is elsewhere by now */
    put32(out + 72 + 12, 0x300000);
    memcpy(out + at, b.structs, b.len);
    memcpy(out + at + b.len, b.strings, b.strings_len);
    return at + b.len + b.strings_len;
}

HTEST(fdt_lookup)
{
    u8 tree[4096];
    u32 len, size = build(tree, COMPLETE);
    bool ok = true;
    struct fdt f;

    EXPECT(fdt_open(&f, tree, size));
    EXPECT(!fdt_open(&f, tree, size - 1));
    EXPECT(fdt_open(&f, tree, size));
    int root = fdt_root(&f), cpus = fdt_child(&f, root, "cpus");
    int cpu = fdt_first_child(&f, cpus);

    EXPECT(strcmp(fdt_name(&f, root), "") == 0);
    EXPECT(strcmp(fdt_name(&f, cpu), "PowerPC,POWER9@8") == 0);
    EXPECT(fdt_next_sibling(&f, cpu) == FDT_NONE);
    EXPECT(fdt_first_child(&f, cpu) == FDT_NONE);
    EXPECT(fdt_child(&f, root, "memory") != FDT_NONE);
    EXPECT(fdt_child(&f, root, "memor") == FDT_NONE);
    EXPECT(fdt_child(&f, root, "memory@0") != FDT_NONE);
    EXPECT(fdt_child(&f, root, "PowerPC") == FDT_NONE); /* a child's child */
    EXPECT_EQ(fdt_u32(&f, cpu, "slb-size", 0, &ok), 32);
    EXPECT(ok);
    EXPECT_EQ(fdt_u32(&f, cpu, "slb-size", 1, &ok), 0);
    EXPECT(!ok);
    EXPECT(fdt_property(&f, cpu, "slb", &len) == NULL);
    EXPECT(fdt_property(&f, FDT_NONE, "slb-size", &len) == NULL);
    EXPECT(strcmp(fdt_string(&f, cpu, "device_type"), "cpu") == 0);
    EXPECT(fdt_string(&f, cpu, "ibm,pft-size") == NULL); /* does not end with 0 */
    EXPECT_EQ(fdt_cells("\0\0\0\1\0\0\0\2", 2), 0x100000002L);
}

/* The memory map is collected in static variables, once per boot: each of these in a child. */
static void in_child(void (*fn)(const void *), const void *arg)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        fn(arg);
        fflush(stdout);
        _exit(host_failures() != 0);
    }
    EXPECT(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0);
}

static const char *parse(struct bootinfo *bi, const u8 *tree, size_t size)
{
    struct fdt f;

    memset(&ppc_platform, 0, sizeof(ppc_platform));
    memset(bi, 0, sizeof(*bi));
    return fdt_open(&f, tree, size) ? platform_parse(bi, &f, LOADED_AT) : "a tree";
}

static void check_machine(const void *unused)
{
    const struct ppc_platform *p = &ppc_platform;
    struct bootinfo bi;
    u8 tree[4096];

    EXPECT(parse(&bi, tree, build(tree, COMPLETE)) == NULL);
    bootinfo_finish(&bi);
    EXPECT(strcmp(p->model, "a machine made of bytes") == 0);
    EXPECT(strcmp(bi.cmdline, "ktest=fdt quiet") == 0);
    EXPECT_EQ(bi.initrd_base, 0x2000000);
    EXPECT_EQ(bi.initrd_len, 0x1234);
    /* RAM cut by what is reserved for good, and the second range. */
    EXPECT_EQ(bi.nr_ranges, 4);
    EXPECT(bi.map[0].kind == BOOT_RAM && bi.map[0].base == 0 && bi.map[0].len == 0x4000);
    EXPECT(bi.map[1].kind == BOOT_RESERVED && bi.map[1].len == 0x2000);
    EXPECT(bi.map[2].base == 0x6000 && bi.map[2].len == 0x10000000 - 0x6000);
    EXPECT(bi.map[3].base == 0x100000000 && bi.map[3].len == 0x8000000);
    EXPECT_EQ(p->nr_cpus, 2);
    EXPECT_EQ(p->cpu_ids[0], 9); /* the boot CPU comes first */
    EXPECT_EQ(p->cpu_ids[1], 8);
    EXPECT_EQ(p->timebase_hz, 512000000);
    EXPECT_EQ(p->pft_size, 22);
    EXPECT_EQ(p->nr_segment_sizes, 2);
    EXPECT(p->segment_size[0].shift == 12 && p->segment_size[0].nr == 2);
    EXPECT(p->segment_size[0].actual[1].shift == 24 && p->segment_size[0].actual[1].lp == 0x38);
    EXPECT(p->segment_size[1].shift == 24 && p->segment_size[1].slb == 0x100);
    EXPECT_EQ(p->rtas.power_off, 0x2003);
    EXPECT_EQ(p->rtas.set_xive, 0);
}

HTEST(fdt_machine)
{
    in_child(check_machine, NULL);
}

/* Each of them is named; RTAS and the console can be done without. */
static void check_missing(const void *unused)
{
    static const char *const expected[] = {
        [NO_CELLS] = "the root's #address-cells and #size-cells",
        [NO_MEMORY] = "a memory node",
        [NO_CPUS] = "/cpus",
        [NO_CPU] = "a CPU node with ibm,ppc-interrupt-server#s",
        [NO_TIMEBASE] = "timebase-frequency of the CPU node",
    };
    struct bootinfo bi;
    u8 tree[4096];

    for (enum lack l = NO_CELLS; l <= NO_TIMEBASE; l++) {
        const char *missing = parse(&bi, tree, build(tree, l));

        EXPECT(missing && strcmp(missing, expected[l]) == 0);
    }
    EXPECT(parse(&bi, tree, build(tree, NO_RTAS)) == NULL);
}

HTEST(fdt_what_is_missing)
{
    in_child(check_missing, NULL);
}

/* On a copy that ends where the input ends, so that the sanitizer sees each byte too much. */
static void parse_copy(const u8 *tree, size_t size)
{
    u8 *copy = malloc(size ? size : 1);
    struct bootinfo bi;

    memcpy(copy, tree, size);
    (void)parse(&bi, copy, size);
    free(copy);
}

static void damage(u8 *tree, u32 size, u32 step)
{
    for (u32 n = 0; n <= size; n += step)
        parse_copy(tree, n);
    /* Cut, but with a header that does not say so: its block ends in the middle of a token. */
    for (u32 n = 41; n < size; n += step) {
        u8 header[40];

        memcpy(header, tree, 40);
        put32(tree + 4, n);
        put32(tree + 36, n - min(n, 104u));
        parse_copy(tree, n);
        memcpy(tree, header, 40);
    }
    for (u32 i = 0; i < size; i += step) {
        u8 old = tree[i];

        for (unsigned int bit = 0; bit < 8; bit++) {
            tree[i] = old ^ (u8)(1 << bit);
            parse_copy(tree, size);
        }
        tree[i] = old;
    }
}

static void damage_built_tree(const void *unused)
{
    u8 tree[4096];

    (void)unused;
    damage(tree, build(tree, COMPLETE), 1);
}

HTEST(fdt_damaged)
{
    in_child(damage_built_tree, NULL);
}

/* ---- QEMU's trees ---- */

/* The tree of @machine, or 0 bytes when there is no QEMU. */
static size_t qemu_tree(const char *machine, u8 *tree)
{
    char path[] = "/tmp/quire-fdt-XXXXXX", command[512];
    int fd = mkstemp(path);
    size_t size = 0;
    FILE *in;

    if (fd < 0)
        return 0;
    close(fd);
    snprintf(command, sizeof(command),
             "timeout 60 qemu-system-ppc64 -M pseries,dumpdtb=%s %s -nodefaults -display none "
             "-serial null >/dev/null 2>&1",
             path, machine);
    if (system(command) == 0 && (in = fopen(path, "rb")) != NULL) {
        size = fread(tree, 1, TREE_MAX, in);
        fclose(in);
    }
    unlink(path);
    return size;
}

static bool have_qemu(void)
{
    return system("command -v qemu-system-ppc64 >/dev/null 2>&1") == 0;
}

struct machine {
    const char *options;
    u32 cpus;
    u64 memory;
};

static void check_qemu_tree(const void *arg)
{
    const struct machine *m = arg;
    const struct ppc_platform *p = &ppc_platform;
    static u8 tree[TREE_MAX];
    size_t size = qemu_tree(m->options, tree);
    struct bootinfo bi;

    EXPECT(size > 0);
    EXPECT(parse(&bi, tree, size) == NULL);
    EXPECT_EQ(p->nr_cpus, m->cpus);
    for (u32 i = 0; i < p->nr_cpus; i++)
        EXPECT_EQ(p->cpu_ids[i], i);
    EXPECT_EQ(p->timebase_hz, 512000000);
    EXPECT_EQ(p->slb_size, 32);
    EXPECT(p->pft_size >= 18);
    EXPECT(p->nr_segment_sizes >= 2 && p->segment_size[0].shift == 12);
    EXPECT(p->hv_rtas && p->rtas.power_off && p->rtas.start_cpu && p->rtas.stop_self &&
           p->rtas.set_xive && p->rtas.os_term && p->rtas.get_time_of_day && p->rtas.system_reboot);
    EXPECT_EQ(p->vty, 0x71000000);
    EXPECT(p->vty_irq != 0);
    EXPECT(p->phb.found && p->phb.buid == 0x800000020000000 && p->phb.window_bus == 0x80000000 &&
           p->phb.window_len == GIB(2) && p->phb.window_cpu > m->memory);
    EXPECT(p->rtas.read_pci_config && p->rtas.write_pci_config && p->rtas.change_msi &&
           p->rtas.query_interrupt_source);
    bootinfo_finish(&bi);
    EXPECT(bi.nr_ranges > 0 && bi.map[0].base == 0 && bi.map[0].kind == BOOT_RAM);
    EXPECT(bi.map[0].len >= m->memory - MIB(4) && bi.map[0].len <= m->memory);
    damage(tree, (u32)size, 97);
}

HTEST(fdt_of_qemu)
{
    static const struct machine machines[] = {
        {"-cpu power9 -m 512 -smp 3", 3, MIB(512)},
        {"-cpu power8 -m 256 -smp 1", 1, MIB(256)},
    };

    if (!have_qemu()) {
        printf("# fdt_of_qemu: SKIP qemu-system-ppc64 is not installed\n");
        return;
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(machines); i++)
        in_child(check_qemu_tree, &machines[i]);
}
