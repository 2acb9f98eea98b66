/* SPDX-License-Identifier: MIT */
/* verify.h - the parts of verify(). */
#ifndef VERIFY_H
#define VERIFY_H

#include "run.h"

/* verify_groups.c: what groups have to do is what they have not done. */
void groups_verify(struct run *r, enum since since);
/* Outputs are there, if and only if their inputs are done. */
void settles_verify(struct run *r);

#endif
