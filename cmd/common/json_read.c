/* SPDX-License-Identifier: MIT */
/*
 * json_read.c - a message from its JSON envelope. jansson parses; it refuses what is not UTF-8
 * or not JSON, and keeps NUL bytes in strings.
 */
#include "json_read.h"

#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "base64.h"
#include "json_number.h"

#define JSON_FLAGS (JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES)

/* What one envelope_read() works on. */
struct reading {
	struct envelope *e;
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int wrong(struct reading *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->error, r->error_size, fmt, ap);
	va_end(ap);
	return -1;
}

/* The bytes of a base64 string, behind those decoded before; room was made for all of them. */
static int take_base64(struct reading *r, const char *what, const json_t *text, const void **data,
		       size_t *len)
{
	struct bytes *decoded = &r->e->decoded;
	char *to = decoded->data + decoded->len;

	if (!json_is_string(text))
		return wrong(r, "has a %s that is not a string", what);
	*len = base64_decode(to, json_string_value(text), json_string_length(text));
	if (*len == (size_t)-1)
		return wrong(r, "has a %s that is not base64", what);
	*data = to;
	decoded->len += *len;
	return 0;
}

/* The member `name` or `name`_b64, at most one of them; neither: *data is NULL. */
static int take_bytes(struct reading *r, const char *name, const char *name_b64, const void **data,
		      size_t *len)
{
	const json_t *text = json_object_get(r->e->root, name);
	const json_t *coded = json_object_get(r->e->root, name_b64);

	*data = NULL;
	*len = 0;
	if (json_is_null(text))
		text = NULL;
	if (json_is_null(coded))
		coded = NULL;
	if (text && coded)
		return wrong(r, "has both \"%s\" and \"%s\"", name, name_b64);
	if (coded)
		return take_base64(r, name_b64, coded, data, len);
	if (!text)
		return 0;
	if (!json_is_string(text))
		return wrong(r, "has a %s that is not a string", name);
	*data = json_string_value(text);
	*len = json_string_length(text);
	return 0;
}

/* Name or value of a header: "text" or {"b64":"..."}. */
static int take_header_part(struct reading *r, const json_t *part, const void **data, size_t *len)
{
	const json_t *coded = json_object_get(part, "b64");

	if (coded)
		return take_base64(r, "b64 of a header", coded, data, len);
	if (!json_is_string(part))
		return wrong(r, "has a header that is not a pair of strings or {\"b64\":..}");
	*data = json_string_value(part);
	*len = json_string_length(part);
	return 0;
}

static int take_headers(struct reading *r, struct shmq_message *m)
{
	const json_t *all = json_object_get(r->e->root, "headers");
	size_t count = json_array_size(all);

	if (all && !json_is_null(all) && !json_is_array(all))
		return wrong(r, "has headers that are not an array");
	r->e->headers.count = 0;
	for (size_t i = 0; i < count; i++) {
		const json_t *pair = json_array_get(all, i);
		struct shmq_header h;

		if (json_array_size(pair) != 2)
			return wrong(r, "has a header that is not [name, value]");
		if (take_header_part(r, json_array_get(pair, 0), &h.name, &h.name_len) < 0 ||
		    take_header_part(r, json_array_get(pair, 1), &h.value, &h.value_len) < 0)
			return -1;
		headers_add(&r->e->headers, &h);
	}
	headers_set(&r->e->headers, m);
	return 0;
}

/* Not everybody wants to know: what can be none is for those who do. */
static void take_partition(struct reading *r, struct shmq_message *m)
{
	const json_t *partition = json_object_get(r->e->root, "partition");
	double n = json_is_number(partition) ? json_number_value(partition) : -1;

	m->partition = -1;
	if (n >= INT_MAX)
		m->partition = INT_MAX;
	else if (n >= 0 && (double)(int)n == n)
		m->partition = (int)n;
}

static int take_version(struct reading *r)
{
	const json_t *v = json_object_get(r->e->root, "v");

	if (!v)
		return wrong(r, "has no \"v\": it is not an envelope of mqsub -J");
	if (json_number_value(v) != 1)
		return wrong(r, "has another \"v\" than 1, the version that can be read");
	return 0;
}

static int parse(struct reading *r, const char *text, size_t len)
{
	json_error_t why;

	json_decref(r->e->root);
	r->e->root = json_loadb(text, len, JSON_FLAGS, &why);
	if (!r->e->root && json_error_code(&why) == json_error_numeric_overflow) {
		json_number_bounds(&r->e->bounded, text, len);
		r->e->root = json_loadb(r->e->bounded.data, len, JSON_FLAGS, &why);
	}
	if (!r->e->root)
		return wrong(r, "is not JSON: %s (column %d)", why.text, why.column);
	if (!json_is_object(r->e->root))
		return wrong(r, "is not a JSON object");
	return 0;
}

int envelope_read(struct envelope *e, const char *text, size_t len, struct shmq_message *m,
		  char *error, size_t error_size)
{
	struct reading r = {e, error, error_size};

	/* all that is decoded is shorter than the text: what was taken never moves */
	e->decoded.len = 0;
	bytes_reserve(&e->decoded, len + 1);
	*m = (struct shmq_message){0};
	if (parse(&r, text, len) < 0 || take_version(&r) < 0 ||
	    take_bytes(&r, "payload", "payload_b64", &m->value, &m->value_len) < 0 ||
	    take_bytes(&r, "key", "key_b64", &m->key, &m->key_len) < 0 || take_headers(&r, m) < 0)
		return -1;
	take_partition(&r, m);
	if (!m->value)
		return wrong(&r, "has neither \"payload\" nor \"payload_b64\"");
	return 0;
}

void envelope_free(struct envelope *e)
{
	json_decref(e->root);
	bytes_free(&e->decoded);
	bytes_free(&e->bounded);
	headers_free(&e->headers);
	*e = (struct envelope){0};
}
