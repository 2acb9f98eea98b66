/* SPDX-License-Identifier: MIT */
/* group_values.h - values of the options that say how a group works, the same in every tool. */
#ifndef GROUP_VALUES_H
#define GROUP_VALUES_H

#include <stdbool.h>

#include "opt.h"
#include "shmq.h"

/* Do * and # stand for whole words between dots in it? */
bool pattern_is_sound(const char *pattern);

/* Each reads the argument of option id, or exits with 64 and says what it takes. */
const char *group_name(const struct opt_tool *tool, int id, const char *arg);
const char *group_pattern(const struct opt_tool *tool, int id, const char *arg);
uint32_t group_retries(const struct opt_tool *tool, int id, const char *arg);
int64_t group_lease(const struct opt_tool *tool, int id, const char *arg);
/* BASE[,MAX]; without MAX that is the default of 5 minutes, or BASE where BASE is longer. */
void group_backoff(const struct opt_tool *tool, int id, const char *arg,
		   struct shmq_group_options *options);

#endif
