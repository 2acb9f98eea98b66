/* SPDX-License-Identifier: MIT */
/* format_tokens.c - what the tokens of an output format stand for. */
#include "format_tokens.h"

#include <time.h>

#include "records_format.h"
#include "time_text.h"

#define MILLISECOND_NS UINT64_C(1000000)
#define SECOND_NS      UINT64_C(1000000000)

static void give(struct format_value *v, const void *data, size_t len)
{
	v->data = data;
	v->len = len;
}

/* Gives what was put into the scratch. */
static void give_scratch(struct format_value *v)
{
	give(v, v->scratch.data, v->scratch.len);
}

static void give_number(struct format_value *v, int64_t number)
{
	v->numeric = true;
	v->number = number;
	if (number < 0)
		bytes_byte(&v->scratch, '-');
	bytes_decimal(&v->scratch, number < 0 ? -(uint64_t)number : (uint64_t)number);
	give_scratch(v);
}

static void value(struct format_value *v, const struct format_source *from)
{
	give(v, from->message->value, from->message->value_len);
}

static void value_length(struct format_value *v, const struct format_source *from)
{
	give_number(v, (int64_t)from->message->value_len);
}

static void value_length_be32(struct format_value *v, const struct format_source *from)
{
	unsigned char *to = (unsigned char *)bytes_reserve(&v->scratch, LEN32_PREFIX_BYTES);

	be32_put(to, (uint32_t)from->message->value_len);
	give(v, to, LEN32_PREFIX_BYTES);
}

static void key(struct format_value *v, const struct format_source *from)
{
	v->none = !from->message->key;
	if (!v->none)
		give(v, from->message->key, from->message->key_len);
}

static void key_length(struct format_value *v, const struct format_source *from)
{
	give_number(v, from->message->key ? (int64_t)from->message->key_len : -1);
}

static void topic(struct format_value *v, const struct format_source *from)
{
	give(v, from->origin->topic, strlen(from->origin->topic));
}

static void partition(struct format_value *v, const struct format_source *from)
{
	give_number(v, from->message->partition);
}

static void offset(struct format_value *v, const struct format_source *from)
{
	give_number(v, (int64_t)from->message->offset);
}

static void milliseconds(struct format_value *v, const struct format_source *from)
{
	give_number(v, (int64_t)(from->message->time_ns / MILLISECOND_NS));
}

static void rfc3339(struct format_value *v, const struct format_source *from)
{
	time_rfc3339(&v->scratch, from->message->time_ns);
	give_scratch(v);
}

static void age(struct format_value *v, const struct format_source *from)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	uint64_t now = (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
	/* a clock that was set back makes messages of the future: they are new */
	uint64_t ns = now > from->message->time_ns ? now - from->message->time_ns : 0;
	bytes_decimal(&v->scratch, ns / SECOND_NS);
	bytes_printf(&v->scratch, ".%03u", (unsigned)(ns % SECOND_NS / MILLISECOND_NS));
	v->numeric = true;
	give_scratch(v);
}

static void all_headers(struct format_value *v, const struct format_source *from)
{
	const struct shmq_header *h = from->message->headers;

	for (size_t i = 0; i < from->message->header_count; i++) {
		if (i > 0)
			bytes_byte(&v->scratch, ',');
		bytes_add(&v->scratch, h[i].name, h[i].name_len);
		bytes_byte(&v->scratch, '=');
		bytes_add(&v->scratch, h[i].value, h[i].value_len);
	}
	give_scratch(v);
}

/* The first header of that name. */
static void header(struct format_value *v, const struct format_source *from)
{
	const struct shmq_header *h = from->message->headers;

	for (size_t i = 0; i < from->message->header_count; i++)
		if (h[i].name_len == from->name_len &&
		    (from->name_len == 0 || memcmp(h[i].name, from->name, from->name_len) == 0)) {
			give(v, h[i].value, h[i].value_len);
			return;
		}
	v->none = true;
}

static void priority(struct format_value *v, const struct format_source *from)
{
	(void)from;
	give_number(v, 0); /* messages have no other */
}

static void attempt(struct format_value *v, const struct format_source *from)
{
	give_number(v, from->origin->attempt);
}

static void group(struct format_value *v, const struct format_source *from)
{
	v->none = !from->origin->group;
	if (!v->none)
		give(v, from->origin->group, strlen(from->origin->group));
}

static void nothing(struct format_value *v, const struct format_source *from)
{
	(void)from;
	v->none = true;
}

enum {
	BYTES = FORMAT_HEX | FORMAT_BASE64 | FORMAT_JSON,
	NUMBER = FORMAT_BE32 | FORMAT_JSON,
	TIME = FORMAT_STRFTIME | FORMAT_JSON,
};

static const struct format_token tokens[] = {
    {'s', false, BYTES, value},
    {'S', false, NUMBER, value_length},
    {'R', false, BYTES, value_length_be32},
    {'k', false, BYTES, key},
    {'K', false, NUMBER, key_length},
    {'t', false, BYTES, topic},
    {'p', false, NUMBER, partition},
    {'o', false, NUMBER, offset},
    {'T', false, TIME, milliseconds},
    {'F', false, TIME, rfc3339},
    {'a', false, FORMAT_JSON, age},
    {'h', true, BYTES, header},
    {'h', false, 0, all_headers},
    {'P', false, NUMBER, priority},
    {'d', false, NUMBER, attempt},
    {'g', false, BYTES, group},
    {'x', false, FORMAT_JSON, nothing}, /* messages do not expire */
};

const struct format_token *format_token_find(char letter, bool named)
{
	const struct format_token *found = NULL;

	for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++)
		if (tokens[i].letter == letter && (!found || tokens[i].named == named))
			found = &tokens[i];
	return found;
}
