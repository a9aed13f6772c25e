/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offsets.h - where the assembly finds the fields of aco_t
 *
 * layout.c asserts every one of them.
 */
#ifndef ACO_OFFSETS_H
#define ACO_OFFSETS_H

#if defined(__x86_64__)
#define ACO_OFF_IP 0
#define ACO_OFF_SP 8
#define ACO_OFF_BP 16
#define ACO_OFF_BX 24
#define ACO_OFF_MXCSR 32
#define ACO_OFF_FPUCW 36
#define ACO_OFF_STATE 38
#define ACO_OFF_FLAGS 39
#define ACO_OFF_RESUMER 40
#define ACO_OFF_FP 72
#define ACO_OFF_OWNER 16 /* in the share stack */
#else
#define ACO_OFF_IP 0
#define ACO_OFF_SP 4
#define ACO_OFF_BP 8
#define ACO_OFF_BX 12
#define ACO_OFF_MXCSR 16
#define ACO_OFF_FPUCW 20
#define ACO_OFF_STATE 22
#define ACO_OFF_FLAGS 23
#define ACO_OFF_RESUMER 24
#define ACO_OFF_FP 44
#define ACO_OFF_OWNER 8 /* in the share stack */
#endif

/* The first of the states in which a co has a resumer that waits for it. */
#define ACO_RUNNING_FROM 6

/* struct aco_move */
#if defined(__x86_64__)
#define ACO_MOVE_END 0
#define ACO_MOVE_FROM 8
#define ACO_MOVE_WORDS 16
#define ACO_MOVE_ZEROS 24
#else
#define ACO_MOVE_END 0
#define ACO_MOVE_FROM 4
#define ACO_MOVE_WORDS 8
#define ACO_MOVE_ZEROS 12
#endif

/* Up to so many words a loop is faster than a string instruction. */
#define ACO_MOVE_FEW 64

/* In the byte of flags. */
#define ACO_HAS_SSE_BIT 4

#endif /* ACO_OFFSETS_H */
