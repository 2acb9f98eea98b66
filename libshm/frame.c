/* SPDX-License-Identifier: MIT */
/* frame.c - the columns of a frame: building them, and reading them back with suspicion. */
#include "frame.h"

#include "bulk.h"

#include <stdlib.h>
#include <string.h>

#define HAS_KEY 0x80000000u

/* ---- building ----------------------------------------------------------------------- */

int column_room(struct column *c, size_t more)
{
	size_t capacity = c->capacity == 0 ? 1024 : c->capacity;
	unsigned char *grown;

	if (c->capacity - c->used >= more)
		return 0;
	while (capacity - c->used < more)
		capacity *= 2;
	grown = realloc(c->data, capacity);
	if (grown == NULL)
		return SHMQ_ENOMEM;
	c->data = grown;
	c->capacity = capacity;
	return 0;
}

static void column_put(struct column *c, const void *data, size_t bytes)
{
	if (bytes > 0)
		memcpy(c->data + c->used, data, bytes);
	c->used += bytes;
}

static void column_put_u32(struct column *c, size_t v)
{
	uint32_t v32 = (uint32_t)v;

	memcpy(c->data + c->used, &v32, sizeof v32);
	c->used += sizeof v32;
}

void column_free(struct column *c)
{
	free(c->data);
	*c = (struct column){0};
}

void rows_free(struct rows *r)
{
	column_free(&r->ends);
	column_free(&r->key_ends);
	column_free(&r->keys);
	column_free(&r->header_ends);
	column_free(&r->headers);
	column_free(&r->meta);
	r->frame = NULL;
}

static size_t headers_bytes(const struct shmq_message *m)
{
	size_t bytes = 0;

	for (size_t i = 0; i < m->header_count; i++)
		bytes += 8 + m->headers[i].name_len + m->headers[i].value_len;
	return bytes;
}

/* A section {bytes, ends[count], data}, up to the next multiple of 4. */
static size_t section_cost(size_t count, size_t bytes)
{
	return ALIGN_UP(4 + 4 * count + bytes, 4);
}

size_t rows_cost_with(const struct rows *r, const struct shmq_message *m)
{
	size_t count = (size_t)r->count + 1;
	size_t cost = sizeof(struct frame) + ALIGN_UP(r->value_bytes + m->value_len, 4);

	if (m->value_len > UINT32_MAX / 4 || m->key_len > UINT32_MAX / 4)
		return SIZE_MAX;
	if (count > 1)
		cost += 4 * count;
	if (r->has_keys || m->key != NULL)
		cost += section_cost(count, r->keys.used + m->key_len);
	if (r->has_headers || m->header_count > 0)
		cost += section_cost(count, r->headers.used + headers_bytes(m));
	if (r->meta.used > 0)
		cost += 4 + r->meta.used;
	return cost;
}

int rows_add_meta(struct rows *r, enum meta_type type, const void *data, size_t bytes, const void *more,
                  size_t more_bytes)
{
	static const unsigned char zero[4];
	size_t padding = ALIGN_UP(bytes + more_bytes, 4) - bytes - more_bytes;

	if (column_room(&r->meta, 8 + bytes + more_bytes + padding) < 0)
		return SHMQ_ENOMEM;
	column_put_u32(&r->meta, (size_t)type);
	column_put_u32(&r->meta, bytes + more_bytes);
	column_put(&r->meta, data, bytes);
	column_put(&r->meta, more, more_bytes);
	column_put(&r->meta, zero, padding);
	return 0;
}

int rows_count(struct rows *r, const struct shmq_message *m)
{
	r->count++;
	r->value_bytes += m->value_len;
	r->has_keys = r->has_keys || m->key != NULL;
	r->keys.used += m->key_len;
	r->has_headers = r->has_headers || m->header_count > 0;
	r->headers.used += headers_bytes(m);
	return r->value_bytes + r->keys.used + r->headers.used > UINT32_MAX ? SHMQ_EDATA : 0;
}

