/* SPDX-License-Identifier: MIT */
/* settings.c - the command line of mqpub. */
#include "settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "escape.h"
#include "opt.h"
#include "tool.h"

#define OPT(NAME, ...) OPT_##NAME,
enum {
	OPT_NONE,
#include "mqpub_options.def"
	OPT_COUNT_OF
};
#undef OPT

#define OPT(NAME, ...) {OPT_##NAME, __VA_ARGS__},
static const struct opt_def defs[] = {
#include "mqpub_options.def"
};
#undef OPT

static const struct opt_tool tool = {
    .name = "mqpub",
    .usage = "[options] TOPIC [FILE...]",
    .summary = "Publishes records from stdin, the FILEs or -m to a topic.",
    .defs = defs,
    .n = sizeof(defs) / sizeof(defs[0]),
};

static const char *name_of(int id)
{
	return defs[id - 1].long_name; /* the ids count the same lines */
}

/* ---- arguments of single options ---- */

static void take_escaped(struct bytes *to, int id, const char *arg)
{
	const char *bad;

	to->len = 0;
	bad = escape_text(to, arg);
	if (bad)
		opt_usage(&tool,
			  "option '--%s': unknown escape '%.2s' in '%s': there are \\n, \\t, \\r,"
			  " \\\\, \\0, \\e and \\xHH",
			  name_of(id), bad, arg);
	if (to->len == 0)
		opt_usage(&tool, "option '--%s': it needs at least one byte", name_of(id));
}

static void take_header(struct settings *s, const char *arg)
{
	const char *equals = strchr(arg, '=');
	struct shmq_header h;

	if (!equals || equals == arg)
		opt_usage(&tool, "option '--header': '%s' is not NAME=VALUE", arg);
	h = (struct shmq_header){.name = arg,
				 .name_len = (size_t)(equals - arg),
				 .value = equals + 1,
				 .value_len = strlen(equals + 1)};
	headers_add(&s->headers, &h);
}

static void take_message(struct settings *s, int argc, const char *arg)
{
	if (!s->messages) /* there are fewer of them than words */
		s->messages = calloc((size_t)argc, sizeof(*s->messages));
	if (!s->messages)
		die(EX_OSERR, "no memory for %d messages", argc);
	s->messages[s->message_count++] = arg;
}

static void take_partition(struct settings *s, const char *arg)
{
	if (strcmp(arg, "same") == 0)
		s->partition = PARTITION_SAME;
	else
		s->partition =
		    (int)opt_number(&tool, OPT_PARTITION, arg, 0, SHMQ_PARTITIONS_MAX - 1);
}

static void take_ack(struct settings *s, const char *arg)
{
	s->never_wait = strcmp(arg, "none") == 0;
	s->ack_disk = strcmp(arg, "disk") == 0;
	s->ack_given = true;
	if (!s->never_wait && !s->ack_disk && strcmp(arg, "shm") != 0)
		opt_usage(&tool, "option '--ack': '%s' is none of none, shm and disk", arg);
}

static void take_wait(struct settings *s, const char *arg)
{
	s->wait_text = arg;
	s->wait_ns = opt_duration(&tool, OPT_WAIT, arg);
	if (s->wait_ns == 0)
		s->wait_ns = 1; /* the library's 0 is "for ever" */
}

static void take_rate(struct settings *s, const char *arg)
{
	if (!rate_parse(&s->rate, arg))
		opt_usage(&tool, "option '--rate': '%s' is not a rate (as 100, 100/s, 6/m or 1/h)",
			  arg);
}

static void take_argument(struct settings *s, int argc, int id, const char *arg)
{
	switch (id) {
	case OPT_BROKER:
		s->broker = opt_text(&tool, id, arg, "a directory");
		break;
	case OPT_MESSAGE:
		take_message(s, argc, arg);
		break;
	case OPT_DELIM:
		take_escaped(&s->delim, id, arg);
		break;
	case OPT_KEY:
		s->key = arg;
		break;
	case OPT_KEY_DELIM:
		take_escaped(&s->key_delim, id, arg);
		break;
	case OPT_PARTITION:
		take_partition(s, arg);
		break;
	case OPT_HEADER:
		take_header(s, arg);
		break;
	case OPT_RATE:
		take_rate(s, arg);
		break;
	case OPT_COUNT:
		s->count = opt_number(&tool, id, arg, 1, UINT64_MAX - 1);
		break;
	case OPT_WAIT:
		take_wait(s, arg);
		break;
	case OPT_ACK:
		take_ack(s, arg);
		break;
	}
}

