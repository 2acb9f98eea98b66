/* SPDX-License-Identifier: MIT */
/* judge.c - what is there in the end, against what was written down. */
#include "disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t left_in(enum job job)
{
	static struct shmq_group_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_group_info info = {.logs = logs};
	uint64_t left = 0;
	int r = shmq_group_info(q, topic_names[group_topics[job]], group_names[job], &info);

	if (r != 0) {
		violation("shmq_group_info of %s: %d, %s", group_names[job], r, shmq_error(q));
		return 0;
	}
	for (unsigned p = 0; p < PARTITIONS; p++)
		left += logs[p].lag;
	return left + info.retry;
}

uint64_t left_everywhere(void)
{
	return left_in(TO_OUT) + left_in(AT_OUT) + left_in(SHARED) + left_in(ORDERED);
}

void left_say(void)
{
	printf("# left: to-out %llu at-out %llu shared %llu ordered %llu\n", (unsigned long long)left_in(TO_OUT),
	       (unsigned long long)left_in(AT_OUT), (unsigned long long)left_in(SHARED),
	       (unsigned long long)left_in(ORDERED));
}

/* Where `ordered` went on at a later offset, nobody stands between: but one that was acked, in a life that is over, by who
 * could not note it any more. */
static void jumps_check(const struct shmq_message *m)
{
	bool cut = side_of(ORDERED, (uint32_t)strtoul((const char *)m->value, NULL, 10) % ALL_IDS)->cut;
	uint32_t count = board->jump_count < JUMPS ? board->jump_count : JUMPS;

	for (uint32_t i = 0; i < count; i++) {
		const struct jump *j = &board->jumps[i];

		if (!cut && (uint32_t)m->partition == j->partition && m->offset >= j->from && m->offset < j->to)
			violation("ordered: %llu.%d came before %llu", (unsigned long long)j->to, m->partition,
			          (unsigned long long)m->offset);
	}
}

static void read_all(struct pass *p, enum topic topic)
{
	struct shmq_sub_options o = {.flags = SHMQ_SUB_EXIT_AT_END | SHMQ_SUB_BROWSE};
	struct shmq_message m;
	struct shmq_batch b;
	shmq_sub *s;
	int r;

	pass_begin(p, topic);
	r = shmq_sub_open(q, topic_names[topic], &o, &s);
	while (r == 0 && (r = shmq_sub_next(s, &b)) == 0)
		while (shmq_batch_next(&b, &m) == 1) {
			pass_message(p, &m);
			if (topic == WORK)
				jumps_check(&m);
		}
	if (r != SHMQ_END)
		violation("reading %s at the end: %d, %s", topic_names[topic], r, shmq_error(q));
	shmq_sub_close(s);
	pass_end(p);
}

static void judge_piped(const struct pass *in, const struct pass *out)
{
	unsigned told = 0;

	for (uint32_t id = 0; id < 2 * IDS && told < 3; id++) {
		const struct note *n = &board->notes[id];

		if (in->seen[id] && !out->seen[id])
			violation("message %u is lost between in and out%s", id, n->side[0].ever ? ", settled" : ""), told++;
		if (!in->seen[id] && out->seen[id])
			violation("message %u is in out, and what it was made from is not in in", id), told++;
		if (out->seen[id] && !n->side[1].ever)
			violation("message %u was never acked at out", id), told++;
	}
}

static void judge_worked(const struct pass *work)
{
	unsigned told = 0;

	for (uint32_t id = 2 * IDS; id < 4 * IDS && told < 3; id++) {
		const struct note *n = &board->notes[id];

		if (work->seen[id] && !n->side[0].ever)
			violation("message %u was never done by shared, delivered %u times", id, n->side[0].delivered), told++;
		if (work->seen[id] && !n->side[1].ever)
			violation("message %u was never done by ordered", id), told++;
	}
}

/* Dead letters: those that were said to be, each once. */
static void judge_letters(const struct pass *work)
{
	static uint8_t letters[ALL_IDS];
	struct shmq_dead_letter l;
	unsigned told = 0, count = 0;
	shmq_dlq *d;
	int r = shmq_dlq_open(q, topic_names[WORK], group_names[SHARED], &d);

	for (uint32_t id = 0; id < ALL_IDS; id++)
		letters[id] = 0;
	while (r == 0 && (r = shmq_dlq_next(d, &l)) == 0) {
		uint32_t id = (uint32_t)strtoul((const char *)l.message.value, NULL, 10) % ALL_IDS;

		count++;
		if (letters[id]++ > 0)
			violation("dead letter %u is there twice", id);
		if (!board->notes[id].dead_ever)
			violation("message %u is a dead letter that nobody made", id);
		if (!work->seen[id])
			violation("message %u is a dead letter, and not in work", id);
	}
	if (r != SHMQ_END)
		violation("dead letters: %d, %s", r, shmq_error(q));
	shmq_dlq_close(d);
	for (uint32_t id = 0; id < ALL_IDS && told < 3; id++)
		if (board->notes[id].dead != 0 && !letters[id])
			violation("dead letter %u is lost: of life %u of %u%s, %u are there", id, board->notes[id].dead,
			          board->life + 1u, board->notes[id].side[0].durable ? ", durable" : "", count),
			        told++;
}

void judge(void)
{
	static struct pass in, out, work, log;

	read_all(&in, IN);
	read_all(&out, OUT);
	read_all(&work, WORK);
	read_all(&log, LOG);
	judge_piped(&in, &out);
	judge_worked(&work);
	judge_letters(&work);
	if (left_everywhere() != 0) {
		violation("what was done, durable, is to be done again");
		left_say();
	}
	printf("# there: in %llu out %llu work %llu log %llu\n", (unsigned long long)in.messages,
	       (unsigned long long)out.messages, (unsigned long long)work.messages, (unsigned long long)log.messages);
}
