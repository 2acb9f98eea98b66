/* SPDX-License-Identifier: MIT */
/* batch.c - one commit while it is put together. */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

int batch_init(struct batch *b)
{
	*b = (struct batch){.capacity = BATCH_TARGET};
	b->data = aligned_alloc(JOURNAL_BLOCK, b->capacity);
	if (b->data == NULL)
		return SHMQ_ENOMEM;
	memset(b->data, 0, b->capacity); /* its pages are there before they are needed */
	batch_clear(b);
	return 0;
}

void batch_free(struct batch *b)
{
	free(b->data);
	*b = (struct batch){0};
}

void batch_clear(struct batch *b)
{
	b->used = sizeof(struct commit_head);
	b->run_at = 0;
	b->runs = b->rounds = 0;
	b->spoiled = false;
}

bool batch_has_room(const struct batch *b, size_t bytes)
{
	return batch_empty(b) || b->used + sizeof(struct record) + ALIGN_UP(bytes, RECORD_ALIGN) <= BATCH_TARGET;
}

/* A single frame may be larger than what is aimed at. */
static int grow(struct batch *b, size_t more)
{
	size_t capacity = ALIGN_UP(b->used + more, JOURNAL_BLOCK);
	unsigned char *grown;

	if (capacity <= b->capacity)
		return 0;
	if (capacity > COMMIT_MAX)
		return SHMQ_ENOMEM;
	grown = aligned_alloc(JOURNAL_BLOCK, capacity);
	if (grown == NULL)
		return SHMQ_ENOMEM;
	memcpy(grown, b->data, b->used);
	free(b->data);
	b->data = grown;
	b->capacity = capacity;
	return 0;
}

static struct record *record_begin(struct batch *b, enum record_type type, struct log_id log, const uint64_t numbers[4],
                                   size_t bytes)
{
	struct record *r;

	if (grow(b, sizeof *r + ALIGN_UP(bytes, RECORD_ALIGN)) < 0)
		return NULL;
	r = (struct record *)(void *)(b->data + b->used);
	*r = (struct record){.type = type, .bytes = (uint32_t)bytes, .log = log};
	if (numbers != NULL) {
		r->a = numbers[0];
		r->b = numbers[1];
		r->c = numbers[2];
		r->d = numbers[3];
	}
	b->used += sizeof *r;
	return r;
}

int batch_add(struct batch *b, enum record_type type, struct log_id log, const uint64_t numbers[4], const void *data,
              size_t bytes)
{
	size_t padded = ALIGN_UP(bytes, RECORD_ALIGN);

	if (record_begin(b, type, log, numbers, bytes) == NULL)
		return SHMQ_ENOMEM;
	if (bytes > 0)
		memcpy(b->data + b->used, data, bytes);
	memset(b->data + b->used + bytes, 0, padded - bytes);
	b->used += padded;
	return 0;
}

int batch_append(struct batch *b, const struct column *records)
{
	if (grow(b, records->used) < 0)
		return SHMQ_ENOMEM;
	if (records->used > 0)
		memcpy(b->data + b->used, records->data, records->used);
	b->used += records->used;
	return 0;
}

int batch_run_begin(struct batch *b, enum record_type type, struct log_id log, const struct frame *first)
{
	size_t at = b->used;

	if (record_begin(b, type, log, (const uint64_t[4]){first->position, 0, first->offset, 0}, 0) == NULL)
		return SHMQ_ENOMEM;
	b->run_at = at;
	b->runs++;
	return 0;
}

int batch_run_frame(struct batch *b, const struct frame *f)
{
	size_t padded = ALIGN_UP((size_t)f->length, RECORD_ALIGN);

	if (grow(b, padded) < 0)
		return SHMQ_ENOMEM;
	memcpy(b->data + b->used, f, f->length);
	memset(b->data + b->used + f->length, 0, padded - f->length);
	b->used += padded;
	return 0;
}

void batch_run_end(struct batch *b, uint64_t end_position, uint64_t end_offset)
{
	struct record *r = (struct record *)(void *)(b->data + b->run_at);

	r->bytes = (uint32_t)(b->used - b->run_at - sizeof *r);
	r->b = end_position;
	r->d = end_offset;
	if (r->bytes == 0) { /* nothing came of it */
		b->used = b->run_at;
		b->runs--;
	}
	b->run_at = 0;
}

size_t batch_seal(struct batch *b, uint64_t salt, uint64_t sequence, uint64_t durable_upto, uint64_t now_ns)
{
	struct commit_head *h = (struct commit_head *)(void *)b->data;
	size_t length = ALIGN_UP(b->used, JOURNAL_BLOCK);

	memset(b->data + b->used, 0, length - b->used);
	*h = (struct commit_head){.magic = COMMIT_MAGIC,
	                          .salt = salt,
	                          .sequence = sequence,
	                          .length = (uint32_t)length,
	                          .used = (uint32_t)(b->used - sizeof *h),
	                          .durable_upto = durable_upto,
	                          .time_ns = now_ns};
	h->payload_hash = bulk_hash(h + 1, h->used);
	h->head_hash = bulk_hash(h, offsetof(struct commit_head, head_hash));
	return length;
}
