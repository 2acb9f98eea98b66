/* SPDX-License-Identifier: MIT */
/* quiet.c - is the machine ours? It decides more than it seems: where the scheduler finds a CPU
 * busy it puts both ends of a pipe onto the other one, and the pipe becomes several times faster.
 */
#include "quiet.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOOK_NS       200000000u /* length of one look */
#define SHARE_ALLOWED 0.1        /* of one CPU; the kernel itself needs some */
#define SLACK_NS      40000000u  /* /proc/stat counts in ticks of 10 ms on each CPU */

/* Time in which CPUs did something, over all of them and all programs; with what was stolen. */
static uint64_t busy_ns(void)
{
	uint64_t t[8] = {0}, tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	FILE *f = fopen("/proc/stat", "re");

	if (!f)
		return 0;
	if (fscanf(f,
		   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64,
		   &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 8)
		t[0] = 0;
	fclose(f);
	return (t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) * tick_ns; /* 3 and 4: idle, iowait */
}

static uint64_t timeval_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

/* This process and the children it has waited for. */
static uint64_t own_ns(void)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return timeval_ns(self.ru_utime) + timeval_ns(self.ru_stime) +
	       timeval_ns(children.ru_utime) + timeval_ns(children.ru_stime);
}

struct load quiet_begin(void)
{
	return (struct load){.at_ns = now_ns(), .busy_ns = busy_ns(), .own_ns = own_ns()};
}

bool quiet_disturbed(const struct load *since)
{
	struct load now = quiet_begin();
	double busy = (double)(now.busy_ns - since->busy_ns);
	double own = (double)(now.own_ns - since->own_ns);

	return busy - own > SHARE_ALLOWED * (double)(now.at_ns - since->at_ns) + SLACK_NS;
}

void quiet_wait(uint64_t *patience_ns)
{
	struct load since;

	while (*patience_ns) {
		since = quiet_begin();
		nap(LOOK_NS);
		if (!quiet_disturbed(&since))
			return;
		*patience_ns -= *patience_ns > LOOK_NS ? LOOK_NS : *patience_ns;
	}
}
