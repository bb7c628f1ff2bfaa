/* SPDX-License-Identifier: MIT */
/*
 * arch/ptrace.h: contract for the registers of an interrupted context. <asm/quire_ptrace.h>
 * provides:
 *   struct pt_regs
 *   bool user_mode(const struct pt_regs *)          was it interrupted in user mode?
 *   unsigned long regs_pc(const struct pt_regs *)   program counter
 *   void regs_set_pc(struct pt_regs *, unsigned long)
 *   unsigned long regs_sp(const struct pt_regs *)   stack pointer
 *   long regs_syscall_nr(const struct pt_regs *)    number of the system call; negative: none
 */
#pragma once
#include <asm/quire_ptrace.h>
