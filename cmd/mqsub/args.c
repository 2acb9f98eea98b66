/* SPDX-License-Identifier: MIT */
/* args.c - reads the command line of mqsub. */
#include "args.h"

#include <getopt.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"
#include "opt.h"
#include "tool.h"

#define OPT(NAME, ...) OPT_##NAME,
enum {
	OPT_NONE,
#include "mqsub_options.def"
};
#undef OPT

#define OPT(NAME, ...) {OPT_##NAME, __VA_ARGS__},
static const struct opt_def defs[] = {
#include "mqsub_options.def"
};
#undef OPT

#define OPTION_COUNT (sizeof defs / sizeof defs[0])

static const struct opt_tool tool = {
    .name = "mqsub",
    .usage = "[options] TOPIC...",
    .summary = "Prints the messages of topics, from the beginning of what is there, and goes on"
	       " with what\ncomes.",
    .defs = defs,
    .n = OPTION_COUNT,
};

static const struct opt_def *def_of(int id)
{
	return &defs[id - 1]; /* the ids count the same lines */
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
		    &tool,
		    "option '--offset': '%s' is not an offset (as beginning, end, 17, -10, @-5m,"
		    " @2026-01-31T12:00:00Z or a range A:B)",
		    arg);
}

static void add_partition(struct args *args, uint32_t partition)
{
	for (size_t i = 0; i < args->sub.partition_count; i++)
		if (args->partitions[i] == partition)
			opt_usage(&tool, "option '--partition': %u is named twice", partition);
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
			opt_usage(&tool, "option '--partition': more than %d partitions",
				  SHMQ_PARTITIONS_MAX);
		if (number[0] == '\0') /* nothing, or far too much: named as a whole */
			opt_usage(&tool,
				  "option '--partition': '%s' is not a list of numbers (as 0,2,5)",
				  arg);
		add_partition(args, (uint32_t)opt_number(&tool, OPT_PARTITION, number, 0,
							 SHMQ_PARTITIONS_MAX - 1));
		if (rest[n] == '\0')
			return;
		rest += n + 1;
	}
}

static void read_key(struct args *args, const char *arg)
{
	const char *word = arg;

	for (;;) {
		size_t n = strcspn(word, ".");

		if (n > 1 && strcspn(word, "*#") < n)
			opt_usage(&tool,
				  "option '--key': '%s': * and # stand for whole words between"
				  " dots",
				  arg);
		if (word[n] == '\0')
			break;
		word += n + 1;
	}
	args->sub.filter = arg;
}

static void read_text(struct bytes *out, int id, const char *arg)
{
	out->len = 0;
	const char *bad = escape_text(out, arg);
	if (bad)
		opt_usage(
		    &tool,
		    "option '--%s': unknown escape '%.2s' in '%s': there are \\n, \\t, \\r, \\\\,"
		    " \\0, \\e and \\xHH",
		    def_of(id)->long_name, bad, arg);
}

static void read_format(struct args *args, const char *arg)
{
	struct bytes error = {0};

	format_free(args->style.format);
	args->style.format = format_parse(arg, &error);
	if (!args->style.format)
		opt_usage(&tool, "option '--format': %.*s", (int)error.len, error.data);
}

static void read_rate(struct args *args, const char *arg)
{
	if (!rate_parse(&args->rate, arg))
		opt_usage(&tool, "option '--rate': '%s' is not a rate (as 100, 100/s, 6/m or 1/h)",
			  arg);
}

/* ---- what goes together ---- */

static const int framings[] = {OPT_DELIM, OPT_NUL, OPT_LEN32, OPT_JSON, OPT_RECORDS};

#define FRAMING_COUNT (sizeof framings / sizeof framings[0])

static void exclude(const bool *given, int a, int b)
{
	if (given[a] && given[b])
		opt_usage(&tool, "options '--%s' and '--%s' exclude each other",
			  def_of(a)->long_name, def_of(b)->long_name);
}

static void check_combination(const bool *given)
{
	for (size_t i = 0; i < FRAMING_COUNT; i++)
		for (size_t k = i + 1; k < FRAMING_COUNT; k++)
			exclude(given, framings[i], framings[k]);
	exclude(given, OPT_FORMAT, OPT_LEN32);
	exclude(given, OPT_FORMAT, OPT_JSON);
	exclude(given, OPT_FORMAT, OPT_RECORDS);
	exclude(given, OPT_KEY_DELIM, OPT_FORMAT);
	exclude(given, OPT_KEY_DELIM, OPT_JSON);
	exclude(given, OPT_KEY_DELIM, OPT_RECORDS);
	exclude(given, OPT_HOLD, OPT_BROWSE);
	exclude(given, OPT_QUIET, OPT_VERBOSE);
}

static void choose_framing(struct print_style *style, const bool *given)
{
	if (given[OPT_FORMAT])
		style->framing = PRINT_FORMAT;
	else if (given[OPT_LEN32])
		style->framing = PRINT_LEN32;
	else if (given[OPT_JSON])
		style->framing = PRINT_JSON;
	else if (given[OPT_RECORDS])
		style->framing = PRINT_BINARY;
	else if (!given[OPT_DELIM] && !given[OPT_NUL])
		bytes_byte(&style->delim, '\n');
	style->keys = given[OPT_KEY_DELIM];
	style->terminal = isatty(STDOUT_FILENO);
	if (style->terminal && (given[OPT_LEN32] || given[OPT_RECORDS]))
		opt_usage(
		    &tool,
		    "option '--%s' prints binary data, which a terminal cannot show: send it to a"
		    " file or a pipe",
		    def_of(given[OPT_LEN32] ? OPT_LEN32 : OPT_RECORDS)->long_name);
}

static void read_topics(struct args *args, int count, char **topics)
{
	if (count == 0)
		opt_usage(&tool, "no topic given");
	if (count > TOPICS_MAX)
		opt_usage(&tool,
			  "%d topics given: one mqsub reads at most %d at once, start several",
			  count, TOPICS_MAX);
	for (int i = 0; i < count; i++)
		if (shmq_topic_name_check(topics[i]) != SHMQ_OK)
			opt_usage(&tool,
				  "'%s' is not the name of a topic: 1 to %d of the characters A-Z "
				  "a-z 0-9 . _ -, not '.', '..' or beginning with '-'",
				  topics[i], SHMQ_NAME_MAX);
	args->topics = topics;
	args->topic_count = (size_t)count;
}

static void read_option(struct args *args, int id, const char *arg)
{
	switch (id) {
	case OPT_BROKER:
		args->dir = opt_text(&tool, id, arg, "a directory");
		break;
	case OPT_OFFSET:
		read_offset(args, arg);
		break;
	case OPT_EXIT_AT_END:
		args->sub.flags |= SHMQ_SUB_EXIT_AT_END;
		break;
	case OPT_COUNT:
		args->count = opt_number(&tool, id, arg, 1, UINT64_MAX - 1);
		break;
	case OPT_WAIT:
		args->wait_ns = opt_duration(&tool, id, arg);
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
		break;
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
	default: /* a framing without argument: choose_framing() */
		break;
	}
}

void args_read(struct args *args, int argc, char **argv)
{
	bool given[OPTION_COUNT + 1] = {false};
	const char *arg;
	int id;

	*args = (struct args){.count = UINT64_MAX, .wait_ns = SHMQ_FOREVER};
	while ((id = opt_next(&tool, argc, argv, &arg)) != OPT_NONE) {
		given[id] = true;
		read_option(args, id, arg);
	}
	check_combination(given);
	choose_framing(&args->style, given);
	read_topics(args, argc - optind, argv + optind);
}
