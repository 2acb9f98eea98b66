/* SPDX-License-Identifier: MIT */
/* mqd.h - the verbs of mqd and what the command line says to them. */
#ifndef MQD_H
#define MQD_H

#include "opt.h"
#include "tool.h"

#define OPT(NAME, ...) OPT_##NAME,
enum {
	OPT_NONE,
#include "mqd_options.def"
	OPT_COUNT
};
#undef OPT

#define TAKES(NAME) (1u << OPT_##NAME) /* options are a set of bits: there are few */

#define VERB(NAME, ...) VERB_##NAME,
enum verb {
#include "mqd_verbs.def"
	VERB_COUNT
};
#undef VERB

struct mqd_args {
	const struct opt_tool *tool; /* the verb's, for bad usage */
	enum verb verb;
	unsigned given; /* TAKES() of every option on the command line */
	const char *dir;
	struct shmq_topic_options topic;
	char **names; /* the operands */
	int name_count;
};

#define GIVEN(args, NAME) (((args)->given & TAKES(NAME)) != 0)

/* Each does its verb for all operands and returns the exit status: 0, or that of the first
 * topic that could not be served. */
int topic_create(const struct mqd_args *args);
int topic_change(const struct mqd_args *args); /* purge, repair, delete */
int topic_list(const struct mqd_args *args);
int topic_show(const struct mqd_args *args);

/* "topic NAME: sentence" on stderr; returns the exit status. */
int topic_complain(shmq *q, int code, const char *name);

/* Bytes as --memory takes them: 65536 is "64K". Valid until the 4th next call. */
const char *size_text(uint64_t bytes);
const char *full_text(enum shmq_full full);

#endif
