/* SPDX-License-Identifier: MIT */
/*
 * elf.c: ELF64 programs: checking the headers and mapping the segments. Knows ET_EXEC, static-PIE
 * (ET_DYN) and the interpreter of a dynamic program. Sources: System V ABI, gABI 4.1 chapters 4 and
 * 5; elf(5).
 *
 * The file may be hostile. All arithmetic is on checked numbers: after elf_read every PT_LOAD lies
 * inside the user half, filesz <= memsz, file offset and address agree modulo the page size, and
 * the segments rise without sharing a page.
 *
 * Locks: none; the mm is not visible to anybody yet.
 * Invariants: those above. Checked by tests/kernel/task/elf_ktest.c.
 * Read next: exec_stack.c.
 */
#include "exec.h"
#include "internal.h"
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <asm/errno.h>
#include <linux/elf-em.h>
#include <linux/limits.h>

#define MAX_PHDR_BYTES KIB(64)

/* ---- headers --------------------------------------------------------------------------------- */

static int check_ehdr(const Elf64_Ehdr *h)
{
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
        return -ENOEXEC;
    if (!arch_elf_machine_ok(h->e_machine, h->e_ident[EI_CLASS], h->e_ident[EI_DATA]))
        return -ENOEXEC;
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
        return -ENOEXEC;
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0)
        return -ENOEXEC;
    return (size_t)h->e_phnum * sizeof(Elf64_Phdr) > MAX_PHDR_BYTES ? -ENOEXEC : 0;
}

static int read_phdrs(struct elf_image *img, const void *head, size_t head_len)
{
    size_t n = (size_t)img->ehdr.e_phnum * sizeof(Elf64_Phdr);
    u64 at = img->ehdr.e_phoff;

    img->phdr = kmalloc(n);
    if (img->phdr == NULL)
        return -ENOMEM;
    if (at <= head_len && n <= head_len - at) {
        memcpy(img->phdr, (const char *)head + at, n);
        return 0;
    }
    if (at > (u64)INT64_MAX - n || kernel_read(img->file, img->phdr, n, (loff_t)at) != (ssize_t)n)
        return -ENOEXEC;
    return 0;
}

/* One PT_LOAD behind the one that ended at @prev_end (a page border). */
static int check_load(const Elf64_Phdr *ph, vaddr_t prev_end)
{
    if (ph->p_filesz > ph->p_memsz)
        return -EINVAL;
    if (ph->p_vaddr > user_top() || ph->p_memsz > user_top() - ph->p_vaddr)
        return -EINVAL;
    if (ph->p_offset > (u64)INT64_MAX || ph->p_filesz > (u64)INT64_MAX - ph->p_offset)
        return -EINVAL;
    if (ph->p_filesz != 0 && ((ph->p_vaddr ^ ph->p_offset) & ~PAGE_MASK) != 0)
        return -EINVAL;
    if (ph->p_align > 1 && (ph->p_align & (ph->p_align - 1)) != 0)
        return -EINVAL;
    return ALIGN_DOWN(ph->p_vaddr, PAGE_SIZE) < prev_end ? -EINVAL : 0;
}

static int check_segments(struct elf_image *img)
{
    vaddr_t prev_end = 0;
    bool any = false;

    img->align = PAGE_SIZE;
    for (unsigned int i = 0; i < img->ehdr.e_phnum; i++) {
        const Elf64_Phdr *ph = &img->phdr[i];
        int err;

        if (ph->p_type == PT_GNU_STACK)
            img->exec_stack = (ph->p_flags & PF_X) != 0;
        if (ph->p_type != PT_LOAD || ph->p_memsz == 0)
            continue;
        err = check_load(ph, prev_end);
        if (err != 0)
            return err;
        if (!any)
            img->low = ALIGN_DOWN(ph->p_vaddr, PAGE_SIZE);
        any = true;
        prev_end = PAGE_ALIGN(ph->p_vaddr + ph->p_memsz);
        if (ph->p_align > img->align && ph->p_align <= GIB(1))
            img->align = ph->p_align;
    }
    img->high = prev_end;
    return any ? 0 : -EINVAL;
}

