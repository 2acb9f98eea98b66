/* SPDX-License-Identifier: MIT */
/* main.c - mqdlq: looks at the dead letters of a topic's groups, and decides what becomes of them.
 */
#include <getopt.h>
#include <string.h>

#include "ask.h"
#include "mqdlq.h"
#include "verb.h"

#define OPT(NAME, ...) {OPT_##NAME, __VA_ARGS__},
static const struct opt_def all_defs[] = {
#include "mqdlq_options.def"
};
#undef OPT

#define DEF_COUNT (sizeof(all_defs) / sizeof(all_defs[0]))

static const struct verb_def verbs[] = {
#define VERB(NAME, word, operands, takes, help)                                                    \
	{NULL, word, "mqdlq " word, "[options]" operands, help, takes},
#include "mqdlq_verbs.def"
#undef VERB
};

static const struct opt_tool mqdlq_tool = {
    .name = "mqdlq",
    .usage = 1 + /* without the first newline: a verb there must be */
#define VERB(NAME, word, operands, takes, help) "\n" word " [options]" operands
#include "mqdlq_verbs.def"
#undef VERB
    ,
    .summary = "The dead letters of a topic's groups; 'mqdlq VERB --help' lists the options of one "
	       "verb.",
    .defs = all_defs,
    .n = DEF_COUNT,
};

/* Options that say which dead letters. */
#define CHOOSE                                                                                     \
	(TAKES(GROUP) | TAKES(KEY) | TAKES(REASON) | TAKES(SINCE) | TAKES(UNTIL) |                 \
	 TAKES(ATTEMPTS) | TAKES(EXIT) | TAKES(GREP) | TAKES(OFFSET) | TAKES(PARTITION) |          \
	 TAKES(ID) | TAKES(COUNT))

static enum verb find_verb(int argc, char **argv)
{
	if (optind >= argc)
		opt_usage(&mqdlq_tool, "a verb is missing: %s",
			  verb_words(verbs, VERB_COUNT_, NULL));
	for (int v = 0; v < VERB_COUNT_; v++)
		if (strcmp(argv[optind], verbs[v].word) == 0) {
			optind++;
			return (enum verb)v;
		}
	opt_usage(&mqdlq_tool, "unknown verb '%s': there are %s", argv[optind],
		  verb_words(verbs, VERB_COUNT_, NULL));
}

static void check_operands(struct mqdlq_args *args, int argc, char **argv)
{
	if (optind >= argc)
		opt_usage(args->tool, "the name of a topic is missing");
	args->topic = argv[optind];
	if (optind + 1 < argc)
		opt_usage(args->tool, "'%s': only one topic is expected", argv[optind + 1]);
	if (shmq_topic_name_check(args->topic) != SHMQ_OK)
		opt_usage(args->tool,
			  "'%s' cannot be a topic's name: 1 to %d of A-Z a-z 0-9 . _ -, "
			  "not '.', '..' or beginning with '-'",
			  args->topic, SHMQ_NAME_MAX);
}

/* Nothing is lost or done again by leaving something out. */
static void check_change(const struct mqdlq_args *args)
{
	if (!(args->given & (CHOOSE | TAKES(ALL))))
		opt_usage(args->tool,
			  "say which dead letters: -g, -k, --reason, --id ..., or --all of them");
	if (args->given & CHOOSE && GIVEN(args, ALL))
		opt_usage(args->tool, "option '--all' and options that choose exclude each other");
	if (args->to && GIVEN(args, DELAY))
		opt_usage(args->tool,
			  "options '--to' and '--delay' exclude each other: only a group "
			  "can deliver later");
	if (!args->to && GIVEN(args, WAIT))
		opt_usage(args->tool,
			  "option '--wait' belongs to '--to': nothing else is waited for");
	if (!GIVEN(args, YES) && !GIVEN(args, DRY_RUN) && !ask_can())
		opt_usage(args->tool,
			  "there is no terminal to ask on: give -y (--yes) if that is meant,"
			  " or -n to see what it would be");
}

static int run_verb(const struct mqdlq_args *args)
{
	switch (args->verb) {
	case VERB_LIST:
		return verb_list(args);
	case VERB_SHOW:
	case VERB_EXPORT:
		return verb_show(args);
	case VERB_COUNT:
		return verb_count(args);
	case VERB_STATS:
		return verb_stats(args);
	case VERB_IMPORT:
		return verb_import(args);
	default:
		return verb_change(args);
	}
}

int main(int argc, char **argv)
{
	static struct mqdlq_args args = {
	    .tool = &mqdlq_tool, .count = UINT64_MAX, .wait_ns = SHMQ_FOREVER};
	struct opt_def defs[DEF_COUNT];
	struct opt_tool tool;
	int status;

	tool_name = "mqdlq";
	selector_init(&args.selector);
	take_options(&args, argc, argv);
	args.verb = find_verb(argc, argv);
	verb_check_given(&mqdlq_tool, &verbs[args.verb], args.given);
	tool = verb_tool(&mqdlq_tool, &verbs[args.verb], defs);
	args.tool = &tool;
	take_options(&args, argc, argv);
	check_operands(&args, argc, argv);
	if (GIVEN(&args, QUIET) && GIVEN(&args, VERBOSE))
		opt_usage(&tool, "options '--quiet' and '--verbose' exclude each other");
	if (args.verb == VERB_REQUEUE || args.verb == VERB_DROP)
		check_change(&args);
	signals_install();
	status = run_verb(&args);
	selector_free(&args.selector);
	if (stop_signal)
		die_of_signal(stop_signal);
	stdout_finish();
	return status;
}
