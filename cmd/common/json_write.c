/* SPDX-License-Identifier: MIT */
/* json_write.c - messages as JSON: always valid, always one line, whatever their bytes are. */
#include "json_write.h"

#include <stdbool.h>

#include "time_text.h"
#include "utf8.h"

static const char *short_escape(unsigned char c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		return NULL;
	}
}

/* Of the bytes of valid UTF-8, those that cannot stand as they are. JSON demands it of quote,
 * backslash and C0; DEL and C1 (c2 80 .. c2 9f) are escaped because a terminal may obey them. */
static bool plain(const unsigned char *p)
{
	if (*p == 0xc2)
		return p[1] >= 0xa0;
	return *p >= 0x20 && *p != '"' && *p != '\\' && *p != 0x7f;
}

/* data is UTF-8. */
static void json_string(struct bytes *out, const void *data, size_t len)
{
	const unsigned char *p = len > 0 ? data : ""; /* data may be NULL then */
	const unsigned char *const end = p + len;

	bytes_byte(out, '"');
	while (p < end) {
		const unsigned char *from = p;
		while (p < end && plain(p))
			p++;
		bytes_add(out, from, (size_t)(p - from));
		if (p == end)
			break;
		const char *text = short_escape(*p);
		if (text)
			bytes_text(out, text);
		else /* the second byte of a C1 character is its number */
			bytes_printf(out, "\\u%04x", *p == 0xc2 ? *++p : *p);
		p++;
	}
	bytes_byte(out, '"');
}

static void json_base64(struct bytes *out, const void *data, size_t len)
{
	bytes_byte(out, '"');
	bytes_base64(out, data, len);
	bytes_byte(out, '"');
}

void json_value(struct bytes *out, const void *data, size_t len)
{
	if (utf8_valid(data, len)) {
		json_string(out, data, len);
		return;
	}
	bytes_text(out, "{\"b64\":");
	json_base64(out, data, len);
	bytes_byte(out, '}');
}

void json_member(struct bytes *out, const char *name, const void *data, size_t len)
{
	bool text = utf8_valid(data, len);

	bytes_byte(out, '"');
	bytes_text(out, name);
	bytes_text(out, text ? "\":" : "_b64\":");
	if (text)
		json_string(out, data, len);
	else
		json_base64(out, data, len);
}

static void json_headers(struct bytes *out, const struct shmq_message *m)
{
	for (size_t i = 0; i < m->header_count; i++) {
		const struct shmq_header *h = &m->headers[i];
		bytes_text(out, i == 0 ? "[" : ",[");
		json_value(out, h->name, h->name_len);
		bytes_byte(out, ',');
		json_value(out, h->value, h->value_len);
		bytes_byte(out, ']');
	}
}

void json_envelope(struct bytes *out, const struct origin *origin, const struct shmq_message *m)
{
	bytes_text(out, "{\"v\":1,\"topic\":");
	json_string(out, origin->topic, strlen(origin->topic));
	bytes_text(out, ",\"partition\":");
	bytes_decimal(out, (uint64_t)m->partition);
	bytes_text(out, ",\"offset\":");
	bytes_decimal(out, m->offset);
	bytes_text(out, ",\"ts\":\"");
	time_rfc3339(out, m->time_ns);
	bytes_text(out, "\",");
	if (m->key)
		json_member(out, "key", m->key, m->key_len);
	else
		bytes_text(out, "\"key\":null");
	bytes_text(out, ",\"priority\":0,\"expires\":null,\"headers\":[");
	json_headers(out, m);
	bytes_text(out, "],\"attempt\":");
	bytes_decimal(out, origin->attempt);
	bytes_byte(out, ',');
	json_member(out, "payload", m->value, m->value_len);
	bytes_byte(out, '}');
}
