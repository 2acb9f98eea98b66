/* SPDX-License-Identifier: MIT */
/* binary_read.c - a message from a record of mqsub -B, whose format is records_format.h. */
#include "binary_read.h"

#include <limits.h>

#include "records_format.h"

const char *binary_length(const unsigned char *from, size_t len, uint64_t *record_len)
{
	struct records_head head;
	const char *why;

	*record_len = 0;
	if (len < RECORDS_HEAD_BYTES) /* other input is told at its first byte */
		return len > 0 && from[0] != RECORDS_MAGIC ? RECORDS_NO_MAGIC : NULL;
	why = records_head_get(from, &head);
	if (!why)
		*record_len = RECORDS_HEAD_BYTES + records_body_bytes(&head);
	return why;
}

/* Reads count headers from exactly len bytes; NULL, or what is wrong. */
static const char *read_headers(const unsigned char *at, size_t len, uint32_t count,
				struct headers *headers)
{
	const char *why = "has headers of other lengths than it says";

	headers->count = 0;
	while (count-- > 0) {
		struct shmq_header h;

		if (len < RECORDS_FIELD_BYTES)
			return why;
		h.name_len = le32_get(at);
		h.value_len = le32_get(at + 4);
		at += RECORDS_FIELD_BYTES;
		len -= RECORDS_FIELD_BYTES;
		if (h.name_len > len || h.value_len > len - h.name_len)
			return why;
		h.name = at;
		h.value = at + h.name_len;
		at += h.name_len + h.value_len;
		len -= h.name_len + h.value_len;
		headers_add(headers, &h);
	}
	return len > 0 ? why : NULL;
}

const char *binary_read(const unsigned char *from, struct headers *headers, struct shmq_message *m)
{
	struct records_head head;
	const unsigned char *key, *fields;
	const char *why = records_head_get(from, &head);

	if (why)
		return why;
	key = from + RECORDS_HEAD_BYTES + head.topic_bytes;
	fields = key + head.key_bytes;
	why = read_headers(fields, head.header_bytes, head.header_count, headers);
	*m = (struct shmq_message){
	    .value = fields + head.header_bytes,
	    .value_len = head.value_bytes,
	    .key = head.has_key ? key : NULL,
	    .key_len = head.key_bytes,
	    .partition = head.partition < INT_MAX ? (int)head.partition : INT_MAX,
	};
	headers_set(headers, m);
	return why;
}