static int read_interp(struct elf_image *img)
{
    for (unsigned int i = 0; i < img->ehdr.e_phnum; i++) {
        const Elf64_Phdr *ph = &img->phdr[i];

        if (ph->p_type != PT_INTERP)
            continue;
        if (ph->p_filesz < 2 || ph->p_filesz > PATH_MAX || ph->p_offset > (u64)INT64_MAX)
            return -ENOEXEC;
        img->interp = kmalloc(ph->p_filesz);
        if (img->interp == NULL)
            return -ENOMEM;
        if (kernel_read(img->file, img->interp, ph->p_filesz, (loff_t)ph->p_offset) !=
            (ssize_t)ph->p_filesz)
            return -EIO;
        return img->interp[ph->p_filesz - 1] == '\0' ? 0 : -ENOEXEC;
    }
    return 0;
}

int elf_read(struct elf_image *img, struct file *file, const void *head, size_t head_len)
{
    int err;

    img->file = file;
    if (head_len < sizeof(img->ehdr))
        return -ENOEXEC;
    memcpy(&img->ehdr, head, sizeof(img->ehdr));
    err = check_ehdr(&img->ehdr);
    if (err == 0)
        err = read_phdrs(img, head, head_len);
    if (err == 0)
        err = check_segments(img);
    return err != 0 ? err : read_interp(img);
}

void elf_free(struct elf_image *img)
{
    kfree(img->phdr);
    kfree(img->interp);
    img->phdr = NULL;
    img->interp = NULL;
}

/* ---- mapping --------------------------------------------------------------------------------- */

static unsigned long segment_prot(const Elf64_Phdr *ph)
{
    return ((ph->p_flags & PF_R) != 0 ? PROT_READ : 0UL) |
           ((ph->p_flags & PF_W) != 0 ? PROT_WRITE : 0UL) |
           ((ph->p_flags & PF_X) != 0 ? PROT_EXEC : 0UL);
}

static int map_segment(const struct elf_image *img, struct mm *mm, const Elf64_Phdr *ph)
{
    vaddr_t va = ph->p_vaddr + img->bias, start = ALIGN_DOWN(va, PAGE_SIZE);
    vaddr_t file_end = ph->p_filesz != 0 ? PAGE_ALIGN(va + ph->p_filesz) : start;
    vaddr_t end = PAGE_ALIGN(va + ph->p_memsz);

    if (file_end > start) {
        struct mmap_request rq = {
            .addr = start,
            .len = file_end - start,
            .prot = segment_prot(ph),
            .flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE,
            .file = img->file,
            .pgoff = ALIGN_DOWN(ph->p_offset, PAGE_SIZE) >> PAGE_SHIFT,
        };
        long at = mm_mmap(mm, &rq);

        if (at != (long)start)
            return IS_ERR((void *)at) ? (int)at : -EINVAL;
    }
    if (end > file_end)
        return mm_map_anon_fixed(mm, file_end, end - file_end,
                                 segment_prot(ph) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC);
    return 0;
}

int elf_map(struct elf_image *img, struct mm *mm, vaddr_t base)
{
    img->bias = img->ehdr.e_type == ET_DYN ? base - img->low : 0;
    if (img->low + img->bias > user_top() ||
        img->high - img->low > user_top() - (img->low + img->bias))
        return -ENOMEM;
    if (img->ehdr.e_entry + img->bias >= user_top())
        return -EINVAL;
    for (unsigned int i = 0; i < img->ehdr.e_phnum; i++) {
        const Elf64_Phdr *ph = &img->phdr[i];
        int err;

        if (ph->p_type != PT_LOAD || ph->p_memsz == 0)
            continue;
        err = map_segment(img, mm, ph);
        if (err != 0)
            return err;
    }
    return 0;
}

/*
 * Behind the bytes of a segment with a bss its last file page shows what follows in the file. The
 * program must find zeros there, up to the page's end: its allocator may start right behind the
 * bss.
 */
