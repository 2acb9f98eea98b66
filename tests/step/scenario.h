/* SPDX-License-Identifier: MIT */
/*
 * scenario.h - one operation to be stopped and killed everywhere, and what is around it.
 *
 * Order of one case: the children are forked and stand still; setup(); each child runs to
 * MARK_READY; ready(); each runs to MARK_BEGIN and from there to its point; KILL kills it there;
 * others(); STOP lets it run to MARK_END and to its end; finish(). The control run has no point:
 * the children run through, then others() and finish() must find everything in order.
 */
#ifndef STEP_SCENARIO_H
#define STEP_SCENARIO_H

#include "../../libshm/shmq.h"
#include "trace.h"
#include "world.h"

struct scenario {
	const char *name;
	const char *says;   /* the operation, in words */
	unsigned variants;  /* KILL | STOP | STOP_KILL */
	unsigned children;  /* 1, or 2: a pair */
	unsigned weight;    /* of its share of the time; 0: 1 */
	bool both_ways;     /* each point also by single steps: both must find the same state */
	struct shmq_topic_options topic;
	struct shmq_group_options group; /* of group_crowd.h */
	void (*setup)(void);
	void (*child[CHILDREN])(void);
	void (*ready)(void);
	void (*asleep)(int child);
	void (*others)(void);
	void (*finish)(void);
};

extern const struct scenario *scenario; /* of the case that runs */

#define SMALL_TOPIC { .slots = 8, .pool_bytes = 1u << 20, .keep_bytes = 1 }
#define WIDE_TOPIC  { .slots = 32, .pool_bytes = 2u << 20, .keep_bytes = 1 }
#define ALL_VARIANTS (KILL | STOP | STOP_KILL)

/* Each file of scenarios exports its list, ended by a NULL name. */
extern const struct scenario toy_scenarios[], log_scenarios[], extent_scenarios[],
        session_scenarios[], reader_scenarios[], topic_scenarios[], bell_scenarios[],
        pair_scenarios[], group_scenarios[], settle_scenarios[], dlq_scenarios[],
        group_admin_scenarios[], group_pair_scenarios[];

#endif
