/* SPDX-License-Identifier: MIT */
/* args.c - reads the command line of mqsub. */
#include "args_table.h"

#include <getopt.h>
#include <time.h>

#include "escape.h"
#include "group_values.h"
#include "tool.h"

#define OPT(NAME, ...) {OPT_##NAME, __VA_ARGS__},
static const struct opt_def defs[] = {
#include "mqsub_options.def"
};
#undef OPT

const struct opt_tool args_tool = {
    .name = "mqsub",
    .usage = "[options] TOPIC...\n-g GROUP [options] TOPIC... -- COMMAND [ARG...]",
    .summary =
	"Prints the messages of topics, from the beginning of what is there, and goes on"
	" with what\ncomes; or, with -g, what a group has not done yet; or gives each message"
	" of a group to COMMAND.",
    .defs = defs,
    .n = sizeof defs / sizeof defs[0],
};

const char *args_name(int id)
{
	return defs[id - 1].long_name; /* the ids count the same lines */
}

/* ---- arguments of single options ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void read_offset(struct args *args, const char *arg)
{
	struct shmq_sub_options *sub = &args->sub;

	if (shmq_parse_offset(arg, now_ns(), &sub->from, &sub->until_set, &sub->until) != SHMQ_OK)
		opt_usage(
		    &args_tool,
		    "option '--offset': '%s' is not an offset (as beginning, end, 17, -10, @-5m,"
		    " @2026-01-31T12:00:00Z or a range A:B)",
		    arg);
}

static void add_partition(struct args *args, uint32_t partition)
{
	for (size_t i = 0; i < args->sub.partition_count; i++)
		if (args->partitions[i] == partition)
			opt_usage(&args_tool, "option '--partition': %u is named twice", partition);
	args->partitions[args->sub.partition_count++] = partition;
}

static void read_partitions(struct args *args, const char *arg)
{
	struct shmq_sub_options *sub = &args->sub;
	const char *rest = arg;

	sub->partitions = args->partitions;
	sub->partition_count = 0;
	for (;;) {
		size_t n = strcspn(rest, ",");
		char number[8] = "";
		if (n < sizeof number)
			memcpy(number, rest, n);
		if (sub->partition_count == SHMQ_PARTITIONS_MAX)
			opt_usage(&args_tool, "option '--partition': more than %d partitions",
				  SHMQ_PARTITIONS_MAX);
		if (number[0] == '\0') /* nothing, or far too much: named as a whole */
			opt_usage(&args_tool,
				  "option '--partition': '%s' is not a list of numbers (as 0,2,5)",
				  arg);
		add_partition(args, (uint32_t)opt_number(&args_tool, OPT_PARTITION, number, 0,
							 SHMQ_PARTITIONS_MAX - 1));
		if (rest[n] == '\0')
			return;
		rest += n + 1;
	}
}

/* The filter of a subscriber, or of a group. */
static void read_key(struct args *args, const char *arg)
{
	args->sub.filter = group_pattern(&args_tool, OPT_KEY, arg);
	args->group_options.filter = arg;
	args->consume.set |= SHMQ_SET_FILTER;
}

static void read_text(struct bytes *out, int id, const char *arg)
{
	out->len = 0;
	const char *bad = escape_text(out, arg);
	if (bad)
		opt_usage(
		    &args_tool,
		    "option '--%s': unknown escape '%.2s' in '%s': there are \\n, \\t, \\r, \\\\,"
		    " \\0, \\e and \\xHH",
		    args_name(id), bad, arg);
}

static void read_format(struct args *args, const char *arg)
{
	struct bytes error = {0};

	format_free(args->style.format);
	args->style.format = format_parse(arg, &error);
	if (!args->style.format)
		opt_usage(&args_tool, "option '--format': %.*s", (int)error.len, error.data);
}

