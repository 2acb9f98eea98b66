/* SPDX-License-Identifier: MIT */
/*
 * letter_json.h - dead letters as JSON: the envelope of json_read.h with one member more,
 *
 *     "dead":{"group":"g","id":17,"reason":"max-deliver","attempts":5,"requeues":0,"exit":1,
 *             "signal":null,"first":"2026-01-31T12:00:00Z","at":"2026-01-31T12:00:09Z",
 *             "stderr":"text"}
 *
 * or "stderr_b64" with the bytes in base64 where they are not UTF-8.
 */
#ifndef MQDLQ_LETTER_JSON_H
#define MQDLQ_LETTER_JSON_H

#include "bytes.h"
#include "shmq.h"

/* Appends the members "group" to "at", without braces. */
void letter_json_history(struct bytes *out, const char *group,
			 const struct shmq_dead_letter *letter);

/* Appends "exit":1,"signal":null of a status as in struct shmq_failure. */
void letter_json_status(struct bytes *out, int status);

/* Appends ,"name":"2026-..." or null for 0. */
void letter_json_time(struct bytes *out, const char *name, uint64_t ns);

/* Appends the envelope, and a newline. */
void letter_json(struct bytes *out, const char *topic, const char *group,
		 const struct shmq_dead_letter *letter);

#endif
