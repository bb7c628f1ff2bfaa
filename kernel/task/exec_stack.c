/* SPDX-License-Identifier: MIT */
/*
 * exec_stack.c: the first stack of a program: strings, auxiliary vector, environment, arguments.
 *
 *   stack_top   8 zero bytes
 *               path of the program          AT_EXECFN
 *               environment strings          mm->env_start .. env_end
 *               argument strings             mm->arg_start .. arg_end
 *               platform name, 16 random bytes, padding
 *               auxv pairs, AT_NULL last
 *               envp[], NULL
 *               argv[], NULL
 *   sp          argc                         16-byte aligned
 *
 * It is built in kernel memory while the old program still exists, and copied in one go when its
 * address space is current. Sources: System V ABI, AMD64 supplement 3.4.1; getauxval(3).
 *
 * Locks: none. Invariants: I1 [sp, stack_top) is inside the stack's area. Checked by tests/user/.
 * Read next: exec.c.
 */
#include "exec.h"
#include "internal.h"
#include <kernel/printk.h>
#include <kernel/param.h>
#include <kernel/random.h>
#include <kernel/string.h>
#include <kernel/uaccess.h>
#include <mm/mm.h>
#include <asm/auxvec.h>
#include <asm/errno.h>
#include <linux/auxvec.h>
#include <linux/personality.h>

#define STACK_RESERVE  KIB(128) /* mapped below the arguments from the start */
#define AUXV_MAX_WORDS ARRAY_SIZE(((struct mm *)NULL)->auxv)

int sysctl_randomize_va_space = 2;

static void norandmaps(const char *value)
{
    (void)value;
    sysctl_randomize_va_space = 0;
}
KPARAM("norandmaps", norandmaps,
       "addresses of programs, stacks and mappings are the same in every run");

vaddr_t exec_random(vaddr_t range, int level)
{
    u64 r;

    if (sysctl_randomize_va_space < level || (current->proc->personality & ADDR_NO_RANDOMIZE) != 0)
        return 0;
    random_bytes(&r, sizeof(r));
    return ALIGN_DOWN(r % range, PAGE_SIZE);
}

/* ---- place ----------------------------------------------------------------------------------- */

/* mmap's search starts below the largest stack that the limit allows. */
static void set_mmap_base(struct mm *mm, vaddr_t stack_top)
{
    vaddr_t gap = (vaddr_t)min(task_rlimit(RLIMIT_STACK), (u64)USER_WINDOW_TOP) + STACK_GUARD_GAP;

    gap = min(max(gap, MIB(128)), USER_WINDOW_TOP / 6 * 5);
    mm->mmap_base = ALIGN_DOWN(stack_top - gap - exec_random(USER_WINDOW_TOP >> 7, 1), PAGE_SIZE);
}

static size_t pointers_size(const struct exec_args *a)
{
    return (1 + (size_t)a->argc + 1 + (size_t)a->envc + 1 + AUXV_MAX_WORDS) * sizeof(long);
}

int exec_stack_map(struct exec *e)
{
    const struct exec_args *a = &e->args;
    unsigned long flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN;
    size_t len = a->used + strlen(e->path) + pointers_size(a) + 128;

    if (e->elf.exec_stack)
        flags |= VM_EXEC;
    e->stack_top = USER_WINDOW_TOP - exec_random(USER_WINDOW_TOP >> 13, 1);
    set_mmap_base(e->mm, e->stack_top);
    len = PAGE_ALIGN(len + STACK_RESERVE);
    return mm_map_anon_fixed(e->mm, e->stack_top - len, len, flags);
}

/* ---- contents -------------------------------------------------------------------------------- */

struct builder {
    char *image;      /* holds [base, stack_top) */
    vaddr_t base, at; /* at: lowest address used */
};

static void *place(const struct builder *b, vaddr_t va)
{
    return b->image + (va - b->base);
}

static vaddr_t push(struct builder *b, const void *data, size_t n)
{
    b->at -= n;
    memcpy(place(b, b->at), data, n);
    return b->at;
}

static vaddr_t phdr_address(const struct elf_image *img)
{
    for (unsigned int i = 0; i < img->ehdr.e_phnum; i++) {
        const Elf64_Phdr *ph = &img->phdr[i];

        if (ph->p_type == PT_LOAD && ph->p_offset <= img->ehdr.e_phoff &&
            img->ehdr.e_phoff - ph->p_offset < ph->p_filesz)
            return img->ehdr.e_phoff - ph->p_offset + ph->p_vaddr + img->bias;
    }
    return 0;
}

