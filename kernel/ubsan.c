/* SPDX-License-Identifier: MIT */
/*
 * ubsan.c: what gcc's -fsanitize=undefined calls when it meets undefined behaviour; debug kernels
 * only.
 *
 * Every report is a panic: a kernel whose arithmetic is undefined has no later state worth testing.
 * The layouts of the arguments are the ABI between compiler and runtime; all begin with the place
 * in the source.
 * Source: gcc's libsanitizer/ubsan/ubsan_handlers.h. No locks, any context.
 */
#include <kernel/printk.h>

#ifdef CONFIG_DEBUG

struct source_location {
    const char *file;
    u32 line, column;
};

struct type_descriptor {
    u16 kind, info;
    char name[];
};

struct type_mismatch_data {
    struct source_location at;
    const struct type_descriptor *type;
    u8 log_alignment;
    u8 kind;
};

static __noreturn void report(const void *data, const char *what)
{
    const struct source_location *at = data;

    panic("undefined behaviour at %s:%u:%u: %s", at->file, at->line, at->column, what);
}

/* The compiler makes up the calls; no header declares them. */
#define HANDLER(name, what, ...)                                                                  \
    void __ubsan_handle_##name(void *data, ##__VA_ARGS__);                                        \
    void __ubsan_handle_##name(void *data, ##__VA_ARGS__)                                         \
    {                                                                                             \
        report(data, what);                                                                       \
    }

HANDLER(add_overflow, "signed addition overflows", void *a, void *b)
HANDLER(sub_overflow, "signed subtraction overflows", void *a, void *b)
HANDLER(mul_overflow, "signed multiplication overflows", void *a, void *b)
HANDLER(negate_overflow, "signed negation overflows", void *a)
HANDLER(divrem_overflow, "division by zero or overflow", void *a, void *b)
HANDLER(shift_out_of_bounds, "shift by a negative or too large amount", void *a, void *b)
HANDLER(out_of_bounds, "array index out of bounds", void *index)
HANDLER(builtin_unreachable, "unreachable code was reached")
HANDLER(missing_return, "function ends without a value")
HANDLER(vla_bound_not_positive, "variable array of no positive size", void *bound)
HANDLER(float_cast_overflow, "floating point value does not fit", void *from)
HANDLER(load_invalid_value, "a bool or enum holds a value that it cannot have", void *value)
HANDLER(invalid_builtin, "zero passed to a bit-counting builtin")
HANDLER(nonnull_arg, "NULL passed where it must not be")
HANDLER(nonnull_return_v1, "NULL returned where it must not be", void *at)
HANDLER(pointer_overflow, "pointer arithmetic overflows", void *base, void *result)
HANDLER(alignment_assumption, "an assumed alignment does not hold", void *p, void *align, void *off)

void __ubsan_handle_type_mismatch_v1(struct type_mismatch_data *data, unsigned long pointer);
void __ubsan_handle_type_mismatch_v1(struct type_mismatch_data *data, unsigned long pointer)
{
    const char *why = pointer == 0 ? "NULL is"
                      : (pointer & ((1UL << data->log_alignment) - 1)) != 0
                          ? "misaligned pointer is"
                          : "object too small at";

    panic("undefined behaviour at %s:%u:%u: %s %#lx used as %s", data->at.file, data->at.line,
          data->at.column, why, pointer, data->type->name);
}

#endif
