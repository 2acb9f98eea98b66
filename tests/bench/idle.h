/* SPDX-License-Identifier: MIT */
/* idle.h - what mqd and a subscriber do when there is nothing to do. */
#ifndef IDLE_H
#define IDLE_H

#include "bench.h"

enum idle_figure {
	IDLE_MQD_TICKS, /* of CPU time, in IDLE_SECONDS */
	IDLE_MQD_WAKEUPS, /* a second: context switches of all its threads */
	IDLE_MQSUB_TICKS,
	IDLE_MQSUB_WAKEUPS,
};

#define IDLE_SECONDS 10

/* One run: the figure for IDLE_MQD_TICKS measures all of them, the others are what it found. */
int idle_run(struct bench *b, const void *figure, double *value);

extern const enum idle_figure idle_mqd_ticks, idle_mqd_wakeups, idle_mqsub_ticks, idle_mqsub_wakeups;

#endif
