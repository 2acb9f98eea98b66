/* SPDX-License-Identifier: MIT */
/* args_check.c - which options of mqsub go together. */
#include <unistd.h>

#include "args_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int framings[] = {OPT_DELIM, OPT_NUL, OPT_LEN32, OPT_JSON, OPT_RECORDS};

static void exclude(const bool *given, int a, int b)
{
	if (given[a] && given[b])
		opt_usage(&args_tool, "options '--%s' and '--%s' exclude each other", args_name(a),
			  args_name(b));
}

/* Refuses an option for a reason. */
static void refuse(const bool *given, int id, const char *why)
{
	if (given[id])
		opt_usage(&args_tool, "option '--%s' %s", args_name(id), why);
}

static void check_printing(const bool *given)
{
	for (size_t i = 0; i < COUNT(framings); i++)
		for (size_t k = i + 1; k < COUNT(framings); k++)
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

/* ---- groups ---- */

/* What an ephemeral subscriber cannot have. */
static void check_without_group(const struct args *args, const bool *given)
{
	static const int groups[] = {OPT_ACK_ON_DELIVERY, OPT_ORDERED,  OPT_LEASE, OPT_RETRIES,
				     OPT_BACKOFF,         OPT_PREFETCH, OPT_JOBS,  OPT_TIMEOUT,
				     OPT_WORKER,          OPT_INTO,     OPT_ACK};

	for (size_t i = 0; i < COUNT(groups); i++)
		refuse(given, groups[i], "needs a group ('--group NAME')");
	if (args->command)
		opt_usage(&args_tool, "a command behind '--' needs a group ('--group NAME'), which"
				      " knows what is done");
}

/* What only makes sense for a consumer, and not for one that looks. */
static void check_browse(const bool *given)
{
	static const int working[] = {OPT_OFFSET, OPT_WAIT,    OPT_ACK_ON_DELIVERY, OPT_ORDERED,
				      OPT_LEASE,  OPT_RETRIES, OPT_BACKOFF,         OPT_PREFETCH, OPT_ACK};

	for (size_t i = 0; i < COUNT(working) && given[OPT_BROWSE]; i++)
		exclude(given, working[i], OPT_BROWSE);
}

static void check_group(const struct args *args, const bool *given)
{
	refuse(given, OPT_PARTITION,
	       "and a group exclude each other: its consumers share all partitions");
	refuse(given, OPT_HOLD,
	       "and a group exclude each other: a group holds what it has not"
	       " done, without it");
	if (args->sub.until_set)
		opt_usage(&args_tool, "option '--offset': a group has a beginning and no end: a"
				      " range A:B is for reading without '--group'");
	check_browse(given);
}

/* ---- commands ---- */

static void check_without_command(const bool *given)
{
	static const int commands[] = {OPT_JOBS, OPT_TIMEOUT, OPT_WORKER, OPT_INTO};

	for (size_t i = 0; i < COUNT(commands); i++)
		refuse(given, commands[i], "needs a command behind '--'");
}

/* Who is given a value on its standard input, and what of it is read, leaves nothing to frame. */
static void check_command(const struct args *args, const bool *given)
{
	static const int printing[] = {OPT_FORMAT, OPT_LEN32, OPT_JSON, OPT_RECORDS, OPT_KEY_DELIM};
	static const int delims[] = {OPT_DELIM, OPT_NUL};
	const char *why = "does nothing for a command: it is given the value and nothing else, and"
			  " the rest in its environment (see '--worker')";

	refuse(given, OPT_BROWSE, "and a command exclude each other: it only looks");
	refuse(given, OPT_UNBUFFERED, "does nothing for a command: each message is one by itself");
	exclude(given, OPT_WORKER, OPT_INTO);
	exclude(given, OPT_ACK_ON_DELIVERY, OPT_INTO);
	for (size_t i = 0; i < COUNT(printing) && !args->worker; i++)
		refuse(given, printing[i], why);
	for (size_t i = 0; i < COUNT(delims) && !args->worker && !args->into; i++)
		refuse(given, delims[i], why);
	if (given[OPT_DELIM] && args->style.delim.len == 0)
		opt_usage(&args_tool, "option '--delim': records need a delimiter of at least one"
				      " byte here");
	if (args->into && shmq_topic_name_check(args->into) != SHMQ_OK)
		opt_usage(&args_tool, "option '--into': '%s' is not the name of a topic",
			  args->into);
	for (size_t i = 0; args->into && i < args->topic_count; i++)
		if (args_means(args->topics[i], args->into))
			opt_usage(&args_tool,
				  "option '--into': '%s' is what is read%s%s: what is published"
				  " there would come back without end",
				  args->into, args_is_pattern(args->topics[i]) ? " by " : "",
				  args_is_pattern(args->topics[i]) ? args->topics[i] : "");
}

void args_check(const struct args *args, const bool *given)
{
	check_printing(given);
	if (args->group)
		check_group(args, given);
	else
		check_without_group(args, given);
	if (args->command)
		check_command(args, given);
	else
		check_without_command(given);
}

void args_framing(struct args *args, const bool *given)
{
	struct print_style *style = &args->style;

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
	style->terminal = !args->command && isatty(STDOUT_FILENO);
	if (style->terminal && (given[OPT_LEN32] || given[OPT_RECORDS]))
		opt_usage(
		    &args_tool,
		    "option '--%s' prints binary data, which a terminal cannot show: send it to a"
		    " file or a pipe",
		    args_name(given[OPT_LEN32] ? OPT_LEN32 : OPT_RECORDS));
}
