/* SPDX-License-Identifier: MIT */
/*
 * format_test.c - the numbers of shmq-format(5) and of the limits in shmq(7) are those of the code.
 *
 * In the manuals, a comment "table: NAME" stands before each list of numbers. Here the same tables
 * are made from the headers, and compared row by row, in both directions: a row that only one side
 * has is a failure. Tables of structures must account for every byte, those of words for every bit.
 *
 *   format_test [DIRECTORY of the manuals]
 */
#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>

#include "bell.h"
#include "layout.h"
#include "records_format.h"
#include "tap.h"
#include "topic_check.h"

#define CELLS 3

struct row {
	const char *table;
	char name[64];
	uint64_t cell[CELLS];
	unsigned cells;
	bool met; /* has its like on the other side */
};

struct rows {
	struct row row[400];
	size_t n;
};

static struct rows code, manual;

static struct row *add(struct rows *rows, const char *table, const char *name, unsigned cells)
{
	struct row *r = &rows->row[rows->n];

	if (rows->n + 1 >= sizeof rows->row / sizeof rows->row[0])
		abort();
	rows->n++;
	r->table = table;
	snprintf(r->name, sizeof r->name, "%s", name);
	r->cells = cells;
	return r;
}

/* ---- what the code says -------------------------------------------------------------- */

static void says(const char *table, const char *name, unsigned cells, uint64_t a, uint64_t b,
		 uint64_t c)
{
	struct row *r = add(&code, table, name, cells);

	r->cell[0] = a;
	r->cell[1] = b;
	r->cell[2] = c;
}

