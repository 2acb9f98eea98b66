/* SPDX-License-Identifier: MIT */
/* settings.h - what the command line of mqpub asks for. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "headers.h"
#include "rate.h"
#include "record.h"

#define PARTITION_SAME (-2) /* the one that the record came from */

struct settings {
	const char *broker;
	const char *topic;
	char *const *files; /* count 0: stdin */
	size_t file_count;
	const char **messages; /* of -m, in their order */
	size_t message_count;

	struct record_options record; /* without max_bytes: the topic's */
	struct bytes delim, key_delim;

	const char *key; /* NULL: none */
	struct headers headers;
	int partition; /* -1: by key or in turn; PARTITION_SAME */

	bool atomic, tee, unbuffered, never_wait, ack_disk, ack_given, no_create, progress, verbose;
	uint64_t count;  /* UINT64_MAX: no limit */
	int64_t wait_ns; /* 0: for ever */
	const char *wait_text;
	struct rate rate;
};

/* Reads the command line; bad usage ends the program with 64. */
void settings_read(struct settings *s, int argc, char **argv);

#endif
