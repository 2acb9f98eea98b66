/* SPDX-License-Identifier: MIT */
/*
 * lines.c - delimited input, read(2) straight into the log's memory.
 *
 *   extent   | header | complete records ... | incomplete record |  room  |
 *            `- linked as one frame ---------' `- carried over --'
 *
 * The carry moves by memmove behind the next header, or to private memory when the extent is full or
 * given back, and there it also grows when a record is longer than an extent.
 */
#include "publish.h"

#include "bulk.h"

#include <string.h>

#define ROOM_MIN (64u << 10) /* less than this left in an extent: take another one */

static unsigned char *lines_base(struct shmq_pub *p)
{
	struct lines *in = &p->lines;

	if (in->lane == NULL)
		return in->private_.data;
	return in->lane->log.pool + hold_at(&in->lane->hold) + sizeof(struct frame);
}

static size_t lines_room_total(const struct shmq_pub *p)
{
	const struct lines *in = &p->lines;

	if (in->lane == NULL) {
		size_t max = shmq_pub_message_max(p);

		if (in->stored == max) /* the largest record: its delimiter may follow */
			max++;
		return in->private_.capacity < max ? in->private_.capacity : max;
	}
	return (size_t)hold_room(&in->lane->hold) - sizeof(struct frame);
}

static int lines_no_memory(struct shmq_pub *p)
{
	return fail(&p->q->error, SHMQ_ENOMEM, "no private memory for a record of %zu bytes",
	            p->lines.stored);
}

int lines_to_private(struct shmq_pub *p)
{
	struct lines *in = &p->lines;

	in->room = 0; /* what was handed out is no place for anything any more */
	if (in->lane == NULL)
		return 0;
	in->private_.used = 0;
	if (column_room(&in->private_, in->stored) < 0)
		return lines_no_memory(p);
	if (in->stored > 0)
		memcpy(in->private_.data, lines_base(p), in->stored);
	in->lane = NULL;
	return 0;
}

/* ---- room --------------------------------------------------------------------------- */

/* A carry that fills half an extent grows in private memory. */
static int room_in_private(struct shmq_pub *p)
{
	struct lines *in = &p->lines;
	int r = lines_to_private(p);

	if (r < 0)
		return r;
	in->private_.used = in->stored;
	if (column_room(&in->private_, in->stored + ROOM_MIN) < 0)
		return lines_no_memory(p);
	if (in->stored < lines_room_total(p))
		return 0;
	in->stored = 0;
	in->skip = true;
	return fail(&p->q->error, SHMQ_EDATA,
	            "a record is larger than a quarter of topic %s's memory (%zu bytes); make the topic with "
	            "more memory",
	            p->topic.name, (size_t)p->topic.options.pool_bytes / 4);
}

static int room_in_extent(struct shmq_pub *p)
{
	struct lines *in = &p->lines;
	size_t need = sizeof(struct frame) + in->stored + ROOM_MIN;
	struct pub_lane *l = in->lane;
	int r;

	if (l != NULL && hold_room(&l->hold) >= need &&
	    (in->partition < 0 || l->log.partition == (unsigned)in->partition))
		return 0;
	r = lines_to_private(p);
	if (r == 0)
		r = lane_open(p, in->partition >= 0 ? (unsigned)in->partition : pub_turn(p), &l);
	if (r == 0)
		r = lane_flush(p, l);
	if (r == 0)
		r = lane_room(p, l, need);
	if (r != 0)
		return r;
	if (in->stored > 0)
		memcpy(l->log.pool + hold_at(&l->hold) + sizeof(struct frame), in->private_.data,
		       in->stored);
	in->lane = l;
	return 0;
}