#define FIELD(type, member)                                                                        \
	says(#type, #member, 2, offsetof(type, member), sizeof((type *)0)->member, 0)
#define VALUE(table, prefix, name) says(table, #name, 1, prefix##name, 0, 0)

static void structures(void)
{
	FIELD(struct file_head, magic);
	FIELD(struct file_head, format);
	FIELD(struct file_head, kind);
	FIELD(struct file_head, number);
	FIELD(struct file_head, bytes);
	FIELD(struct file_head, partition);
	FIELD(struct file_head, partitions);
	FIELD(struct file_head, slots);
	FIELD(struct file_head, extents);
	FIELD(struct file_head, first_offset);
	FIELD(struct file_head, hash);
	FIELD(struct broker_file, head);
	FIELD(struct broker_file, boot_id);
	FIELD(struct broker_file, sessions_used_hint);
	FIELD(struct broker_file, reap_hint);
	FIELD(struct broker_file, next_number);
	FIELD(struct broker_file, sessions);
	FIELD(struct broker_file, names);
	FIELD(struct broker_file, counters);
	FIELD(struct slot_counters, messages_published);
	FIELD(struct slot_counters, bytes_published);
	FIELD(struct slot_counters, frames_linked);
	FIELD(struct slot_counters, messages_delivered);
	FIELD(struct slot_counters, bytes_delivered);
	FIELD(struct slot_counters, messages_dropped);
	FIELD(struct slot_counters, messages_missed);
	FIELD(struct slot_counters, publisher_blocks);
	FIELD(struct slot_counters, wakeups);
	FIELD(struct slot_counters, spare);
	FIELD(struct session_file, id);
	FIELD(struct session_file, pid);
	FIELD(struct session_file, program);
	FIELD(struct session_file, pad);
	FIELD(struct topic_file, head);
	FIELD(struct topic_file, options.partitions);
	FIELD(struct topic_file, options.slots);
	FIELD(struct topic_file, options.pool_bytes);
	FIELD(struct topic_file, options.keep_bytes);
	FIELD(struct topic_file, options.full);
	FIELD(struct topic_file, created_ns);
	FIELD(struct topic_file, creator);
	FIELD(struct topic_file, hash);
	FIELD(struct topic_file, state);
	FIELD(struct topic_file, first_offset);
	FIELD(struct topic_file, name);
	FIELD(struct bell_file, head);
	FIELD(struct bell_file, arrived);
	FIELD(struct bell_file, room);
	FIELD(struct bell_file, readers_used);
	FIELD(struct bell_file, logs_made);
	FIELD(struct bell_file, readers);
	FIELD(struct log_file, head);
	FIELD(struct log_file, tail_hint);
	FIELD(struct log_file, slots_reserved);
	FIELD(struct log_file, run_wanted_ms);
	FIELD(struct head_line, head);
	FIELD(struct head_line, watch);
	FIELD(struct frame, position);
	FIELD(struct frame, offset);
	FIELD(struct frame, bytes);
	FIELD(struct frame, time_ns);
	FIELD(struct frame, count);
	FIELD(struct frame, length);
	FIELD(struct frame, value_bytes);
	FIELD(struct frame, flags);
	FIELD(struct frame, delimiter);
	FIELD(struct frame, reserved);
	FIELD(struct frame, payload_hash);
	FIELD(struct frame, header_hash);
}

/* The bits of a field: those that are set when only it is all ones. */
static void bits(const char *table, const char *name, uint64_t mask)
{
	unsigned low = 0, high = 63;

	while (low < 63 && !(mask >> low & 1))
		low++;
	while (high > 0 && !(mask >> high & 1))
		high--;
	if (mask != (UINT64_MAX >> (63 - high) & UINT64_MAX << low))
		high = low = 99; /* not one piece */
	says(table, name, 2, high, low, 0);
}

static void words(void)
{
	const uint64_t ones = UINT64_MAX;
	uint64_t owned = extent_owned(0), left = extent_left(0, 0);
	uint64_t short_epoch = (uint64_t)UINT32_MAX << SESSION_SLOT_BITS;

	bits("word session", "epoch", session_word(ones, 0));
	bits("word session", "used", session_word(0, 3));
	bits("word session-id", "epoch", session_id(ones, 0));
	bits("word session-id", "slot", session_id(0, SESSIONS - 1));
	bits("word name", "state", name_word(3, 0, 0));
	bits("word name", "fingerprint", name_word(0, ones, 0));
	bits("word name", "number", name_word(0, 0, NUMBER_MAX));
	bits("word topic-state", "next", topic_moved(ones) ^ TOPIC_MOVED);
	bits("word topic-state", "state", TOPIC_MOVED);
	bits("word reader", "state", reader_word((enum reader_state)7, 0, 0));
	bits("word reader", "incarnation", reader_word(READER_FREE, ones, 0));
	bits("word reader", "epoch", reader_word(READER_FREE, 0, short_epoch));
	bits("word reader", "slot", reader_word(READER_FREE, 0, SESSIONS - 1));
	bits("word head", "gen", word_of(ones, 0));
	bits("word head", "pos", word_of(0, ones));
	bits("word gate", "incarnation", word_of(ones, 0));
	bits("word gate", "pos", GATE_NONE);
	bits("word watch", "checksum", watch_word(ones, 0, 0));
	bits("word watch", "still", watch_word(0, ones, 0));
	bits("word watch", "ms", watch_word(0, 0, ones));
	bits("word slot", "lap", slot_word(ones, 0));
	bits("word slot", "unit", slot_word_unit(ones));
	bits("word extent-owned", "owned", EXTENT_OWNED);
	bits("word extent-owned", "reserved", owned ^ EXTENT_OWNED);
	bits("word extent-owned", "id", extent_owned(ones) ^ owned);
	bits("word extent-left", "owned", EXTENT_OWNED);
	bits("word extent-left", "reserved", left);
	bits("word extent-left", "end", extent_left(ones, 0) ^ left);
	bits("word extent-left", "fill", extent_left(0, EXTENT_FULL) ^ left);
	bits("word bell", "seq", UINT32_MAX - (BELL_SEQ - 1));
	bits("word bell", "WAKING", BELL_WAKING);
	bits("word bell", "SLEEP", BELL_SLEEP);
}

static void values(void)
{
	const unsigned n = 65536, m = 256;

	says("enum file_kind", "broker", 1, FILE_BROKER, 0, 0);
	says("enum file_kind", "topic", 1, FILE_TOPIC, 0, 0);
	says("enum file_kind", "bell", 1, FILE_BELL, 0, 0);
	says("enum file_kind", "log", 1, FILE_LOG, 0, 0);
	VALUE("enum reader_state", READER_, FREE);
	VALUE("enum reader_state", READER_, VIRGIN);
	VALUE("enum reader_state", READER_, CREATING);
	VALUE("enum reader_state", READER_, LIVE);
	VALUE("enum reader_state", READER_, HOLD);
	VALUE("enum frame_flags", FRAME_, DELIMITED);
	VALUE("enum frame_flags", FRAME_, KEYS);
	VALUE("enum frame_flags", FRAME_, HEADERS);
	VALUE("enum frame_flags", FRAME_, PURGE);
	says("places", "heads", 1, sizeof(struct bell_file), 0, 0);
	says("places", "gates", 1, bell_gates_at(1), 0, 0);
	says("places", "bell-end", 1, bell_bytes(1), 0, 0);
	says("places", "extents", 1, log_extents_at(), 0, 0);
	says("places", "slots", 1, log_slots_at(m), 0, 0);
	says("places", "pool", 1, log_pool_at(m, n), 0, 0);
	says("places", "log-end", 1, log_bytes(m, n), 0, 0);
}

/* Where a field of a record's head stands: the bytes that it changes. */
static void record_field(const char *name, const struct records_head *only)
{
	unsigned char without[RECORDS_HEAD_BYTES], with[RECORDS_HEAD_BYTES];
	uint64_t at = 0, bytes = 0;

	records_head_put(without, &(struct records_head){0});
	records_head_put(with, only);
	for (size_t i = 0; i < sizeof with; i++) {
		if (with[i] == without[i])
			continue;
		at = bytes++ == 0 ? i : at;
	}
	says("records", name, 2, at, bytes, 0);
}

static void record_stream(void)
{
	unsigned char head[RECORDS_HEAD_BYTES];

	records_head_put(head, &(struct records_head){0});
	ok(head[0] == RECORDS_MAGIC && head[1] == RECORDS_VERSION,
	   "records begin with magic, version");
	says("records", "magic", 2, 0, 1, 0);
	says("records", "version", 2, 1, 1, 0);
	record_field("flags", &(struct records_head){.has_key = true});
	record_field("topic_bytes", &(struct records_head){.topic_bytes = UINT8_MAX});
	record_field("partition", &(struct records_head){.partition = UINT32_MAX});
	record_field("offset", &(struct records_head){.offset = UINT64_MAX});
	record_field("time_ns", &(struct records_head){.time_ns = UINT64_MAX});
	record_field("key_bytes", &(struct records_head){.key_bytes = UINT32_MAX});
	record_field("header_count", &(struct records_head){.header_count = UINT32_MAX});
	record_field("header_bytes", &(struct records_head){.header_bytes = UINT32_MAX});
	record_field("value_bytes", &(struct records_head){.value_bytes = UINT32_MAX});
}

static bool takes(struct shmq_topic_options o)
{
	struct error e;

	return topic_options_check(&e, &o) == 0;
}

static void limits(void)
{
	const char *t = "limits";
	const uint64_t mib = 1 << 20;
	struct shmq_topic_options o = {0};
	struct error e;

	topic_options_check(&e, &o);
	says(t, "bytes in a topic's name", 2, 1, SHMQ_NAME_MAX, 0);
	says(t, "partitions of a topic", 3, 1, SHMQ_PARTITIONS_MAX, o.partitions);
	says(t, "frames in a partition", 3, 8, 1 << 20, o.slots);
	says(t, "memory of a partition", 3, mib, 1024 * mib, o.pool_bytes);
	says(t, "kept when all have read it", 3, 1, 1024 * mib, o.keep_bytes);
	says(t, "topics of a broker", 2, 0, SHMQ_TOPICS_MAX, 0);
	says(t, "sessions of a broker", 2, 0, SESSIONS, 0);
	says(t, "subscribers of a topic", 2, 0, READERS - 1, 0);
	says(t, "topics one mqsub reads", 2, 1, BELLS_MAX, 0);

	o = (struct shmq_topic_options){0};
	o.partitions = SHMQ_PARTITIONS_MAX;
	ok(takes(o), "partitions: the most");
	o.partitions++;
	ok(!takes(o), "partitions: one more");
	o = (struct shmq_topic_options){.slots = 8};
	ok(takes(o), "frames: the least");
	o.slots = 4;
	ok(!takes(o), "frames: fewer");
	o.slots = 1 << 20;
	ok(takes(o), "frames: the most");
	o.slots = 1 << 21;
	ok(!takes(o), "frames: more");
	o.slots = 24;
	ok(!takes(o), "frames: no power of two");
	o = (struct shmq_topic_options){.pool_bytes = mib};
	ok(takes(o), "memory: the least");
	o.pool_bytes = mib - EXTENT_BYTES;
	ok(!takes(o), "memory: less");
	o.pool_bytes = 1024 * mib;
	o.keep_bytes = 1024 * mib;
	ok(takes(o), "memory: the most, all of it kept");
	o.keep_bytes++;
	ok(!takes(o), "kept: more than the memory");
	o.pool_bytes += EXTENT_BYTES;
	ok(!takes(o), "memory: more");
	o = (struct shmq_topic_options){.pool_bytes = mib + 4096};
	ok(!takes(o), "memory: no multiple of an extent");
	o = (struct shmq_topic_options){.keep_bytes = 1};
	ok(takes(o), "kept: the least");
}

/* ---- what the manuals say ------------------------------------------------------------ */

static char *read_page(const char *dir, const char *name)
{
	static const size_t most = 1 << 20;
	char path[4096], *text = malloc(most);
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "r");
	if (f != NULL && text != NULL) {
		n = fread(text, 1, most - 1, f);
		fclose(f);
	}
	if (!ok(n > 0, "%s is there", name)) {
		printf("# %s: %s\n", path, strerror(errno));
		exit(done());
	}
	text[n] = '\0';
	return text;
}

