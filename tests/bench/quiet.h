/* SPDX-License-Identifier: MIT */
/* quiet.h - is the machine ours? */
#ifndef QUIET_H
#define QUIET_H

#include "bench.h"

/* Waits until nothing else runs, at most *patience_ns, which becomes less by the wait. */
void quiet_wait(uint64_t *patience_ns);

struct load {
	uint64_t at_ns, busy_ns, own_ns;
};

struct load quiet_begin(void);

/* Others, or the hypervisor, took a notable part of a CPU since then. */
bool quiet_disturbed(const struct load *since);

#endif
