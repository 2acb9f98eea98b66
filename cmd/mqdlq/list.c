/* SPDX-License-Identifier: MIT */
/* list.c - the verbs that print a line for each dead letter, or how many there are: list and count.
 */
#include <inttypes.h>
#include <stdio.h>

#include "escape.h"
#include "json_write.h"
#include "letter_json.h"
#include "mqdlq.h"
#include "output.h"
#include "status_text.h"
#include "time_text.h"
#include "walk.h"

#define PREVIEW_BYTES 40

struct list {
	const struct mqdlq_args *args;
	bool headed;
};

/* Escaped wherever it goes: a row is a line. */
static void add_cell(struct bytes *out, const void *data, size_t len, size_t width)
{
	size_t from = out->len;

	escape_for_terminal(out, data, len);
	while (out->len - from < width)
		bytes_byte(out, ' ');
}

/* The first bytes of the value, whole characters of UTF-8. */
static void add_preview(struct bytes *out, const struct shmq_message *m)
{
	const unsigned char *value = m->value;
	size_t n = m->value_len;

	if (n > PREVIEW_BYTES)
		for (n = PREVIEW_BYTES; n > PREVIEW_BYTES - 3 && (value[n] & 0xc0) == 0x80;)
			n--;
	add_cell(out, value, n, 0);
	if (n < m->value_len)
		bytes_text(out, "...");
}

static void add_row(struct bytes *out, const char *group, const struct shmq_dead_letter *letter)
{
	const struct shmq_message *m = &letter->message;
	char status[STATUS_TEXT_MAX], where[48];

	snprintf(where, sizeof(where), "%d:%" PRIu64, m->partition, m->offset);
	bytes_printf(out, "%8" PRIu64 " %-12s %-12s ", letter->id, group, where);
	if (m->key)
		add_cell(out, m->key, m->key_len, 12);
	else
		add_cell(out, "-", 1, 12);
	bytes_printf(out, " %-11s %8" PRIu32 " %-8s ", shmq_reason_text(letter->reason),
		     letter->attempts, status_text(letter->status, status));
	time_rfc3339(out, letter->dead_ns);
	bytes_byte(out, ' ');
	add_preview(out, m);
	bytes_byte(out, '\n');
}

static void add_object(struct bytes *out, const struct mqdlq_args *args, const char *group,
		       const struct shmq_dead_letter *letter)
{
	const struct shmq_message *m = &letter->message;

	bytes_byte(out, '{');
	letter_json_history(out, group, letter);
	bytes_printf(out, ",\"topic\":\"%s\",\"partition\":%d,\"offset\":%" PRIu64 ",", args->topic,
		     m->partition, m->offset);
	if (m->key)
		json_member(out, "key", m->key, m->key_len);
	else
		bytes_text(out, "\"key\":null");
	bytes_printf(out, ",\"bytes\":%zu}\n", m->value_len);
}

static bool list_one(void *context, const char *group, const struct shmq_dead_letter *letter)
{
	struct list *list = context;
	struct bytes *out = output();

	if (GIVEN(list->args, JSON)) {
		add_object(out, list->args, group, letter);
	} else {
		if (!list->headed)
			bytes_printf(out, "%8s %-12s %-12s %-12s %-11s %8s %-8s %-30s %s\n", "ID",
				     "GROUP", "PART:OFFSET", "KEY", "REASON", "ATTEMPTS", "EXIT",
				     "DEAD-SINCE", "VALUE");
		list->headed = true;
		add_row(out, group, letter);
	}
	output_more();
	return true;
}

int verb_list(const struct mqdlq_args *args)
{
	shmq *q = tool_open(args->dir, SHMQ_OBSERVE);
	struct list list = {.args = args};
	struct walked walked = walk_letters(q, args, list_one, &list);

	output_all();
	shmq_close(q);
	if (walked.status)
		return walked.status;
	return walked.counted ? 0 : EXIT_NOTHING;
}

static bool count_one(void *context, const char *group, const struct shmq_dead_letter *letter)
{
	(void)context;
	(void)group;
	(void)letter;
	return true;
}

int verb_count(const struct mqdlq_args *args)
{
	shmq *q = tool_open(args->dir, SHMQ_OBSERVE);
	struct walked walked = walk_letters(q, args, count_one, NULL);

	if (!walked.status)
		bytes_printf(output(), "%" PRIu64 "\n", walked.counted);
	output_all();
	shmq_close(q);
	return walked.status;
}