/* "65,536", "64 MiB": 1 and *value. */
static bool number(const char *s, uint64_t *value, const char **end)
{
	static const char units[][5] = {" KiB", " MiB", " GiB"};

	if (!isdigit((unsigned char)*s))
		return false;
	for (*value = 0; isdigit((unsigned char)*s) || (*s == ',' && isdigit((unsigned char)s[1]));
	     s++)
		if (*s != ',')
			*value = *value * 10 + (uint64_t)(*s - '0');
	for (unsigned i = 0; i < 3; i++) {
		if (strncmp(s, units[i], 4) == 0) {
			*value <<= 10 * (i + 1);
			s += 4;
			break;
		}
	}
	*end = s;
	return true;
}

/* "4096", or "63-48": the numbers of a cell that is nothing else; how many. */
static unsigned cell_numbers(const char *cell, uint64_t out[2])
{
	const char *s;

	if (!number(cell, &out[0], &s))
		return 0;
	if (*s == '\0')
		return 1;
	return *s == '-' && number(s + 1, &out[1], &s) && *s == '\0' ? 2 : 0;
}

/* "CELL Ta CELL Ta CELL": numbers up to what the table has, the first other cell is the name. */
static void read_row(const char *table, char *line)
{
	bool word = strncmp(table, "word ", 5) == 0, named = false;
	struct row *r = add(&manual, table, "", 0);

	for (char *cell = line, *next; cell != NULL; cell = next) {
		uint64_t v[2];
		unsigned n;

		next = strstr(cell, " Ta");
		if (next != NULL) {
			*next = '\0';
			next += next[3] == ' ' ? 4 : 3;
		}
		n = cell_numbers(cell, v);
		if (word && n == 1) /* one bit */
			v[n++] = v[0];
		for (unsigned i = 0; i < n && r->cells < CELLS; i++)
			r->cell[r->cells++] = v[i];
		if (n > 0 || named)
			continue;
		named = true;
		snprintf(r->name, sizeof r->name, "%s",
			 strncmp(cell, "Li ", 3) == 0 ? cell + 3 : cell);
	}
}