int elf_clear_tails(const struct elf_image *img)
{
    for (unsigned int i = 0; i < img->ehdr.e_phnum; i++) {
        const Elf64_Phdr *ph = &img->phdr[i];
        vaddr_t end = ph->p_vaddr + img->bias + ph->p_filesz;
        size_t n = PAGE_ALIGN(end) - end;

        if (ph->p_type != PT_LOAD || n == 0 || ph->p_filesz == 0 || ph->p_memsz == ph->p_filesz)
            continue;
        /* A segment that the program cannot write keeps what it has: nobody relies on such a bss.
         */
        if (clear_user((void __user *)end, n) != 0 && (ph->p_flags & PF_W) != 0)
            return -EFAULT;
    }
    return 0;
}

void elf_set_layout(const struct elf_image *img, struct mm *mm)
{
    mm->start_code = ~0UL;
    for (unsigned int i = 0; i < img->ehdr.e_phnum; i++) {
        const Elf64_Phdr *ph = &img->phdr[i];
        vaddr_t start = ph->p_vaddr + img->bias, end = start + ph->p_filesz;

        if (ph->p_type != PT_LOAD)
            continue;
        if ((ph->p_flags & PF_X) != 0) {
            mm->start_code = min(mm->start_code, start);
            mm->end_code = max(mm->end_code, end);
        } else if ((ph->p_flags & PF_W) != 0) {
            mm->start_data = start;
            mm->end_data = max(mm->end_data, end);
        }
    }
    if (mm->start_code == ~0UL)
        mm->start_code = 0;
    mm->start_brk = mm->brk = img->high + img->bias + exec_random(MIB(32), 2);
}

/* ---- what to tell a user whose file does not run --------------------------------------------- */

static u16 get16(const Elf64_Ehdr *h, u16 v)
{
    const u16 one = 1;
    bool host_little = *(const u8 *)&one == 1;

    return (h->e_ident[EI_DATA] == ELFDATA2LSB) == host_little ? v : (u16)(v << 8 | v >> 8);
}

static const char *machine_name(u16 machine)
{
    static const struct {
        u16 machine;
        const char *name;
    } known[] = {
        {EM_386, "x86 (32-bit)"},     {EM_X86_64, "x86-64"},    {EM_PPC, "PowerPC (32-bit)"},
        {EM_PPC64, "PowerPC 64-bit"}, {EM_ARM, "ARM (32-bit)"}, {EM_AARCH64, "ARM 64-bit"},
        {EM_RISCV, "RISC-V"},         {EM_S390, "IBM Z"},       {EM_MIPS, "MIPS"},
        {EM_SPARCV9, "SPARC V9"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i].machine == machine)
            return known[i].name;
    return "an unknown machine";
}

void elf_explain(struct file *file, const char *path)
{
    Elf64_Ehdr h;
    ssize_t n = kernel_read(file, &h, sizeof(h), 0);

    if (n < EI_NIDENT || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0) {
        pr_err("%s is neither an ELF program nor a script that starts with #!\n", path);
        return;
    }
    if (n < (ssize_t)sizeof(h)) {
        pr_err("%s is cut off: its ELF header is not complete\n", path);
        return;
    }
    if (!arch_elf_machine_ok(h.e_machine, h.e_ident[EI_CLASS], h.e_ident[EI_DATA])) {
        pr_err("%s is an ELF for %s (%s-bit, %s-endian), this kernel needs %s: rebuild it or give "
               "another INITRD\n",
               path, machine_name(get16(&h, h.e_machine)),
               h.e_ident[EI_CLASS] == ELFCLASS64 ? "64" : "32",
               h.e_ident[EI_DATA] == ELFDATA2MSB ? "big" : "little", arch_elf_wanted());
        return;
    }
    if (h.e_type != ET_EXEC && h.e_type != ET_DYN)
        pr_err("%s is an ELF file of type %u, not a program\n", path, h.e_type);
    else
        pr_err("%s is an ELF program with damaged headers\n", path);
}
