/* SPDX-License-Identifier: MIT */
/*
 * row.c: a worked example of row PT_EXPERIMENT: counts faults, and maps two pages per fault.
 *
 * Built with `make EXPERIMENT=labs/experiment/row.c`; mm/pt_ops.c includes this file, so everything
 * of mm/pt_internal.h is at hand. The row is ordinary memory but for its fault: after the page that
 * was asked for, the other one of its aligned pair is mapped, too, when it lies in the area and is
 * not there yet. A program that writes its memory from one end to the other takes half the faults;
 * one that writes every other page gets twice the memory. `cat /dev/experiment` shows both.
 *
 * Locks: PT, inside pt_default_fault. Invariants: those of pt_default.c.
 * Checked by tests/user/experiment_test.c.
 */
static atomic_long_t experiment_faults, experiment_extra;

/* Nothing is mapped at @addr yet. A glance without a lock: the fault looks again. */
static bool experiment_is_hole(struct vma *v, vaddr_t addr)
{
    struct page *table;
    unsigned int level;
    pte_t *slot = pt_find_slot(v->mm, addr, 0, &table, &level);

    return slot == NULL || pte_is_none(pte_load(slot));
}

static enum fault_result experiment_fault(struct fault_ctx *f)
{
    vaddr_t other = f->addr ^ PAGE_SIZE;
    struct fault_ctx second = {.vma = f->vma, .addr = other, .flags = f->flags};
    enum fault_result result;

    atomic_long_inc(&experiment_faults);
    result = pt_default_fault(f);
    if (result != FAULT_OK || other < f->vma->start || other >= f->vma->end ||
        !experiment_is_hole(f->vma, other))
        return result;
    /* What nobody asked for may fail: the access to it will ask. */
    if (pt_default_fault(&second) == FAULT_OK)
        atomic_long_inc(&experiment_extra);
    return FAULT_OK;
}

void pt_experiment_show(struct seq *s)
{
    seq_printf(s, "row two pages per fault: %ld faults, %ld pages mapped ahead\n",
               atomic_long_read(&experiment_faults), atomic_long_read(&experiment_extra));
}

#define EXPERIMENT_ROW                                                                             \
    ROW(PT_EXPERIMENT, "two pages", BIT(0), pt_default_may_map, experiment_fault, pt_default_copy, \
        pt_default_zap, pt_default_protect, pt_default_move, pt_default_pin, pt_default_may_split, \
        pt_free_tables, pt_default_may_share)