static void read_tables(char *text)
{
	static const char mark[] = ".\\\" table: ";
	const char *table = NULL;

	for (char *line = text, *next; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (strncmp(line, mark, sizeof mark - 1) == 0)
			table = line + sizeof mark - 1;
		else if (strcmp(line, ".El") == 0)
			table = NULL;
		else if (table != NULL && strncmp(line, ".It ", 4) == 0 &&
			 strncmp(line, ".It Sy ", 7) != 0)
			read_row(table, line + 4);
	}
}

/* ---- comparing ----------------------------------------------------------------------- */

static bool same(const struct row *a, const struct row *b)
{
	if (strcmp(a->table, b->table) != 0 || strcmp(a->name, b->name) != 0 || b->cells < a->cells)
		return false;
	return memcmp(a->cell, b->cell, a->cells * sizeof a->cell[0]) == 0;
}

static void compare(void)
{
	for (size_t i = 0; i < code.n; i++) {
		struct row *c = &code.row[i];

		for (size_t k = 0; k < manual.n && !c->met; k++) {
			struct row *m = &manual.row[k];

			if (!m->met && same(c, m))
				c->met = m->met = true;
		}
		if (!ok(c->met, "%s: %s", c->table, c->name))
			printf("# the code says %" PRIu64 " %" PRIu64 " %" PRIu64 " (%u)\n",
			       c->cell[0], c->cell[1], c->cell[2], c->cells);
	}
	for (size_t k = 0; k < manual.n; k++) {
		const struct row *m = &manual.row[k];

		if (!m->met && strcmp(m->name, "-") != 0)
			ok(false, "only in the manual: %s: %s", m->table, m->name);
	}
}

