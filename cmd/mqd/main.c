/* SPDX-License-Identifier: MIT */
/* main.c - mqd's command line: finds the noun and its verb, takes their options, calls it. */
#include <getopt.h>
#include <string.h>

#include "mqd.h"
#include "verb.h"
#include "words.h"

#define OPT(NAME, ...) {OPT_##NAME, __VA_ARGS__},
static const struct opt_def all_defs[] = {
#include "mqd_options.def"
};
#undef OPT

#define DEF_COUNT (sizeof(all_defs) / sizeof(all_defs[0]))

static const char *const nouns[] = {
#define NOUN(NAME, word, help) word,
#include "mqd_verbs.def"
};

#define NOUN_COUNT (sizeof(nouns) / sizeof(nouns[0]))

static const struct verb_def verbs[] = {
#define VERB(NOUN, NAME, noun, word, operands, takes, help)                                        \
	{noun, word, "mqd " noun " " word, "[options]" operands, help, takes},
#define WORD(NAME, word, operands, takes, help) {NULL, word, "mqd " word, "[options]" operands, help, takes},
#include "mqd_verbs.def"
};

static const struct opt_tool mqd_tool = {
    .name = "mqd",
    .usage = "[options]"
#define VERB(NOUN, NAME, noun, word, operands, takes, help) "\n" noun " " word " [options]" operands
#define WORD(NAME, word, operands, takes, help)             "\n" word " [options]" operands
#include "mqd_verbs.def"
    ,
    .summary = "Without a verb: serve topics on disk until INT or TERM. Else administer topics and "
	       "their groups, or check a store; 'mqd topic VERB --help', 'mqd group VERB --help' and "
	       "'mqd check --help' list the options of one verb.",
    .defs = all_defs,
    .n = DEF_COUNT,
};

/* ---- verbs ---- */

/* No verb at all: the daemon. */
static const struct verb_def serve_def = {
    .name = "mqd",
    .takes = TAKES(BROKER) | TAKES(STORE) | TAKES(IO) | TAKES(SEGMENT) | TAKES(STORE_LIMIT) | TAKES(VERBOSE),
};

static const char *find_noun(const char *word)
{
	for (size_t i = 0; i < NOUN_COUNT; i++)
		if (strcmp(word, nouns[i]) == 0)
			return nouns[i];
	opt_usage(&mqd_tool, "unknown command '%s': there are 'mqd topic', 'mqd group' and 'mqd check'", word);
}

/* Options may stand on either side of each word. */
static enum verb find_verb(struct mqd_args *args, int argc, char **argv)
{
	const char *noun, *word;

	for (int v = 0; v < VERB_COUNT; v++)
		if (verbs[v].noun == NULL && strcmp(argv[optind], verbs[v].word) == 0) {
			optind++;
			return (enum verb)v;
		}
	noun = find_noun(argv[optind++]);
	take_options(args, argc, argv);
	word = argv[optind++];
	if (!word)
		opt_usage(&mqd_tool, "'mqd %s' needs a verb: %s", noun,
			  verb_words(verbs, VERB_COUNT, noun));
	for (int v = 0; v < VERB_COUNT; v++)
		if (verbs[v].noun != NULL && strcmp(noun, verbs[v].noun) == 0 && strcmp(word, verbs[v].word) == 0)
			return (enum verb)v;
	opt_usage(&mqd_tool, "unknown verb '%s' of 'mqd %s': there are %s", word, noun,
		  verb_words(verbs, VERB_COUNT, noun));
}

/* ---- operands ---- */

static void check_topic_name(const struct mqd_args *args, const char *name)
{
	if (shmq_topic_name_check(name) != SHMQ_OK)
		opt_usage(args->tool,
			  "'%s' cannot be a topic's name: 1 to %d of A-Z a-z 0-9 . _ -, "
			  "not '.', '..' or beginning with '-'",
			  name, SHMQ_NAME_MAX);
}

