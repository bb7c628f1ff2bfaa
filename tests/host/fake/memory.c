/* SPDX-License-Identifier: MIT */
/*
 * memory.c: physical memory as a file in memory, mapped once as the direct map; kernel mappings map
 * the same file again in a window, so that vmalloc's addresses really alias the frames and its
 * guard pages really fault.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>
#include <arch/mmu_const.h>
#include <kernel/types.h>
#include "host.h"
#include "mm_calls.h"

char *host_direct_map;
vaddr_t host_vmalloc_start;

static int memory_fd = -1;
static u64 memory_bytes;

void host_memory_init(u64 bytes)
{
    void *window;

    REQUIRE(memory_fd < 0);
    memory_fd = memfd_create("quire-memory", 0);
    REQUIRE(memory_fd >= 0 && ftruncate(memory_fd, (off_t)bytes) == 0);
    host_direct_map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
    window = mmap(NULL, HOST_VMALLOC_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    REQUIRE(host_direct_map != MAP_FAILED && window != MAP_FAILED);
    host_vmalloc_start = (vaddr_t)window;
    memory_bytes = bytes;
}

void host_memory_make_private(void)
{
    if (memory_fd >= 0)
        REQUIRE(mmap(host_direct_map, memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
                     memory_fd, 0) == host_direct_map);
}

int kernel_map(vaddr_t va, paddr_t pa, size_t len, u32 prot)
{
    void *p;

    (void)prot;
    REQUIRE(va >= VMALLOC_START && va + len <= VMALLOC_END && len % PAGE_SIZE == 0 &&
            pa + len <= memory_bytes);
    p = mmap((void *)va, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory_fd, (off_t)pa);
    REQUIRE(p == (void *)va);
    host_nr_maps++;
    return 0;
}

void kernel_unmap(vaddr_t va, size_t len)
{
    REQUIRE(va >= VMALLOC_START && va + len <= VMALLOC_END);
    REQUIRE(mmap((void *)va, len, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == (void *)va);
    host_nr_unmaps++;
}

unsigned long host_nr_maps, host_nr_unmaps;
