/* SPDX-License-Identifier: MIT */
/* points.h - in which order the points of an operation are visited. */
#ifndef STEP_POINTS_H
#define STEP_POINTS_H

#include "case.h"

/* The points of an operation: before each instruction that touches what others can see, and behind
 * the last one. All others are the same as the next of these (touch.h). Each comes exactly once (of a
 * pair: samples without end). First those where an instruction is met for the first or second time, then
 * the later rounds of loops; each of the two spread evenly, so that it may be cut off anywhere. `offset`
 * turns the order, so that what is cut off differs from run to run. */
struct points {
	const struct trace *traces;
	unsigned children;
	uint32_t *order[CHILDREN];
	uint32_t n[CHILDREN], first[CHILDREN]; /* points; of those: the important ones */
	uint64_t offset, i;
};

void points_begin(struct points *p, const struct trace *traces, unsigned children,
                  uint64_t offset);
bool points_next(struct points *p, struct point *out);
uint64_t points_total(const struct points *p);
void points_end(struct points *p);

#endif
