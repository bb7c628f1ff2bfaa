/* SPDX-License-Identifier: MIT */
/*
 * pci.c: the PCI host bridge of a pseries machine: configuration and message interrupts through
 * RTAS calls.
 *
 * The first bridge only, and of it the window for 32-bit memory BARs. Interrupt sources are given
 * to a function in one piece, at its first message; the firmware (QEMU) writes what it gives into
 * the function's MSI-X table itself, and drivers/pci writes the same words there again.
 * No locks: RTAS requests are per CPU; messages are asked for at boot, in one thread.
 * Source: LoPAR 7.3.14.1 and .2 (ibm,read-pci-config, ibm,write-pci-config), 7.3.10.5
 * (ibm,change-msi, ibm,query-interrupt-source-number), B.6.8.1 (the bridge's node); the address
 * that messages go to is QEMU's, SPAPR_PCI_MSI_WINDOW. Read next: xics.c, drivers/pci/pci.c.
 */
#include "internal.h"
#include <arch/pci.h>
#include <asm/errno.h>
#include <kernel/irq.h>

#define MSI_WINDOW 0x40000000000ULL
#define CHANGE_MSIX 4

#define REG_STATUS       0x06
#define REG_CAPABILITIES 0x34
#define HAS_CAPABILITIES 0x10
#define CAP_MSIX         0x11
#define MAX_CAPABILITIES 48

#define MAX_FUNCTIONS 8 /* that have messages */
#define MAX_MESSAGES  8 /* of one function */

static struct function {
    pci_id_t id;
    u32 nr, used;
} functions[MAX_FUNCTIONS];
static unsigned int nr_functions;

static u32 config_address(pci_id_t id, unsigned int reg)
{
    return (reg & 0xf00) << 20 | id << 8 | (reg & 0xff);
}

static u32 config_read(pci_id_t id, unsigned int reg, unsigned int bytes)
{
    u64 buid = ppc_platform.phb.buid;
    u32 args[4] = { config_address(id, reg), (u32)(buid >> 32), (u32)buid, bytes };
    u32 v;

    if (rtas_call(ppc_platform.rtas.read_pci_config, 4, args, 2, &v) != 0)
        return ~0u >> (32 - 8 * bytes);
    return v;
}

static void config_write(pci_id_t id, unsigned int reg, unsigned int bytes, u32 v)
{
    u64 buid = ppc_platform.phb.buid;
    u32 args[5] = { config_address(id, reg), (u32)(buid >> 32), (u32)buid, bytes, v };

    (void)rtas_call(ppc_platform.rtas.write_pci_config, 5, args, 1, NULL);
}

/* How many messages the function's MSI-X table has room for; 0: it has none. */
static u32 table_size(pci_id_t id)
{
    unsigned int at = REG_CAPABILITIES;

    if (!(config_read(id, REG_STATUS, 2) & HAS_CAPABILITIES))
        return 0;
    for (unsigned int i = 0; i < MAX_CAPABILITIES; i++, at++) {
        at = config_read(id, at, 1) & ~3u;
        if (at == 0)
            return 0;
        if (config_read(id, at, 1) == CAP_MSIX)
            return (config_read(id, at + 2, 2) & 0x7ff) + 1;
    }
    return 0;
}

/* Has sources given to the function at its first message. NULL: there are none. */
static struct function *find_function(pci_id_t id)
{
    u64 buid = ppc_platform.phb.buid;
    u32 want = min(table_size(id), (u32)MAX_MESSAGES), given;
    u32 args[6] = { config_address(id, 0), (u32)(buid >> 32), (u32)buid, CHANGE_MSIX, want, 1 };
    u32 rets[3];

    for (unsigned int i = 0; i < nr_functions; i++)
        if (functions[i].id == id)
            return &functions[i];
    if (nr_functions == MAX_FUNCTIONS || want == 0 ||
        rtas_call(ppc_platform.rtas.change_msi, 6, args, 4, rets) != 0)
        return NULL;
    given = rets[0];
    functions[nr_functions] = (struct function){ .id = id, .nr = min(given, want) };
    return &functions[nr_functions++];
}

static int message(pci_id_t id, irq_handler_t fn, void *arg, const char *name,
                   struct pci_message *m)
{
    struct function *f = find_function(id);
    u64 buid = ppc_platform.phb.buid;
    u32 args[4] = { config_address(id, 0), (u32)(buid >> 32), (u32)buid }, rets[2];
    int line, err;

    if (!f || f->used == f->nr)
        return -EBUSY;
    args[3] = f->used;
    if (rtas_call(ppc_platform.rtas.query_interrupt_source, 4, args, 3, rets) != 0)
        return -EBUSY;
    line = xics_line(rets[0]);
    err = line < 0 ? -EBUSY : irq_register((unsigned int)line, fn, arg, name);
    if (err)
        return err;
    f->used++;
    m->addr = MSI_WINDOW;
    m->data = rets[0];
    return 0;
}

const struct pci_host *arch_pci_host(void)
{
    const struct ppc_phb *phb = &ppc_platform.phb;
    static struct pci_host host = {
        .name = "pseries",
        .read = config_read,
        .write = config_write,
        .message = message,
    };

    if (!phb->found || ppc_platform.rtas.read_pci_config == 0)
        return NULL;
    host.window_bus = phb->window_bus;
    host.window_len = phb->window_len;
    host.cpu_offset = phb->window_cpu - phb->window_bus;
    return &host;
}
