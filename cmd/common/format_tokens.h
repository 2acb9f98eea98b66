/* SPDX-License-Identifier: MIT */
/* format_tokens.h - what the tokens of an output format stand for. */
#ifndef FORMAT_TOKENS_H
#define FORMAT_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "origin.h"
#include "shmq.h"

enum format_modifier { /* bits: a token has a set of those that it takes */
		       FORMAT_PLAIN = 0,
		       FORMAT_HEX = 1,
		       FORMAT_BASE64 = 2,
		       FORMAT_JSON = 4,
		       FORMAT_BE32 = 8,
		       FORMAT_STRFTIME = 16,
};

struct format_source {
	const struct origin *origin;
	const struct shmq_message *message;
	const char *name; /* %h{NAME} */
	size_t name_len;
};

struct format_value {
	bool none;    /* the message has no such thing; data is then empty */
	bool numeric; /* the text is a JSON number as it stands */
	const void *data;
	size_t len;
	int64_t number;       /* where FORMAT_BE32 is taken */
	struct bytes scratch; /* where data had to be made; kept from one message to the next */
};

struct format_token {
	char letter;
	bool named; /* a {NAME} belongs to it */
	unsigned modifiers;
	/* Fills *v, of which all but scratch is 0. */
	void (*fetch)(struct format_value *v, const struct format_source *from);
};

/* NULL: there is no such token. named: is '{' the next character? */
const struct format_token *format_token_find(char letter, bool named);

#endif
