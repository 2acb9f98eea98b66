/* SPDX-License-Identifier: MIT */
/* show.c - the verbs that print dead letters whole: show and export. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "escape.h"
#include "letter_json.h"
#include "mqdlq.h"
#include "output.h"
#include "status_text.h"
#include "time_text.h"
#include "walk.h"

struct show {
	const struct mqdlq_args *args;
	bool json, terminal, any;
};

static void add_time(struct bytes *out, const char *name, uint64_t ns)
{
	bytes_printf(out, "%s: ", name);
	if (ns)
		time_rfc3339(out, ns);
	else
		bytes_byte(out, '-');
	bytes_byte(out, '\n');
}

/* Lines, each two blanks further right; on a terminal with their control bytes escaped. */
static void add_text(struct bytes *out, const struct show *show, const void *data, size_t len)
{
	const char *at = data, *end = at + len;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((newline ? newline : end) - at);

		bytes_text(out, "  ");
		if (show->terminal)
			escape_for_terminal(out, at, n);
		else
			bytes_add(out, at, n);
		bytes_byte(out, '\n');
		at += newline ? n + 1 : n;
	}
}

static void add_message(struct bytes *out, const struct shmq_message *m)
{
	bytes_printf(out, "partition: %d\noffset: %" PRIu64 "\n", m->partition, m->offset);
	add_time(out, "published", m->time_ns);
	bytes_text(out, "key: ");
	if (m->key)
		escape_for_terminal(out, m->key, m->key_len);
	else
		bytes_byte(out, '-');
	bytes_byte(out, '\n');
	for (size_t i = 0; i < m->header_count; i++) {
		bytes_text(out, "header: ");
		escape_for_terminal(out, m->headers[i].name, m->headers[i].name_len);
		bytes_byte(out, '=');
		escape_for_terminal(out, m->headers[i].value, m->headers[i].value_len);
		bytes_byte(out, '\n');
	}
}

static void add_letter(struct bytes *out, const struct show *show, const char *group,
		       const struct shmq_dead_letter *letter)
{
	char status[STATUS_TEXT_MAX];

	bytes_printf(out, "id: %" PRIu64 "\ngroup: %s\ntopic: %s\n", letter->id, group,
		     show->args->topic);
	add_message(out, &letter->message);
	bytes_printf(out, "reason: %s\nattempts: %" PRIu32 "\nrequeues: %" PRIu32 "\nexit: %s\n",
		     shmq_reason_text(letter->reason), letter->attempts, letter->requeues,
		     status_text(letter->status, status));
	add_time(out, "first-returned", letter->first_ns);
	add_time(out, "dead-since", letter->dead_ns);
	bytes_printf(out, "stderr: %zu bytes\n", letter->text_len);
	add_text(out, show, letter->text, letter->text_len);
	bytes_printf(out, "value: %zu bytes\n", letter->message.value_len);
	add_text(out, show, letter->message.value, letter->message.value_len);
}

static bool show_one(void *context, const char *group, const struct shmq_dead_letter *letter)
{
	struct show *show = context;
	struct bytes *out = output();

	if (show->json) {
		letter_json(out, show->args->topic, group, letter);
	} else {
		if (show->any)
			bytes_byte(out, '\n');
		add_letter(out, show, group, letter);
	}
	show->any = true;
	output_more();
	return true;
}

int verb_show(const struct mqdlq_args *args)
{
	shmq *q = tool_open(args->dir, SHMQ_OBSERVE);
	struct show show = {.args = args,
			    .json = args->verb == VERB_EXPORT || GIVEN(args, JSON),
			    .terminal = isatty(STDOUT_FILENO)};
	struct walked walked = walk_letters(q, args, show_one, &show);

	output_all();
	shmq_close(q);
	if (walked.status)
		return walked.status;
	return walked.counted ? 0 : EXIT_NOTHING;
}
