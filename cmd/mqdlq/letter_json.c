/* SPDX-License-Identifier: MIT */
/* letter_json.c - dead letters as JSON. */
#include "letter_json.h"

#include <inttypes.h>

#include "json_write.h"
#include "status_text.h"
#include "time_text.h"

void letter_json_status(struct bytes *out, int status)
{
	char text[STATUS_TEXT_MAX];

	if (status < 0)
		bytes_text(out, "\"exit\":null,\"signal\":null");
	else if (status < 256)
		bytes_printf(out, "\"exit\":%d,\"signal\":null", status);
	else
		bytes_printf(out, "\"exit\":null,\"signal\":\"%s\"", status_text(status, text));
}

void letter_json_time(struct bytes *out, const char *name, uint64_t ns)
{
	bytes_printf(out, ",\"%s\":", name);
	if (ns == 0) {
		bytes_text(out, "null");
		return;
	}
	bytes_byte(out, '"');
	time_rfc3339(out, ns);
	bytes_byte(out, '"');
}

void letter_json_history(struct bytes *out, const char *group,
			 const struct shmq_dead_letter *letter)
{
	bytes_printf(out,
		     "\"group\":\"%s\",\"id\":%" PRIu64 ",\"reason\":\"%s\",\"attempts\":%" PRIu32
		     ",\"requeues\":%" PRIu32 ",",
		     group, letter->id, shmq_reason_text(letter->reason), letter->attempts,
		     letter->requeues);
	letter_json_status(out, letter->status);
	letter_json_time(out, "first", letter->first_ns);
	letter_json_time(out, "at", letter->dead_ns);
}

void letter_json(struct bytes *out, const char *topic, const char *group,
		 const struct shmq_dead_letter *letter)
{
	const struct origin origin = {.topic = topic, .group = group, .attempt = letter->attempts};

	json_envelope(out, &origin, &letter->message);
	out->len--; /* its closing brace: one member more follows */
	bytes_text(out, ",\"dead\":{");
	letter_json_history(out, group, letter);
	bytes_byte(out, ',');
	json_member(out, "stderr", letter->text, letter->text_len);
	bytes_text(out, "}}\n");
}
