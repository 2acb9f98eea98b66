/* SPDX-License-Identifier: MIT */
/* print.c - messages in the framing that was asked for. */
#include "print.h"

#include "escape.h"
#include "json_write.h"
#include "records_format.h"

/* What comes from a message: a terminal gets its control bytes escaped. */
static void put(struct bytes *out, const struct print_style *style, const void *data, size_t len)
{
	if (style->terminal)
		escape_for_terminal(out, data, len);
	else
		bytes_add(out, data, len);
}

static void put_key(struct bytes *out, const struct print_style *style,
		    const struct shmq_message *m)
{
	put(out, style, m->key, m->key ? m->key_len : 0);
	bytes_add(out, style->key_delim.data, style->key_delim.len);
}

static void print_delimited(struct bytes *out, const struct print_style *style,
			    const struct shmq_message *m)
{
	if (style->keys)
		put_key(out, style, m);
	put(out, style, m->value, m->value_len);
	bytes_add(out, style->delim.data, style->delim.len);
}

static void print_len32(struct bytes *out, const struct print_style *style,
			const struct shmq_message *m)
{
	size_t prefix = out->len;

	bytes_reserve(out, LEN32_PREFIX_BYTES);
	out->len += LEN32_PREFIX_BYTES;
	if (style->keys)
		put_key(out, style, m);
	put(out, style, m->value, m->value_len);
	size_t len = out->len - prefix - LEN32_PREFIX_BYTES;
	be32_put((unsigned char *)out->data + prefix, (uint32_t)len);
}

static uint32_t header_bytes(const struct shmq_message *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->header_count; i++)
		n += RECORDS_FIELD_BYTES + m->headers[i].name_len + m->headers[i].value_len;
	return (uint32_t)n;
}

static void put_header(struct bytes *out, const struct shmq_header *h)
{
	unsigned char *field = (unsigned char *)bytes_reserve(out, RECORDS_FIELD_BYTES);

	le32_put(field, (uint32_t)h->name_len);
	le32_put(field + 4, (uint32_t)h->value_len);
	out->len += RECORDS_FIELD_BYTES;
	bytes_add(out, h->name, h->name_len);
	bytes_add(out, h->value, h->value_len);
}

/* No length can be too long for its field: a message is at most 256 MiB, a quarter of the
 * largest pool. */
static void print_binary(struct bytes *out, const char *topic, const struct shmq_message *m)
{
	const struct records_head head = {
	    .has_key = m->key != NULL,
	    .topic_bytes = (uint8_t)strlen(topic),
	    .partition = (uint32_t)m->partition,
	    .offset = m->offset,
	    .time_ns = m->time_ns,
	    .key_bytes = m->key ? (uint32_t)m->key_len : 0,
	    .header_count = (uint32_t)m->header_count,
	    .header_bytes = header_bytes(m),
	    .value_bytes = (uint32_t)m->value_len,
	};

	records_head_put((unsigned char *)bytes_reserve(out, RECORDS_HEAD_BYTES), &head);
	out->len += RECORDS_HEAD_BYTES;
	bytes_add(out, topic, head.topic_bytes);
	bytes_add(out, m->key, head.key_bytes);
	for (size_t i = 0; i < m->header_count; i++)
		put_header(out, &m->headers[i]);
	bytes_add(out, m->value, m->value_len);
}

void print_message(struct bytes *out, const struct print_style *style, const struct origin *origin,
		   const struct shmq_message *m)
{
	switch (style->framing) {
	case PRINT_DELIMITED:
		print_delimited(out, style, m);
		break;
	case PRINT_LEN32:
		print_len32(out, style, m);
		break;
	case PRINT_JSON:
		json_envelope(out, origin, m);
		bytes_byte(out, '\n');
		break;
	case PRINT_BINARY:
		print_binary(out, origin->topic, m);
		break;
	case PRINT_FORMAT:
		format_message(style->format, out, origin, m, style->terminal);
		bytes_add(out, style->delim.data, style->delim.len);
		break;
	}
}

bool print_is_verbatim(const struct print_style *style, unsigned char delim)
{
	return style->framing == PRINT_DELIMITED && !style->keys && !style->terminal &&
	       style->delim.len == 1 && (unsigned char)style->delim.data[0] == delim;
}
