/* SPDX-License-Identifier: MIT */
/* main.c - mqd's command line: finds the verb, takes its options, calls it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mqd.h"

#define OPT(NAME, ...) {OPT_##NAME, __VA_ARGS__},
static const struct opt_def all_defs[] = {
#include "mqd_options.def"
};
#undef OPT

#define DEF_COUNT (sizeof(all_defs) / sizeof(all_defs[0]))

static const struct verb_def {
	const char *word, *name, *usage, *help;
	unsigned takes;
} verbs[] = {
#define VERB(NAME, word, operands, takes, help)                                                    \
	{word, "mqd topic " word, "[options]" operands, help, takes},
#include "mqd_verbs.def"
#undef VERB
};

static const struct opt_tool mqd_tool = {
    .name = "mqd",
    .usage = ""
#define VERB(NAME, word, operands, takes, help) "\ntopic " word " [options]" operands
#include "mqd_verbs.def"
#undef VERB
    ,
    .summary = "Administer topics; 'mqd topic VERB --help' lists the options of one verb.",
    .defs = all_defs,
    .n = DEF_COUNT,
};

/* ---- values ---- */

static uint32_t parse_slots(const struct opt_tool *tool, const char *arg)
{
	uint64_t n = opt_number(tool, OPT_SLOTS, arg, 8, 1 << 20);

	if (n & (n - 1))
		opt_usage(tool, "option '--slots': '%s' is not a power of two", arg);
	return (uint32_t)n;
}

static uint64_t parse_memory(const struct opt_tool *tool, const char *arg)
{
	uint64_t n = opt_size(tool, OPT_MEMORY, arg);

	if (n < 1 << 20 || n > 1 << 30 || n % (256 << 10))
		opt_usage(tool, "option '--memory': '%s' is not a multiple of 256K from 1M to 1G",
			  arg);
	return n;
}

static uint64_t parse_keep(const struct opt_tool *tool, const char *arg)
{
	uint64_t n = opt_size(tool, OPT_KEEP, arg);

	if (n == 0 || n > 1 << 30)
		opt_usage(tool, "option '--keep': '%s' is not a size from 1 to 1G", arg);
	return n;
}

static enum shmq_full parse_full(const struct opt_tool *tool, const char *arg)
{
	for (int full = SHMQ_FULL_BLOCK; full <= SHMQ_FULL_DROP_OLD; full++)
		if (strcmp(arg, full_text((enum shmq_full)full)) == 0)
			return (enum shmq_full)full;
	opt_usage(tool, "option '--full': '%s' is not block, reject or drop-old", arg);
}

/* ---- options ---- */

static void take_options(struct mqd_args *args, int argc, char **argv)
{
	const struct opt_tool *tool = args->tool;
	const char *arg;
	int id;

	while ((id = opt_next(tool, argc, argv, &arg)) != 0) {
		args->given |= 1u << id;
		switch (id) {
		case OPT_BROKER:
			args->dir = opt_text(tool, id, arg, "a directory");
			break;
		case OPT_PARTITIONS:
			args->topic.partitions =
			    (uint32_t)opt_number(tool, id, arg, 1, SHMQ_PARTITIONS_MAX);
			break;
		case OPT_SLOTS:
			args->topic.slots = parse_slots(tool, arg);
			break;
		case OPT_MEMORY:
			args->topic.pool_bytes = parse_memory(tool, arg);
			break;
		case OPT_KEEP:
			args->topic.keep_bytes = parse_keep(tool, arg);
			break;
		case OPT_FULL:
			args->topic.full = parse_full(tool, arg);
			break;
		default: /* the flags are in `given` */
			break;
		}
	}
}

/* The verb's own table: what it does not take is as unknown there as any other word. */
static struct opt_tool verb_tool(const struct verb_def *verb, struct opt_def defs[DEF_COUNT])
{
	struct opt_tool tool = {
	    .name = verb->name, .usage = verb->usage, .summary = verb->help, .defs = defs};

	for (size_t i = 0; i < DEF_COUNT; i++)
		if (verb->takes & 1u << all_defs[i].id)
			defs[tool.n++] = all_defs[i];
	return tool;
}

/* Options that stood before the verb belong to it too. */
static void check_given(const struct mqd_args *args, const struct verb_def *verb)
{
	for (size_t i = 0; i < DEF_COUNT; i++)
		if (args->given & ~verb->takes & 1u << all_defs[i].id)
			opt_usage(args->tool, "option '--%s' does not belong to '%s'",
				  all_defs[i].long_name, verb->name);
}

/* ---- verbs ---- */

/* Options may stand on either side of each word. */
static enum verb find_verb(struct mqd_args *args, int argc, char **argv)
{
	const char *noun = argv[optind++];
	const char *word;

	if (strcmp(noun, "topic") != 0)
		opt_usage(&mqd_tool,
			  "unknown command '%s': there is 'mqd topic' with create, list, show, "
			  "purge, repair, delete",
			  noun);
	take_options(args, argc, argv);
	word = argv[optind++];
	if (!word)
		opt_usage(&mqd_tool, "'mqd topic' needs a verb: create, list, show, purge, "
				     "repair, delete");
	for (int v = 0; v < VERB_COUNT; v++)
		if (strcmp(word, verbs[v].word) == 0)
			return (enum verb)v;
	opt_usage(&mqd_tool,
		  "unknown verb '%s': there are create, list, show, purge, repair, delete", word);
}

static void check_operands(const struct mqd_args *args)
{
	if (args->verb == VERB_LIST && args->name_count > 0)
		opt_usage(args->tool, "'%s': no operand is expected", args->names[0]);
	if (args->verb != VERB_LIST && args->name_count == 0)
		opt_usage(args->tool, "the name of a topic is missing");
	if (args->verb == VERB_CREATE) {
		uint64_t memory = args->topic.pool_bytes ? args->topic.pool_bytes : 64 << 20;

		if (args->topic.keep_bytes > memory)
			opt_usage(args->tool, "option '--keep': %s is more than the %s of memory",
				  size_text(args->topic.keep_bytes), size_text(memory));
	}
	for (int i = 0; i < args->name_count; i++)
		if (shmq_topic_name_check(args->names[i]) != SHMQ_OK)
			opt_usage(args->tool,
				  "'%s' cannot be a topic's name: 1 to %d of A-Z a-z 0-9 . _ -, "
				  "not '.', '..' or beginning with '-'",
				  args->names[i], SHMQ_NAME_MAX);
}

static int run_verb(const struct mqd_args *args)
{
	switch (args->verb) {
	case VERB_CREATE:
		return topic_create(args);
	case VERB_LIST:
		return topic_list(args);
	case VERB_SHOW:
		return topic_show(args);
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
	if (optind >= argc && args.given)
		opt_usage(&mqd_tool, "options without a verb");
	if (optind >= argc)
		die(EX_UNAVAILABLE, "this version keeps topics in memory only and needs no daemon: "
				    "use mqpub and mqsub, and 'mqd topic' to administer topics");
	args.verb = find_verb(&args, argc, argv);
	check_given(&args, &verbs[args.verb]);
	tool = verb_tool(&verbs[args.verb], defs);
	args.tool = &tool;
	take_options(&args, argc, argv);
	args.names = argv + optind;
	args.name_count = argc - optind;
	check_operands(&args);
	signals_install();
	status = run_verb(&args);
	stdout_finish();
	return status;
}