static int ends_backfill(struct column *ends, uint32_t rows)
{
	if (column_room(ends, 4 * ((size_t)rows + 1)) < 0)
		return SHMQ_ENOMEM;
	while (ends->used < 4 * (size_t)rows)
		column_put_u32(ends, 0);
	return 0;
}

static int rows_add_headers(struct rows *r, const struct shmq_message *m)
{
	if (ends_backfill(&r->header_ends, r->count) < 0 ||
	    column_room(&r->headers, headers_bytes(m)) < 0)
		return SHMQ_ENOMEM;
	for (size_t i = 0; i < m->header_count; i++) {
		const struct shmq_header *h = &m->headers[i];

		column_put_u32(&r->headers, h->name_len);
		column_put_u32(&r->headers, h->value_len);
		column_put(&r->headers, h->name, h->name_len);
		column_put(&r->headers, h->value, h->value_len);
	}
	column_put_u32(&r->header_ends, r->headers.used);
	r->has_headers = true;
	return 0;
}

static int rows_add_key(struct rows *r, const struct shmq_message *m)
{
	if (ends_backfill(&r->key_ends, r->count) < 0 || column_room(&r->keys, m->key_len) < 0)
		return SHMQ_ENOMEM;
	column_put(&r->keys, m->key, m->key_len);
	column_put_u32(&r->key_ends, r->keys.used | (m->key != NULL ? HAS_KEY : 0));
	r->has_keys = true;
	return 0;
}

int rows_add(struct rows *r, const struct shmq_message *m)
{
	size_t keys_used = r->keys.used, headers_used = r->headers.used;

	r->first_hashed = false;
	if (column_room(&r->ends, 4) < 0)
		return SHMQ_ENOMEM;
	if ((r->has_keys || m->key != NULL) && rows_add_key(r, m) < 0)
		return SHMQ_ENOMEM;
	if ((r->has_headers || m->header_count > 0) && rows_add_headers(r, m) < 0) {
		r->keys.used = keys_used;
		r->headers.used = headers_used;
		r->key_ends.used = 4 * (size_t)r->count;
		return SHMQ_ENOMEM;
	}
	if (m->value_len > 0)
		memcpy(r->frame + sizeof(struct frame) + r->value_bytes, m->value, m->value_len);
	r->value_bytes += m->value_len;
	column_put_u32(&r->ends, r->value_bytes);
	r->count++;
	return 0;
}

/* Appends at *at, padding to the next multiple of 4 first. */
static void place(unsigned char **at, const struct rows *r, const void *data, size_t bytes)
{
	while ((size_t)(*at - r->frame) % 4 != 0)
		*(*at)++ = 0;
	memcpy(*at, data, bytes);
	*at += bytes;
}

static void place_section(unsigned char **at, const struct rows *r, const struct column *ends,
                          const struct column *data)
{
	uint32_t bytes = (uint32_t)data->used;

	place(at, r, &bytes, sizeof bytes);
	memcpy(*at, ends->data, ends->used);
	*at += ends->used;
	if (data->used > 0)
		memcpy(*at, data->data, data->used);
	*at += data->used;
}

static uint64_t payload_hash(const struct frame *f, size_t length)
{
	return bulk_hash(f + 1, length - sizeof *f);
}

static struct frame *seal(struct frame *f, uint32_t count, size_t length, size_t value_bytes,
                          unsigned flags, unsigned char delimiter, uint64_t payload_hash)
{
	f->count = count;
	f->length = (uint32_t)length;
	f->value_bytes = (uint32_t)value_bytes;
	f->flags = (uint8_t)flags;
	f->delimiter = delimiter;
	f->reserved = 0;
	f->payload_hash = payload_hash;
	return f;
}

