/* SPDX-License-Identifier: MIT */
/* attach.c - opening a subscriber: a reader word, gates, and a place in every partition. */
#include "consume.h"
#include "past.h"
#include "filter.h"

#include <stdlib.h>
#include <string.h>

int track_open(struct shmq_sub *s, struct track *t)
{
	int r;

	if (log_attached(&t->log))
		return 0;
	if (!topic_log_made(&s->topic, t->partition))
		return SHMQ_EMPTY;
	r = topic_log_open(&s->topic, t->partition, false, &t->log);
	if (r != SHMQ_ENOENT)
		return r;
	r = topic_check_linked(&s->topic);
	return r != 0 ? r : fail(&s->q->error, SHMQ_ECORRUPT, "topic %s partition %u: its log is missing",
	                         s->topic.name, t->partition);
}

/* Nothing at or above a head vanishes while our word is CREATING: places are found, then the gates
 * hold them. False: a blocked publisher sent us back. */
static int tracks_place(struct shmq_sub *s, bool *kicked)
{
	for (unsigned i = 0; i < s->track_count; i++) {
		struct track *t = &s->tracks[i];
		int r = track_open(s, t);

		*kicked = false;
		if (r == 0) {
			r = track_seek(s, t, log_first(&t->log, ring_end(&t->log)));
		} else if (r == SHMQ_EMPTY) {
			track_seek_absent(s, t);
			r = 0;
		}
		if (r != 0)
			return r;
		t->gate = t->ended ? GATE_NONE : t->position;
		if (s->reader.index != 0 &&
		    !reader_gate_set(&s->topic.readers, &s->reader, t->partition, t->gate)) {
			*kicked = true;
			return 0;
		}
	}
	return 0;
}

/* Partitions that are not read must not be held. */
static bool gates_let_go(struct shmq_sub *s)
{
	for (unsigned p = 0; p < s->topic.options.partitions; p++)
		if (!reader_gate_set(&s->topic.readers, &s->reader, p, GATE_NONE))
			return false;
	return true;
}

int sub_attach(struct shmq_sub *s)
{
	const struct readers *rs = &s->topic.readers;
	bool kicked;
	int r;

	if (s->flags & SHMQ_SUB_BROWSE)
		return tracks_place(s, &kicked);
	for (;;) {
		r = reader_claim(&s->q->error, rs, s->q->session.id, &s->reader);
		if (r < 0)
			return r;
		kicked = s->track_count < s->topic.options.partitions && !gates_let_go(s);
		if (!kicked)
			r = tracks_place(s, &kicked);
		if (r != 0) {
			reader_release(rs, &s->reader);
			return r;
		}
		if (!kicked && reader_go_live(rs, &s->reader, s->flags & SHMQ_SUB_HOLD ? READER_HOLD : READER_LIVE))
			return 0;
	}
}

static int tracks_make(struct shmq_sub *s, const struct shmq_sub_options *o)
{
	unsigned partitions = s->topic.options.partitions;

	s->track_count = o->partitions != NULL ? (unsigned)o->partition_count : partitions;
	s->tracks = calloc(s->track_count + 1, sizeof *s->tracks);
	if (s->tracks == NULL)
		return fail(&s->q->error, SHMQ_ENOMEM, "no private memory");
	for (unsigned i = 0; i < s->track_count; i++)
		s->tracks[i].log = LOG_NONE;
	for (unsigned i = 0; i < s->track_count; i++) {
		s->tracks[i].partition = o->partitions != NULL ? o->partitions[i] : i;
		if (s->tracks[i].partition >= partitions)
			return fail(&s->q->error, SHMQ_EINVAL, "topic %s has %u partitions, there is no %u",
			            s->topic.name, partitions, s->tracks[i].partition);
		for (unsigned j = 0; j < i; j++)
			if (s->tracks[j].partition == s->tracks[i].partition)
				return fail(&s->q->error, SHMQ_EINVAL, "partition %u is named twice",
				            s->tracks[i].partition);
	}
	return 0;
}

static int filter_set(struct shmq_sub *s, const char *filter)
{
	if (filter == NULL)
		return 0;
	if (filter_check(filter) < 0)
		return fail(&s->q->error, SHMQ_EINVAL,
		            "key filter %.200s: * and # stand for whole words between dots", filter);
	s->filter = strdup(filter);
	return s->filter != NULL ? 0 : fail(&s->q->error, SHMQ_ENOMEM, "no private memory");
}

int shmq_sub_open(shmq *q, const char *topic, const struct shmq_sub_options *o, shmq_sub **out)
{
	static const struct shmq_sub_options defaults;
	struct shmq_sub *s;
	int r = broker_check(q, true);

	*out = NULL;
	if (r < 0)
		return r;
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return fail(&q->error, SHMQ_ENOMEM, "no private memory");
	if (o == NULL)
		o = &defaults;
	s->q = q;
	s->flags = o->flags;
	s->from = o->from;
	s->until = o->until;
	s->until_set = o->until_set;
	s->topic = TOPIC_NONE;
	r = topic_open(q, topic, false, true, NULL, &s->topic);
	if (r == 0)
		r = tracks_make(s, o);
	if (r == 0)
		r = filter_set(s, o->filter);
	if (r == 0)
		r = sub_attach(s);
	if (r != 0)
		shmq_sub_close(s);
	else
		*out = s;
	return r;
}

void shmq_sub_close(shmq_sub *s)
{
	if (s == NULL)
		return;
	if (s->q->forked)
		s->topic.bell_map.at = NULL;
	else if (s->reader.index != 0) {
		reader_release(&s->topic.readers, &s->reader);
		bell_ring(&s->topic.bell->room);
	}
	for (unsigned i = 0; s->tracks != NULL && i < s->track_count; i++) {
		if (s->q->forked)
			s->tracks[i].log.map.at = NULL;
		log_close(&s->tracks[i].log);
	}
	topic_close(&s->topic);
	column_free(&s->headers);
	free(s->copy.data);
	free(s->tracks);
	free(s->filter);
	free(s);
}
