/* SPDX-License-Identifier: MIT */
/*
 * import.c - the verb that puts edited dead letters in the place of the exported ones. All of the
 * input is read and looked at before anything is changed: a line that is none costs nothing but its
 * mending.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json_read.h"
#include "mqdlq.h"
#include "names.h"
#include "walk.h"

#define READ_BYTES ((size_t)64 << 10)

/* One line that can be imported. */
struct line {
	uint64_t number;  /* from 1 */
	size_t from, len; /* where in the input it stands, with its newline */
	size_t group;     /* index of its name */
	uint64_t id;
};

struct import {
	const struct mqdlq_args *args;
	shmq *q;
	struct bytes input;
	struct names groups;
	struct line *lines;
	size_t n, room;
	uint64_t replaced, same;
	int status;
	bool over;
};

/* ---- reading ---- */

static void read_input(struct bytes *input)
{
	for (;;) {
		char *to = bytes_reserve(input, READ_BYTES);
		ssize_t n = read(STDIN_FILENO, to, READ_BYTES);

		if (stop_signal) /* nothing was changed yet */
			die_of_signal(stop_signal);
		if (n == 0)
			return;
		if (n > 0)
			input->len += (size_t)n;
		else if (errno != EINTR)
			die(EX_NOINPUT, "standard input: %s", strerror(errno));
	}
}

__attribute__((format(printf, 2, 3))) static _Noreturn void bad_line(const struct line *line,
								     const char *fmt, ...)
{
	struct bytes why = {0};
	va_list ap;

	va_start(ap, fmt);
	bytes_vprintf(&why, fmt, ap);
	va_end(ap);
	die(EX_DATAERR, "standard input, line %" PRIu64 " (byte %zu) %.*s; nothing was changed",
	    line->number, line->from, (int)why.len, why.data);
}

static size_t group_index(struct import *in, const char *name)
{
	for (size_t i = in->groups.n; i-- > 0;)
		if (strcmp(in->groups.at[i], name) == 0)
			return i;
	names_add(&in->groups, name);
	return in->groups.n - 1;
}

/* The letter that a line names. */
static void take_dead(struct import *in, const json_t *root, struct line *line)
{
	const json_t *dead = json_object_get(root, "dead");
	const char *topic = json_string_value(json_object_get(root, "topic"));
	const char *group = json_string_value(json_object_get(dead, "group"));
	const json_t *id = json_object_get(dead, "id");

	if (!dead)
		bad_line(line,
			 "has no \"dead\", so it takes no dead letter's place: a new message is"
			 " published with 'mqpub -J %s'",
			 in->args->topic);
	if (!json_is_object(dead))
		bad_line(line, "has a \"dead\" that is not an object");
	if (topic && strcmp(topic, in->args->topic) != 0)
		bad_line(line, "is of topic '%s', not of '%s'", topic, in->args->topic);
	if (!group || shmq_group_name_check(group) != SHMQ_OK)
		bad_line(line, "has a \"dead\" without the name of its \"group\"");
	if (!json_is_integer(id) || json_integer_value(id) < 0)
		bad_line(line, "has a \"dead\" without its \"id\", a number");
	line->group = group_index(in, group);
	line->id = (uint64_t)json_integer_value(id);
}

static void add_line(struct import *in, const struct line *line)
{
	if (in->n == in->room) {
		in->room = in->room ? 2 * in->room : 256;
		in->lines = reallocarray(in->lines, in->room, sizeof(*in->lines));
		if (!in->lines)
			die(EX_OSERR, "no memory for %zu lines", in->room);
	}
	in->lines[in->n++] = *line;
}

static void check_input(struct import *in)
{
	const char *data = in->input.data;
	struct envelope envelope = {0};
	struct line line = {.number = 0};

	while (line.from + line.len < in->input.len) {
		struct shmq_message m;
		char why[256];

		line.number++;
		line.from += line.len;
		const char *newline = memchr(data + line.from, '\n', in->input.len - line.from);
		line.len =
		    newline ? (size_t)(newline + 1 - data) - line.from : in->input.len - line.from;
		if (envelope_read(&envelope, data + line.from, line.len, &m, why, sizeof(why)) < 0)
			bad_line(&line, "%s", why);
		take_dead(in, envelope.root, &line);
		add_line(in, &line);
	}
	envelope_free(&envelope);
}

/* ---- replacing ---- */

