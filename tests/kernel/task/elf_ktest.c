/* SPDX-License-Identifier: MIT */
/* elf_ktest.c: damaged ELF files are refused with the right error and without harm. */
#include "kernel/task/exec.h"
#include <kernel/ktest.h>
#include <kernel/string.h>
#include <kernel/vfs.h>
#include <mm/mm.h>
#include <asm/errno.h>

#define TEST_PATH "/elf_ktest.tmp"

/* A good file for whatever machine this is, which each test then damages. */
struct elf_file {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[3];
    char interp[16];
};

/* What this kernel calls its own, found by asking. */
static bool find_machine(Elf64_Ehdr *h)
{
    for (unsigned int data = ELFDATA2LSB; data <= ELFDATA2MSB; data++)
        for (unsigned int m = 1; m < 300; m++)
            if (arch_elf_machine_ok((u16)m, ELFCLASS64, (u8)data)) {
                h->e_machine = (Elf64_Half)m;
                h->e_ident[EI_DATA] = (unsigned char)data;
                return true;
            }
    return false;
}

static void make_good(struct elf_file *f)
{
    memset(f, 0, sizeof(*f));
    memcpy(f->ehdr.e_ident, ELFMAG, SELFMAG);
    f->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
    EXPECT(find_machine(&f->ehdr));
    f->ehdr.e_type = ET_EXEC;
    f->ehdr.e_phoff = sizeof(f->ehdr);
    f->ehdr.e_phentsize = sizeof(Elf64_Phdr);
    f->ehdr.e_phnum = 2;
    f->ehdr.e_entry = MIB(4);
    for (int i = 0; i < 2; i++)
        f->phdr[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
                                   .p_flags = i == 0 ? PF_R | PF_X : PF_R | PF_W,
                                   .p_vaddr = MIB(4) + (unsigned long)i * PAGE_SIZE,
                                   .p_filesz = 64,
                                   .p_memsz = i == 0 ? 64 : 2 * PAGE_SIZE,
                                   .p_align = PAGE_SIZE };
}

