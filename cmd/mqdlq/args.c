/* SPDX-License-Identifier: MIT */
/* args.c - the options of mqdlq. */
#include "group_values.h"
#include "mqdlq.h"

static void take_selector(struct mqdlq_args *args, int id, const char *arg)
{
	struct selector *s = &args->selector;
	const struct opt_tool *tool = args->tool;

	switch (id) {
	case OPT_KEY:
		selector_key(s, tool, id, arg);
		break;
	case OPT_REASON:
		selector_reasons(s, tool, id, arg);
		break;
	case OPT_SINCE:
		s->dead_ns.from = selector_time(tool, id, arg);
		break;
	case OPT_UNTIL:
		s->dead_ns.until = selector_time(tool, id, arg);
		break;
	case OPT_ATTEMPTS:
		s->attempts = selector_range(tool, id, arg);
		break;
	case OPT_EXIT:
		selector_status(s, tool, id, arg);
		break;
	case OPT_GREP:
		selector_grep(s, tool, id, arg);
		break;
	case OPT_OFFSET:
		s->offsets = selector_range(tool, id, arg);
		break;
	case OPT_PARTITION:
		selector_partitions(s, tool, id, arg);
		break;
	case OPT_ID:
		selector_ids(s, tool, id, arg);
		break;
	default: /* the flags are in `given` */
		break;
	}
}

static void take_name(struct mqdlq_args *args, int id, const char *arg)
{
	if (shmq_topic_name_check(arg) != SHMQ_OK)
		opt_bad_value(args->tool, id, arg, "the name of a topic");
	args->to = arg;
}

static void take_option(struct mqdlq_args *args, int id, const char *arg)
{
	const struct opt_tool *tool = args->tool;

	switch (id) {
	case OPT_BROKER:
		args->dir = opt_text(tool, id, arg, "a directory");
		break;
	case OPT_GROUP:
		args->group = group_name(tool, id, arg);
		break;
	case OPT_COUNT:
		args->count = opt_number(tool, id, arg, 1, UINT64_MAX - 1);
		break;
	case OPT_TO:
		take_name(args, id, arg);
		break;
	case OPT_DELAY:
		args->delay_ns = opt_duration(tool, id, arg);
		if (args->delay_ns > INT64_C(30) * 86400 * 1000000000)
			opt_bad_value(tool, id, arg, "a duration of at most 30d");
		break;
	case OPT_RATE:
		if (!rate_parse(&args->rate, arg))
			opt_bad_value(tool, id, arg, "a rate (as 100, 100/s, 6/m or 1/h)");
		break;
	case OPT_WAIT:
		args->wait_ns = opt_duration(tool, id, arg);
		break;
	case OPT_QUIET:
		tool_quiet = true;
		break;
	default:
		take_selector(args, id, arg);
		break;
	}
}

void take_options(struct mqdlq_args *args, int argc, char **argv)
{
	const char *arg;
	int id;

	while ((id = opt_next(args->tool, argc, argv, &arg)) != OPT_NONE) {
		args->given |= 1u << id;
		take_option(args, id, arg);
	}
}