static bool same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static bool same_message(const struct shmq_message *a, const struct shmq_message *b)
{
	if (!same_bytes(a->value, a->value_len, b->value, b->value_len) || !a->key != !b->key ||
	    !same_bytes(a->key, a->key_len, b->key, b->key_len) ||
	    a->header_count != b->header_count)
		return false;
	for (size_t i = 0; i < a->header_count; i++) {
		const struct shmq_header *x = &a->headers[i], *y = &b->headers[i];

		if (!same_bytes(x->name, x->name_len, y->name, y->name_len) ||
		    !same_bytes(x->value, x->value_len, y->value, y->value_len))
			return false;
	}
	return true;
}

static void complain(struct import *in, const struct line *line, int status, const char *what)
{
	warn_line("standard input, line %" PRIu64 " (byte %zu): dead letter %" PRIu64
		  " of group '%s' %s",
		  line->number, line->from, line->id, in->groups.at[line->group], what);
	in->status = in->status && in->status != EXIT_AGAIN ? in->status : status;
}

static void not_replaced(struct import *in, const struct line *line, int rc)
{
	char what[512];

	switch (rc) {
	case SHMQ_ENOENT:
	case SHMQ_LATE:
		complain(in, line, EXIT_AGAIN,
			 "is none any more: it was requeued, dropped or replaced meanwhile");
		break;
	case SHMQ_FULL:
		complain(
		    in, line, EXIT_AGAIN,
		    "cannot be replaced: the group has no room for the copy, requeue or drop some");
		in->over = true;
		break;
	case SHMQ_EDATA:
		snprintf(what, sizeof(what), "cannot be replaced: %s", shmq_error(in->q));
		complain(in, line, EX_DATAERR, what);
		break;
	default:
		snprintf(what, sizeof(what), "cannot be replaced: %s", shmq_error(in->q));
		complain(in, line, status_of(rc), what);
		in->over = true;
		break;
	}
}

static void replace(struct import *in, shmq_dlq *d, const struct line *line,
		    const struct shmq_message *edited)
{
	struct shmq_dead_letter letter;
	int rc = shmq_dlq_get(d, line->id, &letter);

	if (rc == SHMQ_OK && same_message(&letter.message, edited)) {
		in->same++;
		return;
	}
	if (rc == SHMQ_OK && GIVEN(in->args, DRY_RUN))
		printf("would replace dead letter %" PRIu64 " of group '%s'\n", line->id,
		       in->groups.at[line->group]);
	else if (rc == SHMQ_OK)
		rc = shmq_dlq_replace(d, &letter, edited);
	if (rc == SHMQ_OK)
		in->replaced++;
	else
		not_replaced(in, line, rc);
}

static shmq_dlq *group_open(struct import *in, const struct line *line)
{
	shmq_dlq *d = NULL;
	int rc = shmq_dlq_open(in->q, in->args->topic, in->groups.at[line->group], &d);

	if (rc == SHMQ_OK)
		return d;
	not_replaced(in, line, rc);
	return NULL;
}

/* All was read once: none is bad. */
static void replace_all(struct import *in)
{
	struct envelope envelope = {0};
	struct shmq_message m;
	shmq_dlq *d = NULL;
	char why[256];

	for (size_t i = 0; i < in->n && !in->over && !stop_signal; i++) {
		const struct line *line = &in->lines[i];

		if (!d || line->group != in->lines[i - 1].group) {
			shmq_dlq_close(d);
			d = group_open(in, line);
		}
		if (d && envelope_read(&envelope, in->input.data + line->from, line->len, &m, why,
				       sizeof(why)) == 0)
			replace(in, d, line, &m);
	}
	shmq_dlq_close(d);
	envelope_free(&envelope);
}

int verb_import(const struct mqdlq_args *args)
{
	struct import in = {.args = args};

	in.q = tool_open(args->dir, GIVEN(args, DRY_RUN) ? SHMQ_OBSERVE : 0);
	in.status = walk_topic(in.q, args);
	if (!in.status) {
		read_input(&in.input);
		check_input(&in);
		replace_all(&in);
	}
	if (GIVEN(args, VERBOSE) && !GIVEN(args, DRY_RUN))
		note("%" PRIu64 " dead letter%s replaced, %" PRIu64 " unchanged", in.replaced,
		     in.replaced == 1 ? "" : "s", in.same);
	bytes_free(&in.input);
	names_free(&in.groups);
	free(in.lines);
	shmq_close(in.q);
	return in.status;
}
