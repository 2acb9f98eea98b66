/* SPDX-License-Identifier: MIT */
/* args.h - what the command line of mqsub asks for. */
#ifndef MQSUB_ARGS_H
#define MQSUB_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "print.h"
#include "rate.h"
#include "shmq.h"

#define TOPICS_MAX 128 /* what shmq_sub_wait() waits for at once */
#define JOBS_MAX   1024

struct args {
	const char *dir; /* NULL: the default broker */
	char **topics;      /* names and patterns */
	size_t topic_count; /* 1 .. TOPICS_MAX */
	bool patterns;      /* some of them are */
	struct shmq_sub_options sub;
	uint32_t partitions[SHMQ_PARTITIONS_MAX]; /* what sub.partitions points to */
	struct print_style style;
	uint64_t count;  /* UINT64_MAX: no limit */
	int64_t wait_ns; /* SHMQ_FOREVER: no limit */
	struct rate rate;
	bool ack_disk; /* exit only when what was acked is on disk */
	bool unbuffered;
	bool verbose;

	const char *group; /* NULL: an ephemeral subscriber */
	bool browse;       /* the group, without a trace */
	struct shmq_consume_options consume;
	struct shmq_group_options group_options; /* what consume.options points to */

	char **command; /* NULL: messages are printed */
	unsigned jobs;
	int64_t timeout_ns; /* SHMQ_FOREVER: no limit */
	bool worker;
	const char *into; /* NULL: what commands print goes to standard output */
};

/* Are messages acked when they are handed out, so that there is nothing to settle? */
static inline bool args_at_most_once(const struct args *args)
{
	return args->consume.flags & SHMQ_CONSUME_AT_MOST_ONCE;
}

/* Is a topic a pattern over names? No name has these characters. */
static inline bool args_is_pattern(const char *topic)
{
	return strpbrk(topic, "*#") != NULL;
}

/* Is the topic of this name meant by it? */
static inline bool args_means(const char *topic, const char *name)
{
	return args_is_pattern(topic) ? shmq_filter_match(topic, name, strlen(name)) != 0
				      : strcmp(topic, name) == 0;
}

/* Fills *args, or says what is wrong and exits (64), or answers --help and --version. */
void args_read(struct args *args, int argc, char **argv);

#endif
