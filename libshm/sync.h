/* SPDX-License-Identifier: MIT */
/* sync.h - waiting until something is on disk; one wait. */
#ifndef SHMQ_SYNC_H
#define SHMQ_SYNC_H

#include "publish.h"

/* Until w->done(w); w->mark(w) calls mqd. 0, SHMQ_TIMEOUT, SHMQ_INTERRUPTED (call it again: it goes on), SHMQ_GONE,
 * SHMQ_EDAEMON (the disk fails), or an error. Blocks. */
int sync_for(struct sync_wait *w);

#endif