/* One topic, and at least one group. */
static void check_groups(const struct mqd_args *args)
{
	if (args->name_count == 0)
		opt_usage(args->tool, "the name of a topic is missing");
	check_topic_name(args, args->names[0]);
	if (args->name_count == 1)
		opt_usage(args->tool, "the name of a group is missing");
	for (int i = 1; i < args->name_count; i++)
		if (shmq_group_name_check(args->names[i]) != SHMQ_OK)
			opt_usage(args->tool,
				  "'%s' cannot be a group's name: 1 to %d of A-Z a-z 0-9 . _ -, "
				  "not '.', '..' or beginning with '-'",
				  args->names[i], SHMQ_NAME_MAX);
}

static void check_topics(const struct mqd_args *args)
{
	if (args->name_count == 0 && args->verb != VERB_TOPIC_LIST && args->verb != VERB_GROUP_LIST &&
	    args->verb != VERB_CHECK)
		opt_usage(args->tool, "the name of a topic is missing");
	if (args->name_count > 0 && args->verb == VERB_TOPIC_LIST)
		opt_usage(args->tool, "'%s': no operand is expected", args->names[0]);
	for (int i = 0; i < args->name_count; i++)
		check_topic_name(args, args->names[i]);
}

/* What an option cannot know by itself. */
static void check_options(const struct mqd_args *args)
{
	uint64_t memory = args->topic.pool_bytes ? args->topic.pool_bytes : 64 << 20;

	if (args->topic.keep_bytes > memory)
		opt_usage(args->tool, "option '--keep': %s is more than the %s of memory",
			  size_text(args->topic.keep_bytes), size_text(memory));
	if (args->verb == VERB_GROUP_ALTER && !args->set)
		opt_usage(args->tool, "nothing to alter: give --mode, --lease, --retries, "
				      "--backoff, --key, --expire or --dead-letters");
	if (args->verb == VERB_TOPIC_ALTER && !GIVEN(args, RETENTION) && !GIVEN(args, RETENTION_BYTES) &&
	    !GIVEN(args, UNTIL_ACKED))
		opt_usage(args->tool, "nothing to alter: give --retention, --retention-bytes or --until-acked");
	if (args->verb == VERB_GROUP_SEEK && !GIVEN(args, OFFSET))
		opt_usage(args->tool, "say where to: -o (--offset) beginning, end, N, -N, @TIME");
}

static int run_verb(const struct mqd_args *args)
{
	switch (args->verb) {
	case VERB_CHECK:
		return check(args);
	case VERB_TOPIC_CREATE:
		return topic_create(args);
	case VERB_TOPIC_ALTER:
		return topic_alter(args);
	case VERB_TOPIC_LIST:
		return topic_list(args);
	case VERB_TOPIC_SHOW:
		return topic_show(args);
	case VERB_GROUP_LIST:
		return group_list(args);
	case VERB_GROUP_ALTER:
		return group_alter(args);
	case VERB_GROUP_SEEK:
		return group_seek(args);
	case VERB_GROUP_PAUSE:
	case VERB_GROUP_RESUME:
		return group_pause(args);
	case VERB_GROUP_DELETE:
		return group_delete(args);
	default:
		return topic_change(args);
	}
}

int main(int argc, char **argv)
{
	struct opt_def defs[DEF_COUNT];
	struct mqd_args args = {.tool = &mqd_tool};
	struct opt_tool tool;
	int status;

	tool_name = "mqd";
	take_options(&args, argc, argv);
	if (optind >= argc) {
		verb_check_given(&mqd_tool, &serve_def, args.given);
		signals_install();
		return serve(&args);
	}
	args.verb = find_verb(&args, argc, argv);
	verb_check_given(&mqd_tool, &verbs[args.verb], args.given);
	tool = verb_tool(&mqd_tool, &verbs[args.verb], defs);
	args.tool = &tool;
	take_options(&args, argc, argv);
	args.names = argv + optind;
	args.name_count = argc - optind;
	if (args.verb >= VERB_GROUP_ALTER)
		check_groups(&args);
	else
		check_topics(&args);
	check_options(&args);
	signals_install();
	status = run_verb(&args);
	stdout_finish();
	return status;
}
