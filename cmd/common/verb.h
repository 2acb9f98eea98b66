/* SPDX-License-Identifier: MIT */
/*
 * verb.h - tools whose command line says what to do: "mqd topic list", "mqdlq show". Each verb
 * takes some of the options of the tool's table (opt.h); they may stand on either side of it.
 */
#ifndef VERB_H
#define VERB_H

#include "opt.h"

struct verb_def {
	const char *noun; /* what stands before the word; NULL: the tool's name */
	const char *word;
	const char *name;  /* all of it: "mqd topic list" */
	const char *usage; /* struct opt_tool */
	const char *help;
	unsigned takes; /* the set of its options: bit 1 << id. There are few. */
};

/* The verb's own table: what it does not take is as unknown there as any other word. defs has room
 * for all of the tool's. */
struct opt_tool verb_tool(const struct opt_tool *all, const struct verb_def *verb,
			  struct opt_def *defs);

/* Refuses the options that stood before the verb and do not belong to it. given: as takes. */
void verb_check_given(const struct opt_tool *all, const struct verb_def *verb, unsigned given);

/* The words of all n verbs of a noun, "create, list, show". Valid until the next call. */
const char *verb_words(const struct verb_def *verbs, size_t n, const char *noun);

#endif