struct frame *rows_seal(struct rows *r)
{
	unsigned char *at = r->frame + sizeof(struct frame) + r->value_bytes;
	struct frame *f = (struct frame *)(void *)r->frame;
	unsigned flags = (r->has_keys ? FRAME_KEYS : 0u) | (r->has_headers ? FRAME_HEADERS : 0u) |
	                 (r->meta.used > 0 ? FRAME_META : 0u);
	size_t length;

	if (r->count > 1)
		place(&at, r, r->ends.data, r->ends.used);
	if (r->has_keys)
		place_section(&at, r, &r->key_ends, &r->keys);
	if (r->has_headers)
		place_section(&at, r, &r->header_ends, &r->headers);
	if (r->meta.used > 0) {
		uint32_t bytes = (uint32_t)r->meta.used;

		place(&at, r, &bytes, sizeof bytes);
		place(&at, r, r->meta.data, r->meta.used);
	}
	length = (size_t)(at - r->frame);
	return seal(f, r->count, length, r->value_bytes, flags, 0,
	            r->first_hashed ? r->first_hash : payload_hash(f, length));
}

struct frame *frame_seal_delimited(void *frame, size_t value_bytes, uint32_t count,
                                   unsigned char delimiter)
{
	size_t length = sizeof(struct frame) + value_bytes;

	return seal(frame, count, length, value_bytes, FRAME_DELIMITED, delimiter,
	            payload_hash(frame, length));
}

struct frame *frame_seal_empty(void *frame, unsigned flags)
{
	return seal(frame, 0, sizeof(struct frame), 0, flags, 0, payload_hash(frame, sizeof(struct frame)));
}

/* ---- reading ------------------------------------------------------------------------ */

static uint32_t get_u32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* The next `bytes` of the copy, from the next multiple of 4 on; NULL when they are not there. */
static const unsigned char *take(const struct frame *f, size_t *at, uint64_t bytes)
{
	size_t from = ALIGN_UP(*at, 4);

	if (from > f->length || bytes > f->length - from)
		return NULL;
	*at = from + (size_t)bytes;
	return (const unsigned char *)f + from;
}

static int take_section(const struct frame *f, size_t *at, uint32_t mask, const uint32_t **ends,
                        const unsigned char **data)
{
	const uint32_t *bytes = (const uint32_t *)(const void *)take(f, at, 4);

	if (bytes == NULL)
		return SHMQ_ECORRUPT;
	*ends = (const uint32_t *)(const void *)take(f, at, 4 * (uint64_t)f->count);
	*data = take(f, at, *bytes);
	if (*ends == NULL || *data == NULL)
		return SHMQ_ECORRUPT;
	/* That ends stay inside is enough to check at the last one if they never fall; that is
	   checked row by row. */
	return ((*ends)[f->count - 1] & mask) == *bytes ? 0 : SHMQ_ECORRUPT;
}

int columns_open(const struct frame *f, struct columns *c)
{
	size_t at = sizeof *f;

	*c = (struct columns){.frame = f, .values = (const unsigned char *)(f + 1)};
	if (take(f, &at, f->value_bytes) == NULL)
		return SHMQ_ECORRUPT;
	if (f->count == 0)
		return f->length == sizeof *f ? 0 : SHMQ_ECORRUPT;
	if (f->flags & FRAME_DELIMITED) {
		bool ends = f->value_bytes >= f->count && f->length == sizeof *f + f->value_bytes &&
		            c->values[f->value_bytes - 1] == f->delimiter;
		return ends ? 0 : SHMQ_ECORRUPT;
	}
	if (f->count > 1) {
		c->ends = (const uint32_t *)(const void *)take(f, &at, 4 * (uint64_t)f->count);
		if (c->ends == NULL || c->ends[f->count - 1] != f->value_bytes)
			return SHMQ_ECORRUPT;
	}
	if ((f->flags & FRAME_KEYS) && take_section(f, &at, ~HAS_KEY, &c->key_ends, &c->keys) < 0)
		return SHMQ_ECORRUPT;
	if ((f->flags & FRAME_HEADERS) && take_section(f, &at, UINT32_MAX, &c->header_ends, &c->headers) < 0)
		return SHMQ_ECORRUPT;
	if (f->flags & FRAME_META) {
		const unsigned char *bytes = take(f, &at, 4);

		if (bytes == NULL)
			return SHMQ_ECORRUPT;
		c->meta_bytes = get_u32(bytes);
		c->meta = take(f, &at, c->meta_bytes);
		if (c->meta == NULL)
			return SHMQ_ECORRUPT;
	}
	return 0;
}

