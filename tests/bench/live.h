/* SPDX-License-Identifier: MIT */
/* live.h - a publisher at a fixed rate and a subscriber that is never behind, each a process. */
#ifndef LIVE_H
#define LIVE_H

#include "bench.h"

#define LIVE_RATE 50000u /* messages of 100 B a second: well below what a CPU can do */

struct live;

/* NULL: said why. */
struct live *live_start(struct bench *b, const char *topic);

/* From here on to the next call is one phase; there are two of them at most. */
void live_phase(struct live *l);

/* Ends both. *rate and *p99 of each phase. -1: said why. l is gone either way. */
int live_end(struct live *l, double rate[2], double p99[2]);

#endif
