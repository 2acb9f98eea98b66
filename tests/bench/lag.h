/* SPDX-License-Identifier: MIT */
/* lag.h - a subscriber that is far behind catches up from disk, and others go on beside it. */
#ifndef LAG_H
#define LAG_H

#include "bench.h"

enum lag_figure {
	LAG_CATCH_UP,    /* bytes of values a second, alone */
	LAG_DISK_READ,   /* bytes a second: the same files, read one after the other */
	LAG_BESIDE_RATE, /* messages a second of a live subscriber, while another one catches up, */
	LAG_ALONE_RATE,  /* and while none does */
	LAG_BESIDE_P99,  /* seconds from a live message's publication to its receipt */
	LAG_ALONE_P99,
};

#define LAG_FIGURES 6

/* One run: the figure for LAG_CATCH_UP measures all of them, the others are what it found. */
int lag_run(struct bench *b, const void *figure, double *value);

extern const enum lag_figure lag_catch_up, lag_disk_read, lag_beside_rate, lag_alone_rate, lag_beside_p99,
    lag_alone_p99;

#endif