/* The rows of a structure follow each other and end at its end. */
static void tiles(const char *table, uint64_t bytes)
{
	uint64_t at = 0;

	for (size_t i = 0; i < manual.n; i++) {
		const struct row *m = &manual.row[i];

		if (strcmp(m->table, table) != 0)
			continue;
		is_u64(m->cell[0], at, "%s: %s follows what is before it", table, m->name);
		at = m->cell[0] + m->cell[1];
	}
	is_u64(at, bytes, "%s: all bytes", table);
}

/* The rows of a word go down from its highest bit to bit 0. */
static void word_tiles(const char *table, uint64_t width)
{
	uint64_t next = width;

	for (size_t i = 0; i < manual.n; i++) {
		const struct row *m = &manual.row[i];

		if (strcmp(m->table, table) != 0)
			continue;
		is_u64(m->cell[0] + 1, next, "%s: %s follows what is before it", table, m->name);
		next = m->cell[1];
	}
	is_u64(next, 0, "%s: all bits", table);
}

static void all_tiles(void)
{
	tiles("struct file_head", sizeof(struct file_head));
	tiles("struct broker_file", sizeof(struct broker_file));
	tiles("struct slot_counters", sizeof(struct slot_counters));
	tiles("struct session_file", sizeof(struct session_file));
	tiles("struct topic_file", sizeof(struct topic_file));
	tiles("struct bell_file", sizeof(struct bell_file));
	tiles("struct log_file", sizeof(struct log_file));
	tiles("struct head_line", sizeof(struct head_line));
	tiles("struct frame", sizeof(struct frame));
	tiles("records", RECORDS_HEAD_BYTES);
	word_tiles("word session", 64);
	word_tiles("word session-id", 64);
	word_tiles("word name", 64);
	word_tiles("word reader", 64);
	word_tiles("word head", 64);
	word_tiles("word gate", 64);
	word_tiles("word watch", 64);
	word_tiles("word slot", 64);
	word_tiles("word extent-owned", 64);
	word_tiles("word extent-left", 64);
	word_tiles("word bell", 32);
}

/* ---- numbers in sentences ------------------------------------------------------------ */

static void with_commas(uint64_t n, char text[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%" PRIu64, n), used = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[used++] = ',';
		text[used++] = digits[i];
	}
	text[used] = '\0';
}

