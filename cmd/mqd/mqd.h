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

enum verb {
#define VERB(NOUN, NAME, ...) VERB_##NOUN##_##NAME,
#define WORD(NAME, ...)       VERB_##NAME,
#include "mqd_verbs.def"
	VERB_COUNT
};

struct mqd_args {
	const struct opt_tool *tool; /* the verb's, for bad usage */
	enum verb verb;
	unsigned given; /* TAKES() of every option on the command line */
	const char *dir;
	const char *store;
	int io; /* enum io_kind */
	uint64_t segment_bytes, store_limit;
	struct shmq_topic_options topic;
	struct shmq_group_options group;
	unsigned set; /* enum shmq_group_set: what of `group` was given */
	struct shmq_seek seek;
	char **names; /* the operands: topics; but for "group list" one topic, and its groups */
	int name_count;
};

#define GIVEN(args, NAME) (((args)->given & TAKES(NAME)) != 0)

/* Fills args (but for the verb), the command line's options up to the next operand. */
void take_options(struct mqd_args *args, int argc, char **argv);

/* Each does its verb for all operands and returns the exit status: 0, or that of the first
 * topic or group that could not be served. */
int topic_create(const struct mqd_args *args);
int topic_alter(const struct mqd_args *args);
int topic_change(const struct mqd_args *args); /* purge, repair, delete */
int topic_list(const struct mqd_args *args);
int topic_show(const struct mqd_args *args);
int group_list(const struct mqd_args *args);
int group_alter(const struct mqd_args *args);
int group_seek(const struct mqd_args *args);
int group_pause(const struct mqd_args *args); /* pause, resume */
int group_delete(const struct mqd_args *args);

/* Verifies the store. */
int check(const struct mqd_args *args);

/* Serves until INT or TERM. */
int serve(const struct mqd_args *args);

/* "topic NAME: sentence" on stderr; returns the exit status. */
int topic_complain(shmq *q, int code, const char *name);
int group_complain(shmq *q, int code, const char *topic, const char *group);

#endif
