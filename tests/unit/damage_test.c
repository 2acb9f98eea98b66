/* SPDX-License-Identifier: MIT */
/*
 * damage_test.c - damaged memory is an error or the right message: never a wrong one, never a
 * signal, never for ever; and looking at it touches no page that is not there.
 */
#include "bulk.h"
#include "layout.h"
#include "scratch.h"
#include "small_fs.h"

#define CALLS_MAX 1000 /* of shmq_sub_next() on a handful of frames: more is for ever */
#define SLOTS     64u
#define FRAMES    12u

static shmq *q;

static void topic(const char *name, unsigned partitions)
{
	struct shmq_topic_options o = {.partitions = partitions,
				       .slots = SLOTS,
				       .pool_bytes = 1 << 20,
				       .full = SHMQ_FULL_REJECT};

	need(shmq_topic_create(q, name, &o));
}

/* ---- a log with frames of each kind, and what is in it ---- */

/* What stands in frame f, row r: everything follows from the offset. */
static const unsigned rows_of[4] = {1, 3, 2, 2}; /* plain, plain, keys and headers, delimited */
#define ROWS_OF_FOUR 8u

static unsigned kind_of(uint64_t offset)
{
	static const unsigned kinds[ROWS_OF_FOUR] = {0, 1, 1, 1, 2, 2, 3, 3};

	return kinds[offset % ROWS_OF_FOUR];
}

static void expected(uint64_t offset, char text[32], struct shmq_header *h, struct shmq_message *m)
{
	snprintf(text, 32, "message %llu", (unsigned long long)offset);
	*h = (struct shmq_header){
	    .name = text, .name_len = 7, .value = text + 8, .value_len = strlen(text) - 8};
	*m = (struct shmq_message){.value = text, .value_len = strlen(text), .partition = 0};
	if (kind_of(offset) == 2) {
		m->key = text + 4;
		m->key_len = 5;
		m->headers = h;
		m->header_count = 1;
	}
}

static void publish_frame(shmq_pub *p, unsigned kind, uint64_t offset)
{
	struct shmq_header h[3];
	struct shmq_message m[3];
	char text[3][32];
	size_t room;
	char *to;

	for (unsigned r = 0; r < rows_of[kind]; r++)
		expected(offset + r, text[r], &h[r], &m[r]);
	if (kind != 3) {
		need(shmq_pub_batch(p, m, rows_of[kind]));
		return;
	}
	need(shmq_pub_lines_room(p, 0, '\n', (void **)&to, &room));
	need(shmq_pub_lines_add(p, (size_t)sprintf(to, "%s\n%s\n", text[0], text[1]), NULL));
}

static void publish_frames(const char *name)
{
	shmq_pub *p = publisher(q, name, 0, 0);

	for (unsigned f = 0, offset = 0; f < FRAMES; offset += rows_of[f++ % 4])
		publish_frame(p, f % 4, offset);
	shmq_pub_close(p);
}

