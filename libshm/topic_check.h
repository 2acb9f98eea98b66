/* SPDX-License-Identifier: MIT */
/* topic_check.h - which options a topic may have (its names: shmq_topic_name_check()). */
#ifndef SHMQ_TOPIC_CHECK_H
#define SHMQ_TOPIC_CHECK_H

#include "error.h"

#include <stdbool.h>

/* Fills in defaults and checks ranges: 0 or SHMQ_EINVAL with a sentence. */
/* Fills in the default and checks ranges: 0 or SHMQ_EINVAL with a sentence. */
int retention_check(struct error *e, struct shmq_retention *r);

int topic_options_check(struct error *e, struct shmq_topic_options *o);

/* Of options that stand in a file: complete and in range. Nobody loops over others. */
bool topic_options_valid(const struct shmq_topic_options *o);

/* shmq_topic_name_check() with its sentence. */
int topic_name_check(struct error *e, const char *name);

#endif
