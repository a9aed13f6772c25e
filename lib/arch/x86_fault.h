/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86_fault.h - what a handler of SIGSEGV reads of the processor
 */
#ifndef ACO_X86_FAULT_H
#define ACO_X86_FAULT_H

#include <stdint.h>
#include <ucontext.h>

#define TRAP_GENERAL_PROTECTION 13
#define FLAG_RESUME 0x10000

static inline uintptr_t aco_fault_sp(const ucontext_t *uc)
{
	return (uintptr_t)uc->uc_mcontext.gregs[ACO_FAULT_SP];
}

/*
 * An access that no paging could make right: SIGSEGV without an address.  The
 * trap number is that of the last trap of the thread, which may have survived
 * it.  The processor sets the resume flag for an instruction that it does not
 * carry out, and else only in the middle of one that is repeated.
 */
static inline int aco_fault_is_general(const ucontext_t *uc)
{
	const greg_t *reg = uc->uc_mcontext.gregs;

	return reg[REG_TRAPNO] == TRAP_GENERAL_PROTECTION &&
	       (reg[REG_EFL] & FLAG_RESUME);
}

#endif /* ACO_X86_FAULT_H */