static int read_image(const struct elf_file *f, struct elf_image *img, struct file **file)
{
    *img = (struct elf_image){ 0 };
    *file = file_open(TEST_PATH, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (IS_ERR(*file))
        return (int)PTR_ERR(*file);
    EXPECT_EQ(kernel_write(*file, f, sizeof(*f), 0), sizeof(*f));
    return elf_read(img, *file, f, sizeof(*f));
}

static int try_read(const struct elf_file *f)
{
    struct elf_image img;
    struct file *file;
    int err = read_image(f, &img, &file);

    elf_free(&img);
    if (!IS_ERR(file))
        file_put(file);
    return err;
}

KTEST(elf, good_file)
{
    struct elf_image img;
    struct elf_file f;
    struct file *file;

    make_good(&f);
    EXPECT_EQ(read_image(&f, &img, &file), 0);
    EXPECT_EQ(img.low, MIB(4));
    EXPECT_EQ(img.high, MIB(4) + 3 * PAGE_SIZE);
    EXPECT(!img.exec_stack);
    elf_free(&img);
    file_put(file);
}

KTEST(elf, header_is_checked)
{
    struct elf_file f;

    make_good(&f);
    f.ehdr.e_ident[0] = 'E';
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    make_good(&f);
    f.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    make_good(&f);
    f.ehdr.e_ident[EI_DATA] ^= ELFDATA2LSB ^ ELFDATA2MSB;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    make_good(&f);
    f.ehdr.e_machine = 0x7777;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    make_good(&f);
    f.ehdr.e_type = ET_CORE;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    make_good(&f);
    f.ehdr.e_phentsize = 32;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    make_good(&f);
    f.ehdr.e_phnum = 0;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    f.ehdr.e_phnum = 0xffff;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
}

KTEST(elf, program_headers_outside_the_file)
{
    struct elf_file f;

    make_good(&f);
    f.ehdr.e_phoff = sizeof(f) - 8;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    f.ehdr.e_phoff = ~0ULL - 16;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    f.ehdr.e_phoff = (u64)INT64_MAX;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
}

KTEST(elf, segments_are_checked)
{
    struct elf_file f;

    make_good(&f);
    f.phdr[1].p_filesz = f.phdr[1].p_memsz + 1;
    EXPECT_EQ(try_read(&f), -EINVAL);
    make_good(&f);
    f.phdr[1].p_vaddr = ~0UL - PAGE_SIZE;
    EXPECT_EQ(try_read(&f), -EINVAL);
    make_good(&f);
    f.phdr[1].p_memsz = ~0UL;
    EXPECT_EQ(try_read(&f), -EINVAL);
    make_good(&f);
    f.phdr[1].p_vaddr = user_top() - PAGE_SIZE;
    EXPECT_EQ(try_read(&f), -EINVAL);
    make_good(&f);
    f.phdr[1].p_offset = 16;
    EXPECT_EQ(try_read(&f), -EINVAL);
    make_good(&f);
    f.phdr[1].p_offset = (u64)INT64_MAX & PAGE_MASK;
    f.phdr[1].p_filesz = PAGE_SIZE;
    EXPECT_EQ(try_read(&f), -EINVAL);
    make_good(&f);
    f.phdr[1].p_align = 3 * PAGE_SIZE;
    EXPECT_EQ(try_read(&f), -EINVAL);
}

KTEST(elf, overlapping_or_missing_segments)
{
    struct elf_file f;

    make_good(&f);
    f.phdr[1].p_vaddr = f.phdr[0].p_vaddr;
    EXPECT_EQ(try_read(&f), -EINVAL);
    make_good(&f);
    f.phdr[1].p_vaddr = f.phdr[0].p_vaddr - PAGE_SIZE; /* falling */
    EXPECT_EQ(try_read(&f), -EINVAL);
    make_good(&f);
    f.phdr[0].p_type = f.phdr[1].p_type = PT_NOTE;
    EXPECT_EQ(try_read(&f), -EINVAL);
}

KTEST(elf, interpreter_path_is_checked)
{
    struct elf_file f;

    make_good(&f);
    f.ehdr.e_phnum = 3;
    f.phdr[2] = (Elf64_Phdr){ .p_type = PT_INTERP,
                              .p_offset = offsetof(struct elf_file, interp),
                              .p_filesz = 5 };
    memcpy(f.interp, "/ld.so", 7);
    EXPECT_EQ(try_read(&f), -ENOEXEC); /* no NUL inside */
    f.phdr[2].p_filesz = 7;
    EXPECT_EQ(try_read(&f), 0);
    f.phdr[2].p_filesz = 1;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    f.phdr[2].p_filesz = 100000;
    EXPECT_EQ(try_read(&f), -ENOEXEC);
    f.phdr[2].p_filesz = 64; /* beyond the end */
    EXPECT_EQ(try_read(&f), -EIO);
}

KTEST(elf, segments_are_mapped)
{
    struct elf_image img;
    struct elf_file f;
    struct file *file;
    struct mm *mm = mm_alloc();
    struct vma *v;

    EXPECT_OR_RETURN(mm != NULL);
    make_good(&f);
    f.ehdr.e_type = ET_DYN;
    EXPECT_EQ(read_image(&f, &img, &file), 0);
    EXPECT_EQ(elf_map(&img, mm, GIB(1)), 0);
    EXPECT_EQ(img.bias, GIB(1) - MIB(4));
    mmap_read_lock(mm);
    v = vma_lookup(mm, GIB(1));
    EXPECT(v != NULL && v->file == file && (v->flags & VM_ACCESS_FLAGS) == (VM_READ | VM_EXEC));
    v = vma_lookup(mm, GIB(1) + PAGE_SIZE);
    EXPECT(v != NULL && v->file == file && (v->flags & VM_ACCESS_FLAGS) == (VM_READ | VM_WRITE));
    v = vma_lookup(mm, GIB(1) + 2 * PAGE_SIZE);
    EXPECT(v != NULL && v->file == NULL);
    mmap_read_unlock(mm);
    elf_set_layout(&img, mm);
    EXPECT(mm->brk >= GIB(1) + 3 * PAGE_SIZE);
    /* The same place again is taken. */
    EXPECT_EQ(elf_map(&img, mm, GIB(1)), -EEXIST);
    img.ehdr.e_entry = user_top();
    EXPECT_EQ(elf_map(&img, mm, GIB(2)), -EINVAL);
    elf_free(&img);
    file_put(file);
    mm_put(mm);
}