static void read_rate(struct args *args, const char *arg)
{
	if (!rate_parse(&args->rate, arg))
		opt_usage(&args_tool,
			  "option '--rate': '%s' is not a rate (as 100, 100/s, 6/m or 1/h)", arg);
}

/* ---- operands ---- */

/* Up to the "--" before COMMAND they are topics. */
static int read_command(struct args *args, int count, char **operands)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(operands[i], "--") != 0)
			continue;
		if (i + 1 == count)
			opt_usage(&args_tool, "no command stands behind '--'");
		args->command = operands + i + 1;
		return i;
	}
	return count;
}

/* A pattern has what a name has, and * and # for words. */
static void check_pattern(const char *topic)
{
	char name[SHMQ_NAME_MAX + 1] = "";

	if (!pattern_is_sound(topic))
		opt_usage(&args_tool,
			  "'%s' is not a pattern of topics: * and # stand for whole words between"
			  " dots",
			  topic);
	if (strlen(topic) < sizeof name)
		strcpy(name, topic);
	for (char *c = name; (c = strpbrk(c, "*#"));)
		*c = 'x';
	if (shmq_topic_name_check(name) != SHMQ_OK)
		opt_usage(&args_tool,
			  "'%s' is not a pattern of topics: 1 to %d of the characters A-Z a-z 0-9"
			  " . _ -, with * and # for words",
			  topic, SHMQ_NAME_MAX);
}

static void check_topic(const char *topic)
{
	if (args_is_pattern(topic))
		check_pattern(topic);
	else if (shmq_topic_name_check(topic) != SHMQ_OK)
		opt_usage(&args_tool,
			  "'%s' is not the name of a topic: 1 to %d of the characters A-Z "
			  "a-z 0-9 . _ -, not '.', '..' or beginning with '-'",
			  topic, SHMQ_NAME_MAX);
}

static void read_topics(struct args *args, int count, char **topics)
{
	if (count == 0)
		opt_usage(&args_tool, "no topic given");
	if (count > TOPICS_MAX)
		opt_usage(&args_tool,
			  "%d topics given: one mqsub reads at most %d at once, start several",
			  count, TOPICS_MAX);
	for (int i = 0; i < count; i++) {
		check_topic(topics[i]);
		args->patterns = args->patterns || args_is_pattern(topics[i]);
	}
	args->topics = topics;
	args->topic_count = (size_t)count;
}

/* What is asked of the group. */
static void read_group_option(struct args *args, int id, const char *arg)
{
	struct shmq_group_options *o = &args->group_options;
	struct shmq_consume_options *c = &args->consume;

	switch (id) {
	case OPT_GROUP:
		args->group = group_name(&args_tool, id, arg);
		break;
	case OPT_ACK:
		args->ack_disk = strcmp(arg, "disk") == 0;
		if (!args->ack_disk && strcmp(arg, "shm") != 0)
			opt_usage(&args_tool, "option '--ack': '%s' is neither shm nor disk (at most once: '-A')", arg);
		break;
	case OPT_ACK_ON_DELIVERY:
		c->flags |= SHMQ_CONSUME_AT_MOST_ONCE;
		break;
	case OPT_ORDERED:
		o->mode = SHMQ_GROUP_ORDERED;
		c->set |= SHMQ_SET_MODE;
		break;
	case OPT_LEASE:
		o->lease_ns = group_lease(&args_tool, id, arg);
		c->set |= SHMQ_SET_LEASE;
		break;
	case OPT_RETRIES:
		o->retries = group_retries(&args_tool, id, arg);
		c->set |= SHMQ_SET_RETRIES;
		break;
	case OPT_BACKOFF:
		group_backoff(&args_tool, id, arg, o);
		c->set |= SHMQ_SET_BACKOFF;
		break;
	case OPT_PREFETCH:
		c->prefetch = (uint32_t)opt_number(&args_tool, id, arg, 1, 4096);
		break;
	default: /* a framing without argument: args_framing() */
		break;
	}
}

