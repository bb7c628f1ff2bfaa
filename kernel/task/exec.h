/* SPDX-License-Identifier: MIT */
/* exec.h: what the files of exec and elf.c say to each other only. */
#pragma once
#include <arch/task.h>
#include <kernel/types.h>
#include <linux/elf.h>

struct file;
struct mm;
struct process;

/* The strings of argv and envp, one behind the other with their NULs. */
struct exec_args {
    char *buf;
    size_t used, cap, limit; /* bytes; limit: what strings and pointers may take together */
    size_t env_off;          /* where the environment starts */
    int argc, envc;
};

/* Where the strings come from. */
struct exec_strings {
    bool kernel;
    const void *argv,
        *envp; /* user: arrays of pointers, NULL is an empty one; kernel: const char *const * */
};

void exec_args_init(struct exec_args *a);
void exec_args_free(struct exec_args *a);
/* 0, -E2BIG, -EFAULT, -ENOMEM, -EINTR. An empty argv becomes { "" }. */
int exec_args_collect(struct exec_args *a, const struct exec_strings *from);
/* argv[0] is replaced by @interp, @arg (may be NULL) and @path, as a script's first line asks for.
 */
int exec_args_for_script(struct exec_args *a, const char *interp, const char *arg,
                         const char *path);
/* Memory of any size for a while. */
void *exec_buf_alloc(size_t n);
void exec_buf_free(void *p, size_t n);

/* One ELF file: what its headers say, checked. */
struct elf_image {
    struct file *file;
    Elf64_Ehdr ehdr;
    Elf64_Phdr *phdr;
    vaddr_t low, high; /* the span of all PT_LOADs as linked, page borders */
    vaddr_t bias;      /* set by elf_map */
    u64 align;         /* largest p_align */
    bool exec_stack;
    char *interp; /* PT_INTERP's path, or NULL */
};

/* Reads and checks the headers of @file; takes no reference. 0, -ENOEXEC, -EINVAL, -ENOMEM, -EIO.
 */
int elf_read(struct elf_image *img, struct file *file, const void *head, size_t head_len);
void elf_free(struct elf_image *img);
/* Maps the segments into @mm, which is nobody's yet; @base is where the span goes (ET_DYN), chosen
 * by the caller. */
int elf_map(struct elf_image *img, struct mm *mm, vaddr_t base);
/* Clears what lies behind the file's bytes in the last page of each segment; @mm is current's now.
 * 0 or -EFAULT. */
int elf_clear_tails(const struct elf_image *img);
/* Code, data and brk borders for /proc and brk. */
void elf_set_layout(const struct elf_image *img, struct mm *mm);
/* Why @file does not run here, in a sentence for the log. */
void elf_explain(struct file *file, const char *path);

/* Everything about one execve. */
struct exec {
    const char *path;  /* as given: AT_EXECFN, comm */
    struct file *file; /* the ELF that is mapped; of a script: the interpreter */
    char head[256];    /* its first bytes */
    size_t head_len;
    struct exec_args args;
    struct elf_image elf, interp;
    struct file *interp_file;
    struct mm *mm;           /* the new address space, until it is current's */
    bool secure;             /* ids change: AT_SECURE */
    unsigned int euid, egid; /* after exec */
    vaddr_t stack_top, sp;
    void *stack_image; /* what is copied to [sp, stack_top) */
    size_t stack_len;
};

/* Chooses the stack's place, maps it into e->mm and prepares its contents, which need the images'
 * final addresses. */
int exec_stack_map(struct exec *e);
int exec_stack_build(struct exec *e);
/* Writes them; e->mm is current's now. 0 or -EFAULT. */
int exec_stack_write(const struct exec *e);
/* A page-aligned random number below @range; 0 when randomisation is off (for this process, or by
 * @level). */
vaddr_t exec_random(vaddr_t range, int level);

/* exec_threads.c. Tells the other threads to die and waits until they have. 0, or -EAGAIN when
 * somebody else does the same or we die too. */
int de_thread(void);
/* Handlers of our own: a process made with CLONE_SIGHAND alone shares them. 0 or -ENOMEM. */
int unshare_sighand(struct process *p);

struct exec_request {
    int dirfd, at_flags;
    const char *path; /* to be opened, relative to dirfd */
    const char *name; /* what AT_EXECFN and comm say */
    struct exec_strings strings;
};
/* 0: current is another program now, its registers are set. */
int do_execve(const struct exec_request *rq);
