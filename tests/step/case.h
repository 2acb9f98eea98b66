/* SPDX-License-Identifier: MIT */
/* case.h - one case: one scenario, one variant, one point. */
#ifndef STEP_CASE_H
#define STEP_CASE_H

#include "scenario.h"

struct point {
	uint32_t k[CHILDREN]; /* instructions that each child has done */
	bool stepping;        /* go there by single steps: the breakpoint was not met */
};

/* The control run: nobody is stopped or killed; child `which` is recorded into *trace. Fills
 * *outcome; never returns. */
_Noreturn void case_record(const struct scenario *s, int which, struct trace *trace,
                           struct outcome *outcome, const char *dir);

/* One point. Fills *outcome; never returns. */
_Noreturn void case_run(const struct scenario *s, enum variant variant, const struct point *at,
                        const struct trace *traces, uint32_t baseline, struct outcome *outcome,
                        const char *dir);

#endif