static bool same(const void *a, size_t a_len, const void *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static bool is_right(const struct shmq_message *m)
{
	struct shmq_message want;
	struct shmq_header h;
	char text[32];

	expected(m->offset, text, &h, &want);
	if (same(m->value, m->value_len, "new", 3)) /* of a publisher that came later */
		return true;
	if (m->offset >= FRAMES / 4 * ROWS_OF_FOUR ||
	    !same(m->value, m->value_len, text, strlen(text)) ||
	    (m->key == NULL) != (want.key == NULL) ||
	    !same(m->key, m->key_len, want.key, want.key_len) ||
	    m->header_count != want.header_count)
		return false;
	return m->header_count == 0 ||
	       (same(m->headers->name, m->headers->name_len, h.name, h.name_len) &&
		same(m->headers->value, m->headers->value_len, h.value, h.value_len));
}

/* ---- reading it ---- */

struct outcome {
	unsigned calls, frames, errors, wrong;
	int result; /* that it ended with */
};

/* Reads until there is nothing more; a subscriber that is told that there may be, looks again. */
static struct outcome read_on(shmq_sub *s)
{
	struct outcome o = {0};
	struct shmq_batch b;
	struct shmq_message m;
	uint64_t next = 0;

	while (o.calls++ < CALLS_MAX) {
		int r = o.result = shmq_sub_next(s, &b);

		if (r == SHMQ_END)
			break;
		if (r == SHMQ_EMPTY && shmq_sub_wait(&s, 1, 10000000) == SHMQ_TIMEOUT)
			break;
		o.frames += r == 0;
		o.errors += r < 0;
		while (r == 0 && (r = shmq_batch_next(&b, &m)) == 1) {
			o.wrong += !is_right(&m) || m.offset < next;
			next = m.offset + 1;
			r = 0;
		}
		o.errors += b.private_ != NULL && r < 0 && o.result == 0;
	}
	return o;
}

static struct outcome browse(shmq *mine, const char *name)
{
	shmq_sub *s = subscriber(mine, name, SHMQ_SUB_BROWSE | SHMQ_SUB_EXIT_AT_END);
	struct outcome o = read_on(s);

	shmq_sub_close(s);
	return o;
}

/* ---- one flipped bit ---- */

struct place {
	unsigned char *slots, *pool; /* of the log */
	unsigned char *log;
	size_t bytes, kept;
};

static struct place place_of(shmq *mine, const char *name)
{
	struct place at;
	const struct log_file *f;

	at.log = map_topic_file(mine, name, "log.0.0", &at.bytes);
	f = (const void *)at.log;
	at.slots = at.log + log_slots_at(f->head.extents);
	at.pool = at.log + log_pool_at(f->head.extents, f->head.slots);
	at.kept = (size_t)(at.pool - at.log) + 65536; /* what the frames need of it */
	return at;
}

static unsigned char *frame_of(const struct place *at, unsigned position)
{
	uint64_t word;

	memcpy(&word, at->slots + position * 8, 8);
	return at->pool + slot_word_unit(word) * FRAME_ALIGN;
}

/* What is missing was told; but for the newest frame: a damaged slot can make it look unlinked. */
static bool acceptable(const struct outcome *o, bool exactly_one, unsigned frame, unsigned bit)
{
	bool good = o->wrong == 0 && o->calls < CALLS_MAX && o->result == SHMQ_END &&
		    (!exactly_one || (o->errors == 1 && o->frames == FRAMES - 1)) &&
		    (o->errors > 0 || o->frames >= FRAMES || frame == FRAMES - 1);

	if (!good)
		printf("# frame %u, bit %u: %u frames, %u errors, %u wrong messages, result %d\n",
		       frame, bit, o->frames, o->errors, o->wrong, o->result);
	fflush(stdout);
	return good;
}

struct flips {
	const char *name;
	bool slot, payload, publish;
};

/* Flips each bit of the header, the payload or the slot of each frame; exit status: 0 is good. */
static void flip_all(void *argument)
{
	const struct flips *what = argument;
	shmq *mine = broker();
	struct place at = place_of(mine, what->name);
	unsigned char *copy = malloc(at.kept);
	unsigned wrong = 0;

	need(copy == NULL);
	memcpy(copy, at.log, at.kept);
	for (unsigned f = what->publish ? FRAMES - 1 : 0; f < FRAMES; f++) {
		struct frame header;
		unsigned bytes;

		memcpy(&header, frame_of(&at, f), sizeof header);
		bytes = what->slot ? 8 : what->payload ? header.length - 64 : 64;
		for (unsigned i = 0; i < bytes * 8; i++) {
			unsigned char *from = what->slot ? at.slots + f * 8 : frame_of(&at, f);
			struct outcome o;
			shmq_pub *p;

			from[i / 8 + (what->payload ? 64 : 0)] ^= (unsigned char)(1 << i % 8);
			if (what->publish) {
				p = publisher(mine, what->name, 0, 0);
				publish(p, "new");
				shmq_pub_close(p);
			}
			o = browse(mine, what->name);
			wrong += !acceptable(&o, !what->slot && !what->publish, f, i);
			memcpy(at.log, copy, at.kept);
		}
	}
	_exit(wrong > 0);
}

static void flips(void)
{
	static struct flips all[] = {{"header", false, false, false},
				     {"payload", false, true, false},
				     {"slot", true, false, false},
				     {"header, published behind", false, false, true},
				     {"slot, published behind", true, false, true}};
	struct stat before, after;
	struct outcome o;

	topic("flips", 1);
	publish_frames("flips");
	o = browse(q, "flips");
	ok(o.frames == FRAMES && o.errors == 0 && o.wrong == 0, "undamaged: %u frames", o.frames);
	need(stat(topic_path(q, "flips", "log.0.0"), &before));
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct flips one = all[i];

		one.name = "flips";
		is_i64(finish(start(flip_all, &one)), 0, "each bit flipped: %s", all[i].name);
		if (one.publish)
			continue;
		need(stat(topic_path(q, "flips", "log.0.0"), &after));
		is_i64(after.st_blocks, before.st_blocks, "no hole of the file was touched: %s",
		       all[i].name);
		before = after;
	}
	need(shmq_topic_delete(q, "flips"));
}