const unsigned char *columns_meta(const struct columns *c, enum meta_type type, size_t least, uint32_t *bytes)
{
	uint32_t at = 0;

	while (c->meta != NULL && c->meta_bytes - at >= 8) {
		uint32_t is = get_u32(c->meta + at), n = get_u32(c->meta + at + 4);

		at += 8;
		if (n > c->meta_bytes - at)
			return NULL;
		if (is == (uint32_t)type && n >= least) {
			if (bytes != NULL)
				*bytes = n;
			return c->meta + at;
		}
		n = ALIGN_UP(n, 4);
		at += n < c->meta_bytes - at ? n : c->meta_bytes - at;
	}
	return NULL;
}

/* Row r of a column with ends: false when they fall or leave the column. */
static bool row_bounds(const uint32_t *ends, uint32_t count, uint32_t r, uint32_t mask,
                       uint32_t *from, uint32_t *to)
{
	*from = r == 0 ? 0 : ends[r - 1] & mask;
	*to = ends[r] & mask;
	return *from <= *to && *to <= (ends[count - 1] & mask);
}

int columns_row(const struct columns *c, uint32_t r, uint64_t *at, struct shmq_message *m)
{
	const struct frame *f = c->frame;
	uint32_t from = 0, to = f->value_bytes;

	if (f->flags & FRAME_DELIMITED) {
		const unsigned char *v = c->values + *at, *end;

		end = *at < f->value_bytes ? memchr(v, f->delimiter, f->value_bytes - *at) : NULL;
		if (end == NULL)
			return SHMQ_ECORRUPT;
		m->value = v;
		m->value_len = (size_t)(end - v);
		*at += m->value_len + 1;
		return 0;
	}
	if (c->ends != NULL && !row_bounds(c->ends, f->count, r, UINT32_MAX, &from, &to))
		return SHMQ_ECORRUPT;
	m->value = c->values + from;
	m->value_len = to - from;
	if (c->key_ends != NULL) {
		if (!row_bounds(c->key_ends, f->count, r, ~HAS_KEY, &from, &to))
			return SHMQ_ECORRUPT;
		if (c->key_ends[r] & HAS_KEY) {
			m->key = c->keys + from;
			m->key_len = to - from;
		}
	}
	return 0;
}

int columns_headers(const struct columns *c, uint32_t r, struct column *array, struct shmq_message *m)
{
	uint32_t from, to;

	m->headers = NULL;
	m->header_count = 0;
	if (c->header_ends == NULL)
		return 0;
	if (!row_bounds(c->header_ends, c->frame->count, r, UINT32_MAX, &from, &to))
		return SHMQ_ECORRUPT;
	array->used = 0;
	while (from < to) {
		const unsigned char *p = c->headers + from;
		struct shmq_header h;

		if (to - from < 8)
			return SHMQ_ECORRUPT;
		h.name_len = get_u32(p);
		h.value_len = get_u32(p + 4);
		if (h.name_len > to - from - 8 || h.value_len > to - from - 8 - h.name_len)
			return SHMQ_ECORRUPT;
		h.name = p + 8;
		h.value = p + 8 + h.name_len;
		from += (uint32_t)(8 + h.name_len + h.value_len);
		if (column_room(array, sizeof h) < 0)
			return SHMQ_ENOMEM;
		column_put(array, &h, sizeof h);
		m->header_count++;
	}
	m->headers = (const struct shmq_header *)(const void *)array->data;
	return 0;
}
