/* SPDX-License-Identifier: MIT */
/*
 * seek_test.c - every kind of beginning and end, against a model that knows all messages; with all
 * frames intact, and with the header of one of them damaged: then whatever is intact and asked for
 * is there all the same, and the damaged one is told once.
 */
#include "layout.h"
#include "scratch.h"

#define FRAMES_MAX 256
#define PER_FRAME  2u /* messages */

static shmq *q;
static shmq_pub *pub;
static const char *topic_name;

/* What was published and is still there: frames first .. end - 1, one at each position. */
static unsigned first, end;
static uint64_t times[FRAMES_MAX];

static int damaged = -1; /* position; -1: none */

/* ---- the log ---- */

static void publish_frame(unsigned i)
{
	struct shmq_message m[PER_FRAME];
	char value[PER_FRAME][16];
	struct timespec a, b;

	for (unsigned k = 0; k < PER_FRAME; k++) {
		snprintf(value[k], sizeof value[k], "m%u", i * PER_FRAME + k);
		m[k] = (struct shmq_message){
		    .value = value[k], .value_len = strlen(value[k]), .partition = -1};
	}
	need(shmq_pub_batch(pub, m, PER_FRAME));
	clock_gettime(CLOCK_MONOTONIC, &a);
	do /* frames are stamped to about a microsecond: no two alike */
		clock_gettime(CLOCK_MONOTONIC, &b);
	while ((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < 5000);
}

/* So many frames, and what became of them; in more slots, or in fewer and without the oldest. */
static void make_log(const char *name, unsigned frames, unsigned slots)
{
	struct shmq_topic_options o = {
	    .slots = slots, .pool_bytes = 1 << 20, .full = SHMQ_FULL_DROP_OLD};
	struct shmq_batch b;
	shmq_sub *s;

	topic_name = name;
	need(shmq_topic_create(q, name, &o));
	pub = publisher(q, name, 0, 1000);
	for (unsigned i = 0; i < frames; i++)
		publish_frame(i);
	end = frames;
	first = end;
	s = subscriber(q, name, SHMQ_SUB_BROWSE);
	while (shmq_sub_next(s, &b) == 0) {
		if (b.offset / PER_FRAME < first)
			first = (unsigned)(b.offset / PER_FRAME);
		times[b.offset / PER_FRAME] = b.time_ns;
	}
	shmq_sub_close(s);
}

/* Flips one bit of the header of a frame; the same again mends it. */
static void damage(unsigned position)
{
	size_t bytes;
	char *log = map_topic_file(q, topic_name, "log.0.0", &bytes);
	const struct log_file *f = (const void *)log;
	size_t slots = log_slots_at(f->head.extents),
	       pool = log_pool_at(f->head.extents, f->head.slots);
	uint64_t word;

	memcpy(&word, log + slots + position % f->head.slots * 8, 8);
	log[pool + slot_word_unit(word) * FRAME_ALIGN + offsetof(struct frame, offset)] ^= 0x10;
	munmap(log, bytes);
}

/* ---- the model ---- */

/* The end as far as it can be read: nobody knows how many messages a damaged newest frame has. */
static uint64_t known_end(void)
{
	return PER_FRAME * (damaged == (int)end - 1 ? end - 1 : end);
}

/* The first offset that a seek asks for; the messages before it are not meant. */
static uint64_t model(struct shmq_seek seek)
{
	unsigned i = first;

	switch (seek.kind) {
	case SHMQ_SEEK_BEGINNING:
		return first * PER_FRAME;
	case SHMQ_SEEK_END:
		return end * PER_FRAME;
	case SHMQ_SEEK_OFFSET:
		return seek.value;
	case SHMQ_SEEK_LAST:
		return seek.value > known_end() ? 0 : known_end() - seek.value;
	case SHMQ_SEEK_TIME:
		while (i < end && times[i] < seek.value)
			i++;
		return i * PER_FRAME;
	}
	return 0;
}

/* ---- one subscriber ---- */

static const char *text_of(struct shmq_seek s)
{
	static const char *const names[] = {"beginning", "end", "offset", "last", "time"};
	static char text[4][64];
	static unsigned turn;
	char *t = text[turn++ % 4];
	unsigned i = first;

	if (s.kind == SHMQ_SEEK_TIME) { /* readable: of which frame */
		while (i < end && times[i] < s.value)
			i++;
		s.value = i;
	}
	snprintf(t, 64, "%s %llu", names[s.kind], (unsigned long long)s.value);
	return t;
}

/* Frame `damaged` may be told where nobody can know whether it was meant: at the edge of a range. */
static bool errors_right(unsigned errors, uint64_t from, uint64_t until)
{
	uint64_t at = (uint64_t)damaged * PER_FRAME, behind = at + PER_FRAME;

	if (damaged < 0)
		return errors == 0;
	if (from < behind && until > at && from < until) /* some of it was asked for */
		return errors == 1;
	if (damaged == (int)first && until < at) /* nobody knows where it began */
		return errors <= 1;
	return errors <= (from == behind || until == at || from >= until || from > known_end());
}

static unsigned complaints; /* since the last heading; a few say enough */

static bool complain(const char *what, uint64_t got, uint64_t want, struct shmq_seek from,
		     const struct shmq_seek *until)
{
	if (complaints++ >= 5)
		return false;
	printf("# from %s until %s: %s %llu, not %llu\n", text_of(from),
	       until ? text_of(*until) : "-", what, (unsigned long long)got,
	       (unsigned long long)want);
	return false;
}

/* Reads a range, and compares. until NULL: to the end that is there. */
static bool range(struct shmq_seek from, const struct shmq_seek *until)
{
	struct shmq_sub_options o = {.flags = SHMQ_SUB_BROWSE | SHMQ_SUB_EXIT_AT_END, .from = from};
	uint64_t next = model(from), stop = until ? model(*until) : end * PER_FRAME, begin = next;
	unsigned errors = 0, calls = 0;
	struct shmq_batch b;
	struct shmq_message m;
	shmq_sub *s;
	int r;

	if (until != NULL) {
		o.until_set = true;
		o.until = *until;
	}
	if (next < first * PER_FRAME)
		next = first * PER_FRAME;
	if (stop > end * PER_FRAME)
		stop = end * PER_FRAME;
	need(shmq_sub_open(q, topic_name, &o, &s));
	while ((r = shmq_sub_next(s, &b)) == 0 || (r == SHMQ_ECORRUPT && calls < 1000)) {
		calls++;
		errors += r == SHMQ_ECORRUPT;
		while (r == 0 && shmq_batch_next(&b, &m) == 1) {
			char want[16];

			if (next / PER_FRAME == (uint64_t)damaged)
				next = ((uint64_t)damaged + 1) * PER_FRAME;
			snprintf(want, sizeof want, "m%llu", (unsigned long long)next);
			if (m.offset != next || next >= stop || m.value_len != strlen(want) ||
			    memcmp(m.value, want, m.value_len) != 0) {
				shmq_sub_close(s);
				return complain("came", m.offset, next, from, until);
			}
			next++;
		}
	}
	shmq_sub_close(s);
	if (next / PER_FRAME == (uint64_t)damaged && next < stop)
		next = ((uint64_t)damaged + 1) * PER_FRAME < stop
			   ? ((uint64_t)damaged + 1) * PER_FRAME
			   : stop;
	if (r != SHMQ_END)
		return complain("result", (uint64_t)r, SHMQ_END, from, until);
	if (next < stop)
		return complain("ended before", next, stop, from, until);
	if (!errors_right(errors, begin, stop))
		return complain("damaged frames told:", errors, damaged >= 0, from, until);
	return true;
}

/* ---- all of them ---- */

/* The places worth a look: around the ends and around the frames that get damaged. */
static unsigned interesting(struct shmq_seek *list)
{
	unsigned middle = (first + end) / 2, n = 0;
	const unsigned near[] = {first, middle, end};

	list[n++] = (struct shmq_seek){SHMQ_SEEK_BEGINNING, 0};
	list[n++] = (struct shmq_seek){SHMQ_SEEK_END, 0};
	list[n++] = (struct shmq_seek){SHMQ_SEEK_OFFSET, 0};
	list[n++] = (struct shmq_seek){SHMQ_SEEK_LAST, 0};
	list[n++] = (struct shmq_seek){SHMQ_SEEK_LAST, 1000000};
	list[n++] = (struct shmq_seek){SHMQ_SEEK_TIME, 0};
	list[n++] = (struct shmq_seek){SHMQ_SEEK_TIME, UINT64_MAX};
	for (unsigned i = 0; i < 3; i++) {
		for (int step = -3; step <= 3; step++) {
			uint64_t o = near[i] * PER_FRAME + (uint64_t)step;

			if (near[i] == 0 && step < 0)
				continue;
			list[n++] = (struct shmq_seek){SHMQ_SEEK_OFFSET, o};
			if (o <= end * PER_FRAME)
				list[n++] = (struct shmq_seek){SHMQ_SEEK_LAST, end * PER_FRAME - o};
		}
		for (int step = -2; step <= 2; step++) {
			unsigned p = near[i] + (unsigned)step;

			if (p < first || p >= end)
				continue;
			list[n++] = (struct shmq_seek){SHMQ_SEEK_TIME, times[p]};
			list[n++] = (struct shmq_seek){SHMQ_SEEK_TIME, times[p] + 1};
		}
	}
	return n;
}

static void ranges(const char *what)
{
	static const char *const names[] = {"the beginning", "the end", "an offset", "the last",
					    "a time"};
	struct shmq_seek list[256];
	unsigned n = interesting(list), wrong[5][6] = {{0}};

	complaints = 0;
	for (unsigned a = 0; a < n; a++) {
		wrong[list[a].kind][5] += !range(list[a], NULL);
		for (unsigned b = 0; b < n; b++)
			wrong[list[a].kind][list[b].kind] += !range(list[a], &list[b]);
	}
	for (unsigned a = 0; a < 5; a++) {
		is_u64(wrong[a][5], 0, "%s, %s: from %s", topic_name, what, names[a]);
		for (unsigned b = 0; b < 5; b++)
			is_u64(wrong[a][b], 0, "%s, %s: from %s until %s", topic_name, what,
			       names[a], names[b]);
	}
}

static void with_damage(const char *what, unsigned position)
{
	damage(position);
	damaged = (int)position;
	ranges(what);
	damaged = -1;
	damage(position);
}

static void one_log(const char *name, unsigned frames, unsigned slots)
{
	unsigned wrong = 0;

	make_log(name, frames, slots);
	ok(first < end && (first == 0) == (slots == 0), "%s: frames %u to %u", name, first, end);
	for (uint64_t v = 0; v <= end * PER_FRAME + 5; v++) {
		wrong += !range((struct shmq_seek){SHMQ_SEEK_OFFSET, v}, NULL);
		wrong += !range((struct shmq_seek){SHMQ_SEEK_LAST, v}, NULL);
	}
	for (unsigned i = first; i < end; i++)
		wrong += !range((struct shmq_seek){SHMQ_SEEK_TIME, times[i]}, NULL);
	is_u64(wrong, 0, "%s: from everywhere", name);
	ranges("intact");
	with_damage("newest damaged", end - 1);
	with_damage("oldest damaged", first);
	with_damage("middle damaged", (first + end) / 2);
	shmq_pub_close(pub);
}

int main(void)
{
	scratch_begin(60);
	q = broker();
	one_log("log", 100, 0);
	one_log("round", 200, 64);
	shmq_close(q);
	return done();
}