int shmq_pub_lines_room(shmq_pub *p, int partition, unsigned char delim, void **buffer, size_t *room)
{
	struct lines *in = &p->lines;
	uint64_t records;
	int r = p->q->forked ? broker_check(p->q, true) : 0;

	if (r == 0 && partition >= (int)p->topic.options.partitions)
		r = fail(&p->q->error, SHMQ_EINVAL, "topic %s has %u partitions, there is no %d",
		         p->topic.name, p->topic.options.partitions, partition);
	if (r == 0)
		r = lines_flush(p, &records);
	if (r == 0 && in->stored > 0 && (partition != in->partition || delim != in->delim))
		r = fail(&p->q->error, SHMQ_EINVAL,
		         "partition or delimiter of delimited input changed in the middle of a record");
	if (r != 0)
		return r;
	in->delim = delim;
	in->partition = partition;
	r = in->stored >= EXTENT_BYTES / 2 ? room_in_private(p) : room_in_extent(p);
	if (r != 0)
		return r;
	*buffer = lines_base(p) + in->stored;
	*room = in->room = lines_room_total(p) - in->stored;
	return 0;
}

/* ---- linking ------------------------------------------------------------------------ */

/* Behind a linked frame: the carry follows into its next place. */
static int carry_on(struct shmq_pub *p, const unsigned char *carry, size_t bytes)
{
	struct lines *in = &p->lines;
	struct pub_lane *l = in->lane;
	bool stays = l != NULL && l->hold.count == 1 && /* a run is given back at once */
	             (in->partition >= 0 || p->topic.options.partitions == 1) &&
	             hold_room(&l->hold) >= sizeof(struct frame) + bytes;

	if (stays) {
		in->stored = bytes;
		memmove(lines_base(p), carry, bytes);
		return 0;
	}
	in->lane = NULL;
	in->stored = in->private_.used = 0;
	if (column_room(&in->private_, bytes) < 0)
		return lines_no_memory(p);
	in->stored = bytes;
	if (bytes > 0)
		memmove(in->private_.data, carry, bytes);
	return 0;
}

/* Pending records in private memory need an extent, or a run of them, for their frame. */
static int stage_private(struct shmq_pub *p, struct pub_lane **out)
{
	struct lines *in = &p->lines;
	int r = lane_open(p, in->partition >= 0 ? (unsigned)in->partition : pub_turn(p), out);

	if (r == 0)
		r = lane_flush(p, *out);
	if (r == 0)
		r = lane_room(p, *out, sizeof(struct frame) + in->pending);
	if (r == 0)
		memcpy((*out)->log.pool + hold_at(&(*out)->hold) + sizeof(struct frame),
		       in->private_.data, in->pending);
	return r;
}

/* Dropped and counted; the carry stays, at the start of its room. */
static void pending_drop(struct shmq_pub *p, uint32_t count)
{
	struct lines *in = &p->lines;
	unsigned char *base = lines_base(p);

	memmove(base, base + in->pending, in->stored - in->pending);
	in->stored -= in->pending;
	in->pending = 0;
	p->dropped += count;
	counter_add(&p->q->counters->messages_dropped, count);
}

/* Links the pending records as one frame. 0, or why not: then nothing has changed. */
static int pending_link(struct shmq_pub *p, struct pub_lane *l, uint32_t count)
{
	struct lines *in = &p->lines;
	unsigned char *place = l->log.pool + hold_at(&l->hold);
	const unsigned char *carry = lines_base(p) + in->pending;
	size_t bytes = in->stored - in->pending;
	int r;

	if (in->lane != NULL) /* it may have to move there: once linked, there is no way back */
		in->private_.used = 0;
	if (in->lane != NULL && column_room(&in->private_, bytes) < 0)
		return lines_no_memory(p);
	r = lane_link(p, l, frame_seal_delimited(place, in->pending, count, in->delim));
	if (r != 0)
		return r;
	in->pending = 0;
	return carry_on(p, carry, bytes);
}

/* A record that was accepted as a message of its own is linked, at the latest, here. */
static int accepted_flush(struct shmq_pub *p, uint64_t *records)
{
	struct lines *in = &p->lines;
	int r = in->accepted > 0 ? lanes_flush(p) : 0;

	if (r == 0)
		*records += in->accepted;
	if (r == 0 || r == SHMQ_FULL) /* else it is still to be done */
		in->accepted = 0;
	return r;
}

/* A record without a delimiter: the last one of the input, or the largest, for whose delimiter there
 * is no room in a message. */
