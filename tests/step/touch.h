/* SPDX-License-Identifier: MIT */
/*
 * touch.h - which instructions of a child touch anything that others can see.
 *
 * While a child is recorded, the memory that it shares (the broker's files, the harness' own record)
 * is taken from it: an instruction that needs it faults, is let through alone, and is noted. So are
 * system calls, and sleeps. Between two such instructions nothing that the child does can be seen and
 * nothing that others do can reach it: stopping or killing it at any point between them is the same.
 */
#ifndef STEP_TOUCH_H
#define STEP_TOUCH_H

#include "trace.h"

/* From here on the child cannot touch what it shares but by touch_step(). */
void touch_begin(struct tracee *t);

/* One instruction, by step(); *touched says whether it touched something. */
enum event touch_step(struct tracee *t, enum event (*step)(struct tracee *t), bool *touched);

/* Gives the memory back. */
void touch_end(struct tracee *t);

#endif