/* ---- slots full of ones ---- */

static void slots_of_ones(void)
{
	struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = logs};
	struct outcome o;
	struct place at;
	shmq_pub *p;
	shmq_sub *s;
	int r;

	topic("ones", 1);
	publish_frames("ones");
	s = subscriber(q, "ones", 0);
	at = place_of(q, "ones");
	memset(at.slots, 0xff, SLOTS * 8);
	o = read_on(s);
	ok(o.errors > 0 && o.wrong == 0 && o.calls < CALLS_MAX,
	   "slots of ones end: attached before, %u errors, then %d", o.errors, o.result);
	shmq_sub_close(s);
	s = subscriber(q, "ones", 0);
	o = read_on(s);
	ok(o.wrong == 0 && o.calls < CALLS_MAX,
	   "slots of ones end: attached later, %u errors, then %d", o.errors, o.result);
	shmq_sub_close(s);
	o = browse(q, "ones");
	ok(o.wrong == 0 && o.calls < CALLS_MAX, "slots of ones end: browsing, %u errors, then %d",
	   o.errors, o.result);
	p = publisher(q, "ones", 0, 100);
	r = publish(p, "new");
	ok(r < 0 || r == SHMQ_TIMEOUT || r == SHMQ_FULL, "slots of ones are told to publishers: %d",
	   r);
	shmq_pub_close(p);
	r = shmq_topic_info(q, "ones", &info);
	ok(r <= 0, "slots of ones: the topic can be looked at: %d", r);
	munmap(at.log, at.bytes);
	is_i64(shmq_topic_repair(q, "ones"), 0, "slots of ones: it can be repaired");
	p = publisher(q, "ones", 0, 100);
	is_i64(publish(p, "new"), 0, "slots of ones: and goes on");
	shmq_pub_close(p);
}

/* ---- a damaged slot behind the newest frame that a publisher, or a subscriber, has seen ---- */

/* A publisher that comes late would take a free slot for the end. */
static void late_publisher(void)
{
	shmq_pub *late, *other;
	char text[256] = "";
	struct place at;
	shmq_sub *s;

	topic("late", 1);
	late = publisher(q, "late", 0, 0);
	other = publisher(q, "late", 0, 0);
	s = subscriber(q, "late", 0);
	step(publish(late, "0"));
	for (int i = 1; i < 5; i++)
		step(publish(other, (char[]){(char)('0' + i), '\0'}));
	read_all(s, text, sizeof text);
	at = place_of(q, "late");
	at.slots[2 * 8 + 3] ^= 1; /* of an earlier lap, as far as one can see */
	is_i64(publish(late, "new"), 0, "a late publisher and a damaged slot");
	text[0] = '\0';
	is_i64(read_all(s, text, sizeof text), SHMQ_EMPTY, "a subscriber that was behind the slot");
	is_str(text, "new ", "reads what it has published");
	munmap(at.log, at.bytes);
	shmq_sub_close(s);
	s = subscriber(q, "late", SHMQ_SUB_BROWSE);
	text[0] = '\0';
	is_i64(read_all(s, text, sizeof text), SHMQ_ECORRUPT, "another one is told of the slot");
	is_i64(read_all(s, text, sizeof text), SHMQ_EMPTY, "and goes on");
	is_str(text, "0 1 3 4 new ", "behind it");
	shmq_sub_close(s);
	shmq_pub_close(other);
	shmq_pub_close(late);
}

/* Looking at one slot finds nothing new: only a read finds what is behind it. */
static void sleeper(void)
{
	int64_t start = now_ms();
	char text[256] = "";
	struct place at;
	shmq_sub *s;
	shmq_pub *p;

	topic("sleeper", 1);
	p = publisher(q, "sleeper", 0, 0);
	s = subscriber(q, "sleeper", SHMQ_SUB_HOLD);
	step(publish(p, "0"));
	read_all(s, text, sizeof text);
	for (int i = 1; i < 5; i++)
		step(publish(p, (char[]){(char)('0' + i), '\0'}));
	at = place_of(q, "sleeper");
	memset(at.slots + 8, 0, 8);
	munmap(at.log, at.bytes);
	is_i64(shmq_sub_wait(&s, 1, 5000000000), 0, "a subscriber sleeps at a damaged slot");
	ok(now_ms() - start < 4000, "not for ever: %d ms", (int)(now_ms() - start));
	is_i64(read_all(s, text, sizeof text), SHMQ_ECORRUPT, "it is told");
	is_i64(read_all(s, text, sizeof text), SHMQ_EMPTY, "and goes on");
	is_str(text, "0 2 3 4 ", "behind it");
	shmq_sub_close(s);
	shmq_pub_close(p);
}