static int record_alone(struct shmq_pub *p, size_t bytes, uint64_t *records)
{
	struct lines *in = &p->lines;
	struct shmq_message m = {.value = in->private_.data,
	                         .value_len = bytes,
	                         .partition = in->partition};
	int r = shmq_pub_send(p, &m);

	if (r == SHMQ_FULL) { /* dropped and counted, as those before it */
		p->dropped++;
		counter_add(&p->q->counters->messages_dropped, 1);
	}
	if (r == 0 || r == SHMQ_FULL)
		in->stored = 0;
	if (r != 0)
		return r;
	in->accepted++;
	return accepted_flush(p, records);
}

/* Nothing is read behind it: the room ended with its delimiter. */
static int largest_flush(struct shmq_pub *p, uint64_t *records)
{
	struct lines *in = &p->lines;
	size_t pending = in->pending;
	int r;

	in->pending = 0; /* shmq_pub_send() would link it first, and come here again */
	r = record_alone(p, pending - 1, records);
	if (in->stored > 0) /* it was not taken */
		in->pending = pending;
	return r;
}

int lines_flush(struct shmq_pub *p, uint64_t *records)
{
	struct lines *in = &p->lines;
	struct pub_lane *l = in->lane;
	uint32_t count;
	int r = 0;

	*records = 0;
	r = accepted_flush(p, records);
	if (r != 0 || in->pending == 0)
		return r;
	if (in->pending > shmq_pub_message_max(p))
		return largest_flush(p, records);
	count = (uint32_t)bulk_count(lines_base(p), in->pending, in->delim);
	if (l == NULL)
		r = stage_private(p, &l);
	if (r == 0)
		r = pending_link(p, l, count);
	if (r == 0)
		*records += count;
	else if (r == SHMQ_FULL)
		pending_drop(p, count);
	/* A run of extents is not kept while we wait, nor a copy of what was dropped. */
	if (l != NULL && in->lane != l && (l->hold.count > 1 || r == SHMQ_FULL) && log_attached(&l->log))
		lane_leave(p, l);
	return r;
}

/* The rest of a record that was refused goes, up to its delimiter. Returns what is left of `bytes`. */
static size_t skip_refused(struct lines *in, unsigned char *at, size_t bytes)
{
	const unsigned char *end = in->skip ? memchr(at, in->delim, bytes) : NULL;
	size_t gone = end != NULL ? (size_t)(end - at) + 1 : bytes;

	if (!in->skip)
		return bytes;
	in->skip = end == NULL;
	memmove(at, at + gone, bytes - gone);
	return bytes - gone;
}

int shmq_pub_lines_add(shmq_pub *p, size_t bytes, uint64_t *records)
{
	struct lines *in = &p->lines;
	uint64_t none;
	int r = p->q->forked ? broker_check(p->q, true) : 0;

	if (records == NULL)
		records = &none;
	*records = 0;
	if (r < 0)
		return r;
	if (bytes > in->room)
		return fail(&p->q->error, SHMQ_EINVAL,
		            "%zu bytes of delimited input: there is room for %zu since the last "
		            "shmq_pub_lines_room()",
		            bytes, in->room);
	if (bytes > 0) {
		unsigned char *base = lines_base(p);
		const unsigned char *last;

		in->room = 0;
		bytes = skip_refused(in, base + in->stored, bytes);
		last = memrchr(base + in->stored, in->delim, bytes);
		in->stored += bytes;
		if (last != NULL)
			in->pending = (size_t)(last - base) + 1;
	}
	return lines_flush(p, records);
}

int shmq_pub_lines_end(shmq_pub *p, uint64_t *records)
{
	struct lines *in = &p->lines;
	uint64_t none;
	int r = p->q->forked ? broker_check(p->q, true) : 0;

	if (records == NULL)
		records = &none;
	*records = 0;
	if (r == 0)
		r = lines_flush(p, records);
	if (r == 0)
		r = lines_to_private(p);
	if (r == 0 && in->stored > 0)
		r = record_alone(p, in->stored, records);
	if (r == 0)
		r = lanes_flush(p);
	if (r == 0 || r == SHMQ_FULL) /* else it is called again */
		in->skip = false;
	return r;
}
