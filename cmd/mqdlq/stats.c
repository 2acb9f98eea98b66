/* SPDX-License-Identifier: MIT */
/* stats.c - the verb that counts dead letters by group, reason and exit status. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "letter_json.h"
#include "mqdlq.h"
#include "output.h"
#include "status_text.h"
#include "time_text.h"
#include "walk.h"

struct row {
	char group[SHMQ_NAME_MAX + 1];
	enum shmq_reason reason;
	int status;
	uint64_t count, oldest_ns, newest_ns;
};

struct rows {
	struct row *at;
	size_t n, room;
};

/* There are few: each group has one for each way in which its command ends. */
static struct row *find_row(struct rows *rows, const char *group,
			    const struct shmq_dead_letter *letter)
{
	for (size_t i = rows->n; i-- > 0;)
		if (rows->at[i].status == letter->status && rows->at[i].reason == letter->reason &&
		    strcmp(rows->at[i].group, group) == 0)
			return &rows->at[i];
	if (rows->n == rows->room) {
		rows->room = rows->room ? 2 * rows->room : 32;
		rows->at = reallocarray(rows->at, rows->room, sizeof(*rows->at));
		if (!rows->at)
			die(EX_OSERR, "no memory for %zu rows", rows->room);
	}
	struct row *row = &rows->at[rows->n++];

	*row = (struct row){.reason = letter->reason,
			    .status = letter->status,
			    .oldest_ns = letter->dead_ns,
			    .newest_ns = letter->dead_ns};
	memccpy(row->group, group, 0, SHMQ_NAME_MAX);
	return row;
}

static bool count_one(void *context, const char *group, const struct shmq_dead_letter *letter)
{
	struct row *row = find_row(context, group, letter);

	row->count++;
	if (letter->dead_ns < row->oldest_ns)
		row->oldest_ns = letter->dead_ns;
	if (letter->dead_ns > row->newest_ns)
		row->newest_ns = letter->dead_ns;
	return true;
}

/* By group, then the most frequent first. */
static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->group, y->group);

	if (order == 0)
		order = (x->count < y->count) - (x->count > y->count);
	if (order == 0)
		order = (x->reason > y->reason) - (x->reason < y->reason);
	return order ? order : (x->status > y->status) - (x->status < y->status);
}

static int group_width(const struct rows *rows)
{
	size_t width = strlen("GROUP");

	for (size_t i = 0; i < rows->n; i++)
		if (strlen(rows->at[i].group) > width)
			width = strlen(rows->at[i].group);
	return (int)width;
}

static void add_table(struct bytes *out, const struct rows *rows)
{
	int width = group_width(rows);
	char status[STATUS_TEXT_MAX];

	bytes_printf(out, "%-*s %-11s %-8s %10s %-30s %s\n", width, "GROUP", "REASON", "EXIT",
		     "COUNT", "OLDEST", "NEWEST");
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->at[i];

		bytes_printf(out, "%-*s %-11s %-8s %10" PRIu64 " ", width, row->group,
			     shmq_reason_text(row->reason), status_text(row->status, status),
			     row->count);
		time_rfc3339(out, row->oldest_ns);
		bytes_byte(out, ' ');
		time_rfc3339(out, row->newest_ns);
		bytes_byte(out, '\n');
	}
}

static void add_objects(struct bytes *out, const struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->at[i];

		bytes_printf(out, "{\"group\":\"%s\",\"reason\":\"%s\",", row->group,
			     shmq_reason_text(row->reason));
		letter_json_status(out, row->status);
		bytes_printf(out, ",\"count\":%" PRIu64, row->count);
		letter_json_time(out, "oldest", row->oldest_ns);
		letter_json_time(out, "newest", row->newest_ns);
		bytes_text(out, "}\n");
	}
}

int verb_stats(const struct mqdlq_args *args)
{
	shmq *q = tool_open(args->dir, SHMQ_OBSERVE);
	struct rows rows = {0};
	struct walked walked = walk_letters(q, args, count_one, &rows);

	if (rows.n)
		qsort(rows.at, rows.n, sizeof(*rows.at), compare);
	if (GIVEN(args, JSON))
		add_objects(output(), &rows);
	else if (rows.n)
		add_table(output(), &rows);
	output_all();
	free(rows.at);
	shmq_close(q);
	if (walked.status)
		return walked.status;
	return walked.counted ? 0 : EXIT_NOTHING;
}
