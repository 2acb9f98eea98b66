/* SPDX-License-Identifier: MIT */
/* topic_make.h - what topic.c and topic_admin.c share. */
#ifndef SHMQ_TOPIC_MAKE_H
#define SHMQ_TOPIC_MAKE_H

#include "topic.h"

/* Fills in defaults and checks ranges: 0 or SHMQ_EINVAL with a sentence. */
int topic_options_check(struct error *e, struct shmq_topic_options *o);

#endif