struct auxv {
    u64 *words;
    unsigned int n;
};

static void aux(struct auxv *v, u64 type, u64 value)
{
    BUG_ON(v->n + 2 > AUXV_MAX_WORDS);
    v->words[v->n++] = type;
    v->words[v->n++] = value;
}

static void fill_auxv(struct exec *e, vaddr_t random, vaddr_t platform, vaddr_t execfn)
{
    struct auxv v = { e->mm->auxv, 0 };
    const struct process *p = current->proc;

    v.n = arch_auxv(v.words, AUXV_MAX_WORDS - 42);
    aux(&v, AT_HWCAP, arch_hwcap());
    aux(&v, AT_PAGESZ, PAGE_SIZE);
    aux(&v, AT_CLKTCK, USER_HZ);
    aux(&v, AT_PHDR, phdr_address(&e->elf));
    aux(&v, AT_PHENT, sizeof(Elf64_Phdr));
    aux(&v, AT_PHNUM, e->elf.ehdr.e_phnum);
    aux(&v, AT_BASE, e->interp_file != NULL ? e->interp.low + e->interp.bias : 0);
    aux(&v, AT_FLAGS, 0);
    aux(&v, AT_ENTRY, e->elf.ehdr.e_entry + e->elf.bias);
    aux(&v, AT_UID, p->uid);
    aux(&v, AT_EUID, e->euid);
    aux(&v, AT_GID, p->gid);
    aux(&v, AT_EGID, e->egid);
    aux(&v, AT_SECURE, e->secure);
    aux(&v, AT_RANDOM, random);
    aux(&v, AT_HWCAP2, arch_hwcap2());
    aux(&v, AT_EXECFN, execfn);
    aux(&v, AT_PLATFORM, platform);
    aux(&v, AT_MINSIGSTKSZ, arch_min_sigstack());
    aux(&v, AT_NULL, 0);
    e->mm->auxv_words = v.n;
}

static void push_words(const struct builder *b, vaddr_t *at, const u64 *words, size_t n)
{
    memcpy(place(b, *at), words, n * sizeof(u64));
    *at += n * sizeof(u64);
}

/* Pointers to @n strings that lie one behind the other from @va on, and the NULL behind them. */
static vaddr_t push_pointers(const struct builder *b, vaddr_t *at, vaddr_t va, int n)
{
    u64 zero = 0;

    for (int i = 0; i < n; i++) {
        u64 p = va;

        push_words(b, at, &p, 1);
        va += strlen(place(b, va)) + 1;
    }
    push_words(b, at, &zero, 1);
    return va;
}

int exec_stack_build(struct exec *e)
{
    const struct exec_args *a = &e->args;
    const char *platform_name = arch_platform();
    size_t size = ALIGN_UP(a->used + strlen(e->path) + pointers_size(a) + 128, 16);
    struct builder b = { exec_buf_alloc(size), e->stack_top - size, e->stack_top };
    vaddr_t execfn, platform, random, at;
    u8 seed[16];
    u64 argc = (u64)a->argc, end = 0;

    if (b.image == NULL)
        return -ENOMEM;
    memset(b.image, 0, size); /* no kernel bytes in the padding */
    e->stack_image = b.image;
    e->stack_len = size;
    push(&b, &end, sizeof(end));
    execfn = push(&b, e->path, strlen(e->path) + 1);
    e->mm->env_end = b.at;
    e->mm->arg_start = push(&b, a->buf, a->used);
    e->mm->arg_end = e->mm->env_start = b.at + a->env_off;
    platform = push(&b, platform_name, strlen(platform_name) + 1);
    random_bytes(seed, sizeof(seed));
    random = push(&b, seed, sizeof(seed));
    fill_auxv(e, random, platform, execfn);

    b.at = ALIGN_DOWN(b.at, 16) -
           (1 + (size_t)a->argc + 1 + (size_t)a->envc + 1 + e->mm->auxv_words) * sizeof(u64);
    e->sp = at = ALIGN_DOWN(b.at, 16);
    push_words(&b, &at, &argc, 1);
    push_pointers(&b, &at, e->mm->arg_start, a->argc);
    push_pointers(&b, &at, e->mm->env_start, a->envc);
    push_words(&b, &at, e->mm->auxv, e->mm->auxv_words);
    e->mm->start_stack = e->sp;
    return 0;
}

int exec_stack_write(const struct exec *e)
{
    size_t unused = e->stack_len - (e->stack_top - e->sp);

    return copy_to_user((void __user *)e->sp, (const char *)e->stack_image + unused,
                        e->stack_len - unused);
}
