/* SPDX-License-Identifier: MIT */
/* mqdlq.h - the verbs of mqdlq and what the command line says to them. */
#ifndef MQDLQ_H
#define MQDLQ_H

#include "opt.h"
#include "rate.h"
#include "select.h"
#include "tool.h"

#define OPT(NAME, ...) OPT_##NAME,
enum {
	OPT_NONE,
#include "mqdlq_options.def"
	OPT_COUNT_
};
#undef OPT

#define TAKES(NAME) (1u << OPT_##NAME) /* options are a set of bits: there are few */

#define VERB(NAME, ...) VERB_##NAME,
enum verb {
#include "mqdlq_verbs.def"
	VERB_COUNT_
};
#undef VERB

struct mqdlq_args {
	const struct opt_tool *tool; /* the verb's, for bad usage */
	enum verb verb;
	unsigned given; /* TAKES() of every option on the command line */
	const char *dir;
	const char *topic;
	const char *group; /* NULL: all groups */
	struct selector selector;
	uint64_t count; /* UINT64_MAX: no limit */
	const char *to; /* NULL: to its own group */
	int64_t delay_ns;
	int64_t wait_ns; /* SHMQ_FOREVER: no limit */
	struct rate rate;
};

#define GIVEN(args, NAME) (((args)->given & TAKES(NAME)) != 0)

/* Fills args (but for verb and topic) from the command line's options up to the next operand. */
void take_options(struct mqdlq_args *args, int argc, char **argv);

/* Each does its verb and returns the exit status. */
int verb_list(const struct mqdlq_args *args);
int verb_show(const struct mqdlq_args *args); /* show, export */
int verb_count(const struct mqdlq_args *args);
int verb_stats(const struct mqdlq_args *args);
int verb_change(const struct mqdlq_args *args); /* requeue, drop */
int verb_import(const struct mqdlq_args *args);

#endif