/* ---- what goes together ---- */

static void exclude(const bool *given, int a, int b)
{
	if (given[a] && given[b])
		opt_usage(&tool, "options '--%s' and '--%s' exclude each other", name_of(a),
			  name_of(b));
}

/* What delimits messages of the command line is seen in their copies only. */
static void need_tee(const bool *given, int id)
{
	if (given[id])
		opt_usage(&tool,
			  "option '--%s' does nothing for '--message', unless there is '--tee'",
			  name_of(id));
}

static void check_framing(const bool *given)
{
	static const int framings[] = {OPT_SINGLE, OPT_DELIM, OPT_NUL,
				       OPT_LEN32,  OPT_JSON,  OPT_RECORDS};
	const size_t n = sizeof(framings) / sizeof(framings[0]);

	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			exclude(given, framings[i], framings[k]);
	/* a message of the command line is taken as it is */
	exclude(given, OPT_MESSAGE, OPT_SINGLE);
	exclude(given, OPT_MESSAGE, OPT_LEN32);
	exclude(given, OPT_MESSAGE, OPT_JSON);
	exclude(given, OPT_MESSAGE, OPT_RECORDS);
	/* these records bring their keys */
	exclude(given, OPT_KEY_DELIM, OPT_JSON);
	exclude(given, OPT_KEY_DELIM, OPT_RECORDS);
}

static void check_combination(const struct settings *s, const bool *given)
{
	check_framing(given);
	/* all at once, or one by one */
	exclude(given, OPT_ATOMIC, OPT_UNBUFFERED);
	exclude(given, OPT_ATOMIC, OPT_RATE);
	exclude(given, OPT_QUIET, OPT_VERBOSE);
	if (s->never_wait && given[OPT_WAIT])
		opt_usage(&tool, "options '--ack none' and '--wait' exclude each other");
	if (given[OPT_MESSAGE] && !given[OPT_TEE])
		need_tee(given, given[OPT_NUL] ? OPT_NUL : OPT_DELIM);
	if (s->message_count && s->file_count)
		opt_usage(&tool, "option '--message' and FILE '%s' exclude each other",
			  s->files[0]);
	if (s->partition == PARTITION_SAME && !given[OPT_JSON] && !given[OPT_RECORDS])
		opt_usage(&tool, "option '--partition': 'same' needs '--json' or '--records':"
				 " other records do not say their partition");
}

static void choose_framing(struct settings *s, const bool *given)
{
	struct record_options *o = &s->record;

	o->framing = given[OPT_SINGLE]    ? RECORD_WHOLE
		     : given[OPT_LEN32]   ? RECORD_LEN32
		     : given[OPT_JSON]    ? RECORD_JSON
		     : given[OPT_RECORDS] ? RECORD_BINARY
					  : RECORD_DELIMITED;
	o->delim = given[OPT_DELIM] ? s->delim.data : given[OPT_NUL] ? "" : "\n";
	o->delim_len = given[OPT_DELIM] ? s->delim.len : 1;
	o->key_delim = s->key_delim.data;
	o->key_delim_len = s->key_delim.len;
}

void settings_read(struct settings *s, int argc, char **argv)
{
	bool given[OPT_COUNT_OF] = {false};
	const char *arg;
	int id;

	*s = (struct settings){.partition = -1, .count = UINT64_MAX};
	while ((id = opt_next(&tool, argc, argv, &arg)) != 0) {
		given[id] = true;
		take_argument(s, argc, id, arg);
	}
	if (optind == argc)
		opt_usage(&tool, "the name of a topic is missing");
	s->topic = argv[optind];
	if (shmq_topic_name_check(s->topic) != SHMQ_OK)
		opt_usage(&tool,
			  "'%s' is not the name of a topic: 1 to %d of the characters A-Z a-z 0-9"
			  " . _ -, not '.', '..' or beginning with '-'",
			  s->topic, SHMQ_NAME_MAX);
	s->files = argv + optind + 1;
	s->file_count = (size_t)(argc - optind - 1);
	check_combination(s, given);
	choose_framing(s, given);
	s->atomic = given[OPT_ATOMIC];
	s->tee = given[OPT_TEE];
	s->unbuffered = given[OPT_UNBUFFERED];
	s->no_create = given[OPT_NO_CREATE];
	s->progress = given[OPT_PROGRESS];
	s->verbose = given[OPT_VERBOSE];
	tool_quiet = given[OPT_QUIET];
}