/* The page, with a space for each line end, says "before NUMBER after". */
static void sentence(const char *page, const char *before, uint64_t n, const char *after)
{
	char text[32], phrase[128];

	with_commas(n, text);
	snprintf(phrase, sizeof phrase, "%s%s%s", before, text, after);
	ok(strstr(page, phrase) != NULL, "shmq-format.5 says: %s", phrase);
}

static void sentences(char *page)
{
	for (char *c = page; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
	sentence(page, "describes version ", SHMQ_FORMAT_VERSION, " of the files");
	sentence(page, "Ta version of this format: ", SHMQ_FORMAT_VERSION, " ");
	sentence(page, "Ta kind ", FILE_BROKER, " .It 64 Ta 40");
	sentence(page, "Ta kind ", FILE_TOPIC, " .It 64 Ta 4 Ta Li options");
	sentence(page, "Ta kind ", FILE_BELL, " .It 64 Ta 4 Ta Li arrived");
	sentence(page, "Ta kind ", FILE_LOG, " .It 64 Ta 8 Ta Li tail_hint");
	sentence(page, "Ta ", SESSIONS, " session words");
	sentence(page, "Ta ", NAMES, " name words");
	sentence(page, "Ta ", SESSIONS, " sets of counters");
	sentence(page, "in one of the ", NAME_WINDOW, " words from number");
	sentence(page, "Ta ", READERS, " reader words");
	sentence(page, "for each of the ", READERS, " reader words");
	sentence(page, "Ta 1 to ", SHMQ_PARTITIONS_MAX, " ");
	sentence(page, "Ta M times ", EXTENT_BYTES, " ");
	sentence(page, "M extents of ", EXTENT_BYTES, " bytes each");
	sentence(page, "at ", sizeof(struct bell_file), ", stand the .Em heads");
	sentence(page, "of the logs, for each partition ", sizeof(struct head_line), " bytes");
	sentence(page, "at ", log_extents_at(), ", stand M extent words");
	sentence(page, "in steps of ", SLOT_CHUNK, ". An extent is reserved");
	sentence(page, "in the pool, in steps of ", FRAME_ALIGN, " ");
	sentence(page, "bytes used in steps of ", EXTENT_FILL_STEP, ", rounded up");
	sentence(page, "rounded up; ", EXTENT_FULL, ": full");
	sentence(page, "Ta ", TOPIC_LIVE, " live,");
	sentence(page, " live, ", TOPIC_DELETED, " deleted");
	sentence(page, " deleted, ", TOPIC_MOVED, " moved");
	sentence(page, "Ta 0 free, ", NAME_TENTATIVE, " tentative");
	sentence(page, " tentative, ", NAME_LIVE, " live");
	sentence(page, "Ta ", SESSION_USED, ": a session; 0: free");
	sentence(page, "Ta 0 block, ", SHMQ_FULL_REJECT, " reject");
	sentence(page, " reject, ", SHMQ_FULL_DROP_OLD, " drop-old");
	sentence(page, "Ta Li magic Ta ", RECORDS_MAGIC, " (0xB7)");
	sentence(page, "Ta Li version Ta ", RECORDS_VERSION, " ");
	sentence(page, "the length of its value as ", LEN32_PREFIX_BYTES, " bytes,");
	ok(memcmp(&(uint64_t){FILE_MAGIC}, "//shmq01", 8) == 0, "magic");
}

int main(int argc, char **argv)
{
	char here[] = __FILE__, beside[sizeof here + 16];
	const char *dir = beside;
	char *format, *concepts, *again;

	snprintf(beside, sizeof beside, "%s/../../man", dirname(here));
	if (argc > 1)
		dir = argv[1];
	format = read_page(dir, "shmq-format.5");
	again = read_page(dir, "shmq-format.5");
	concepts = read_page(dir, "shmq.7");
	structures();
	words();
	values();
	record_stream();
	limits();
	read_tables(format);
	read_tables(concepts);
	compare();
	all_tiles();
	sentences(again);
	free(format);
	free(again);
	free(concepts);
	return done();
}