/* ---- a checksum that fits, of a header that cannot be ---- */

static void impossible_offset(void)
{
	struct outcome o;
	struct place at;
	struct frame *f;
	shmq_pub *p;

	topic("offset", 1);
	publish_frames("offset");
	at = place_of(q, "offset");
	f = (void *)frame_of(&at, FRAMES - 1);
	f->offset = OFFSET_MAX + 1;
	f->header_hash = bulk_hash(f, offsetof(struct frame, header_hash));
	o = browse(q, "offset");
	ok(o.frames == FRAMES - 1 && o.errors == 1 && o.wrong == 0, "no offset is beyond 2^53");
	p = publisher(q, "offset", 0, 0);
	is_i64(publish(p, "new"), SHMQ_ECORRUPT, "and none goes on from there");
	shmq_pub_close(p);
	munmap(at.log, at.bytes);
}

/* ---- logs that are not there ---- */

static void log_that_is_not_there(void)
{
	struct bell_file *bell;
	struct outcome o;
	shmq_sub *s;
	shmq_pub *p;
	size_t bytes;

	topic("absent", 2);
	publish_frames("absent");
	s = subscriber(q, "absent", 0);
	bell = map_topic_file(q, "absent", "bell", &bytes);
	bell->logs_made[0] |= 2;
	o = read_on(s);
	is_u64(o.frames, FRAMES, "a log that is not there: the other one is read");
	is_u64(o.errors, 1, "a log that is not there: it is told once");
	is_i64(o.result, SHMQ_EMPTY, "a log that is not there: then there is nothing more");
	ok(o.calls < FRAMES + 8, "a log that is not there: after %u calls", o.calls);
	p = publisher(q, "absent", 0, 0);
	publish_frame(p, 0, FRAMES / 4 * ROWS_OF_FOUR);
	o = read_on(s);
	is_u64(o.frames, 1, "a log that is not there: the other one goes on");
	shmq_pub_close(p);
	shmq_sub_close(s);
	munmap(bell, bytes);
}

/* ---- a full filesystem: what is not there cannot be looked at ---- */

enum bus { BUS_SLOT, BUS_LENGTH, BUS_PUBLISH };

static void full_filesystem(void *argument)
{
	enum bus mode = *(enum bus *)argument;
	shmq *mine = q = small_broker();
	struct outcome o = {0};
	struct place at;
	uint64_t word;
	char name[16];
	shmq_pub *p;
	shmq_sub *s;

	sprintf(name, "bus-%d", (int)mode);
	need(shmq_topic_create(mine, name, NULL)); /* 64 MB, most of it holes */
	publish_frames(name);
	s = subscriber(mine, name, 0);
	p = publisher(mine, name, 0, 100);
	at = place_of(mine, name);
	fill_up();
	memcpy(&word, at.slots + (mode == BUS_PUBLISH ? FRAMES - 1 : 5) * 8, 8);
	if (mode == BUS_LENGTH) {
		struct frame *f = (void *)frame_of(&at, 5);

		f->length ^= 1 << 24;
	} else {
		word ^= 1 << 19;
		memcpy(at.slots + (mode == BUS_PUBLISH ? FRAMES - 1 : 5) * 8, &word, 8);
	}
	if (mode == BUS_PUBLISH)
		_exit(publish(p, "new") < 0 ? 0 : 1);
	o = read_on(s);
	_exit(o.errors == 1 && o.frames == FRAMES - 1 && o.wrong == 0 ? 0 : 1);
}

static void buses(void)
{
	static const char *const names[] = {"the place of a frame", "the length of a frame",
					    "the place of the newest frame, to a publisher"};

	for (enum bus mode = BUS_SLOT; mode <= BUS_PUBLISH; mode++) {
		is_i64(finish(start(full_filesystem, &mode)), 0, "full filesystem, damaged: %s",
		       names[mode]);
		free_up();
	}
}

int main(void)
{
	scratch_begin(60);
	q = broker();
	flips();
	slots_of_ones();
	late_publisher();
	sleeper();
	impossible_offset();
	log_that_is_not_there();
	shmq_close(q);
	if (small_filesystem())
		buses();
	else
		skip("mounting a small filesystem: %s", strerror(errno));
	return done();
}