static void read_command_option(struct args *args, int id, const char *arg)
{
	switch (id) {
	case OPT_JOBS:
		args->jobs = (unsigned)opt_number(&args_tool, id, arg, 1, JOBS_MAX);
		break;
	case OPT_TIMEOUT:
		args->timeout_ns = opt_duration(&args_tool, id, arg);
		break;
	case OPT_WORKER:
		args->worker = true;
		break;
	case OPT_INTO:
		args->into = arg;
		break;
	default:
		read_group_option(args, id, arg);
		break;
	}
}

static void read_print_option(struct args *args, int id, const char *arg)
{
	switch (id) {
	case OPT_FORMAT:
		read_format(args, arg);
		break;
	case OPT_DELIM:
		read_text(&args->style.delim, id, arg);
		break;
	case OPT_NUL:
		read_text(&args->style.delim, id, "\\0");
		break;
	case OPT_KEY_DELIM:
		read_text(&args->style.key_delim, id, arg);
		break;
	case OPT_RATE:
		read_rate(args, arg);
		break;
	case OPT_UNBUFFERED:
		args->unbuffered = true;
		break;
	case OPT_QUIET:
		tool_quiet = true;
		break;
	case OPT_VERBOSE:
		args->verbose = true;
		break;
	default:
		read_command_option(args, id, arg);
		break;
	}
}

static void read_option(struct args *args, int id, const char *arg)
{
	switch (id) {
	case OPT_BROKER:
		args->dir = opt_text(&args_tool, id, arg, "a directory");
		break;
	case OPT_OFFSET:
		read_offset(args, arg);
		args->consume.from_set = true;
		args->consume.from = args->sub.from;
		break;
	case OPT_EXIT_AT_END:
		args->sub.flags |= SHMQ_SUB_EXIT_AT_END;
		args->consume.flags |= SHMQ_CONSUME_EXIT_AT_END;
		break;
	case OPT_COUNT:
		args->count = opt_number(&args_tool, id, arg, 1, UINT64_MAX - 1);
		break;
	case OPT_WAIT:
		args->wait_ns = opt_duration(&args_tool, id, arg);
		break;
	case OPT_KEY:
		read_key(args, arg);
		break;
	case OPT_PARTITION:
		read_partitions(args, arg);
		break;
	case OPT_HOLD:
		args->sub.flags |= SHMQ_SUB_HOLD;
		break;
	case OPT_BROWSE:
		args->sub.flags |= SHMQ_SUB_BROWSE;
		args->browse = true;
		break;
	default:
		read_print_option(args, id, arg);
		break;
	}
}

/* How far ahead messages are claimed, and when they are started. */
static void choose_pace(struct args *args)
{
	struct shmq_consume_options *c = &args->consume;

	c->options = &args->group_options;
	/* a command may take long: what is claimed ahead of it waits, though another consumer is
	 * idle. What is printed is started when it is written, and does not wait for an ack. */
	if (args->command)
		c->prefetch = c->prefetch ? c->prefetch : 1;
	else
		c->flags |= SHMQ_CONSUME_PIPELINED |
			    (args_at_most_once(args) ? 0u : SHMQ_CONSUME_MANUAL_START);
}

void args_read(struct args *args, int argc, char **argv)
{
	bool given[OPTIONS_END] = {false};
	const char *arg;
	int id, topics;

	*args = (struct args){
	    .count = UINT64_MAX, .wait_ns = SHMQ_FOREVER, .timeout_ns = SHMQ_FOREVER, .jobs = 1};
	while ((id = opt_next(&args_tool, argc, argv, &arg)) != OPT_NONE) {
		given[id] = true;
		read_option(args, id, arg);
	}
	topics = read_command(args, argc - optind, argv + optind);
	read_topics(args, topics, argv + optind);
	args_check(args, given);
	args_framing(args, given);
	choose_pace(args);
}
