/* SPDX-License-Identifier: MIT */
/* opening.h - opens single topics, at the start or while others are read. */
#ifndef MQSUB_OPENING_H
#define MQSUB_OPENING_H

#include "topics.h"

struct opening {
	struct topics *t;
	const struct args *args;
	const struct out *out;
	int64_t start_ns, until_ns; /* CLOCK_MONOTONIC */
	int64_t pause_ns;
	bool told;
	unsigned vanished; /* how often one was deleted behind the look at it */
	const char *late;  /* NULL: it is the start; else the one that has appeared */
	bool refused;      /* it cannot be read */
};

/* Dies, but leaves the broker as if it had never come. */
_Noreturn void opening_give_up(struct opening *o, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same at the start; of one that is late it is told, once. */
void opening_refuse(struct opening *o, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Looks whether the topic is as the options need it, or refuses it. */
void opening_check(struct opening *o, const struct shmq_topic_info *info);

/* Subscribes to topic i, or opens a consumer; what the group refuses is refused. */
int opening_open(struct opening *o, size_t i);

#endif
