/* SPDX-License-Identifier: MIT */
/* into.h - publishes what a command printed and settles its message, both or neither (--into). */
#ifndef MQSUB_INTO_H
#define MQSUB_INTO_H

#include "work.h"

/* The command of this busy job is done. Where there is no room the job stays busy, to be called
 * again with when job->again_ns is over. */
void into_settle(struct work *w, struct job *job);

#endif
