/* SPDX-License-Identifier: MIT */
/* actors.h - what the processes of a case do with the library. */
#ifndef ACTORS_H
#define ACTORS_H

#include "case.h"

/* Makes the broker and its topics, with messages of all kinds and what dead sessions leave. */
void actor_first(const struct plan *p);

/* Actor n of the plan: publishes, subscribes, administers. */
void actor_run(const struct plan *p, unsigned n);

/* Alone, when nothing is damaged any more: everything once, then repair; what was repaired works. */
void actor_last(const struct plan *p);

#endif
