/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * note.h - the notes that every assembly file ends with
 *
 * Without the first, the linker makes the stack of the whole program
 * executable.  Without the second, it takes indirect branch tracking (IBT)
 * away from the whole program.  Shadow stacks (SHSTK) are not claimed: nothing
 * here switches them.
 */
	.section .note.GNU-stack, "", @progbits

	.section .note.gnu.property, "a", @note
	.balign	__SIZEOF_POINTER__
	.long	4		/* size of "GNU" */
	.long	3f - 2f		/* size of the property */
	.long	5		/* NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
2:	.long	0xc0000002	/* GNU_PROPERTY_X86_FEATURE_1_AND */
	.long	4
	.long	1		/* IBT */
	.balign	__SIZEOF_POINTER__
3:
