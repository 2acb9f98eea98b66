/* SPDX-License-Identifier: MIT */
/*
 * format_test.c - the numbers of shmq-format(5), of memory and disk, and of the limits in shmq(7) are those of the code.
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
#include "group_file.h"
#include "intent.h"
#include "journal.h"
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
	struct row row[1200];
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
	FIELD(struct broker_file, work);
	FIELD(struct broker_file, durable);
	FIELD(struct broker_file, round_wanted);
	FIELD(struct broker_file, linked);
	FIELD(struct broker_file, acked);
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
	FIELD(struct topic_file, options.storage);
	FIELD(struct topic_file, created_ns);
	FIELD(struct topic_file, creator);
	FIELD(struct topic_file, hash);
	FIELD(struct topic_file, state);
	FIELD(struct topic_file, retain_ns);
	FIELD(struct topic_file, retain_bytes);
	FIELD(struct topic_file, retain_flags);
	FIELD(struct topic_file, first_offset);
	FIELD(struct topic_file, name);
	FIELD(struct bell_file, head);
	FIELD(struct bell_file, arrived);
	FIELD(struct bell_file, room);
	FIELD(struct bell_file, readers_used);
	FIELD(struct bell_file, logs_made);
	FIELD(struct bell_file, next_group);
	FIELD(struct bell_file, readers);
	FIELD(struct log_file, head);
	FIELD(struct log_file, base);
	FIELD(struct log_file, tail_hint);
	FIELD(struct log_file, slots_reserved);
	FIELD(struct log_file, run_wanted_ms);
	FIELD(struct log_file, intent_pages);
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

static void group_structures(void)
{
	FIELD(struct intent, control);
	FIELD(struct intent, fields);
	FIELD(struct intent_fields, position);
	FIELD(struct intent_fields, frame_word);
	FIELD(struct intent_fields, null_word);
	FIELD(struct intent_fields, topic);
	FIELD(struct intent_fields, group);
	FIELD(struct intent_fields, incarnation);
	FIELD(struct intent_fields, partition_offset);
	FIELD(struct group_file, head);
	FIELD(struct group_file, lineage);
	FIELD(struct group_file, created_ns);
	FIELD(struct group_file, creator);
	FIELD(struct group_file, hash);
	FIELD(struct group_file, name);
	FIELD(struct group_file, state);
	FIELD(struct group_file, config);
	FIELD(struct group_file, paused);
	FIELD(struct group_file, used_ms);
	FIELD(struct group_file, returns_full);
	FIELD(struct group_file, looked_ms);
	FIELD(struct group_file, current);
	FIELD(struct group_file, returned);
	FIELD(struct group_file, returns_head);
	FIELD(struct group_file, returns);
	FIELD(struct group_file, member_pages);
	FIELD(struct group_file, members);
	FIELD(struct member, session);
	FIELD(struct member, lease);
	FIELD(struct member, target_topic);
	FIELD(struct member, target_log);
	FIELD(struct member, delivered);
	FIELD(struct member, acked);
	FIELD(struct member, redelivered);
	FIELD(struct member, dead_lettered);
	FIELD(struct member, dropped);
	FIELD(struct member, filtered);
	FIELD(struct member, consumes);
	FIELD(struct member, spare);
	FIELD(struct window_line, floor_hint);
	FIELD(struct window_line, base);
	FIELD(struct window_line, words_reserved);
	FIELD(struct window_line, done_first);
	FIELD(struct window_line, done_count);
	FIELD(struct window_line, done_hash);
	FIELD(struct window_line, claim_hint);
	FIELD(struct window_line, owner);
	FIELD(struct config_file, head);
	FIELD(struct config_file, lineage);
	FIELD(struct config_file, version);
	FIELD(struct config_file, mode);
	FIELD(struct config_file, retries);
	FIELD(struct config_file, dead);
	FIELD(struct config_file, returns_rows);
	FIELD(struct config_file, window);
	FIELD(struct config_file, lease_ns);
	FIELD(struct config_file, backoff_ns);
	FIELD(struct config_file, backoff_max_ns);
	FIELD(struct config_file, expire_ns);
	FIELD(struct config_file, returns_bytes);
	FIELD(struct config_file, hash);
	FIELD(struct config_file, filter);
	FIELD(struct window_file, head);
	FIELD(struct window_file, lineage);
	FIELD(struct window_file, incarnation);
	FIELD(struct window_file, creator);
	FIELD(struct meta_settles, topic);
	FIELD(struct meta_settles, group);
	FIELD(struct meta_settles, incarnation);
	FIELD(struct meta_settles, partition);
	FIELD(struct meta_settles, offset);
	FIELD(struct meta_return, state);
	FIELD(struct meta_return, reason);
	FIELD(struct meta_return, deliveries);
	FIELD(struct meta_return, requeues);
	FIELD(struct meta_return, low);
	FIELD(struct meta_return, origin_offset);
	FIELD(struct meta_return, origin_ns);
	FIELD(struct meta_return, first_ns);
	FIELD(struct meta_return, dead_ns);
	FIELD(struct meta_return, origin_partition);
	FIELD(struct meta_return, status);
	FIELD(struct meta_return, text_bytes);
	FIELD(struct meta_return, spare);
	FIELD(struct meta_return, letter);
}

static void durable_structures(void)
{
	FIELD(struct topic_bits, top);
	FIELD(struct topic_bits, bit);
	FIELD(struct daemon_file, head);
	FIELD(struct daemon_file, hash);
	FIELD(struct daemon_file, store);
	FIELD(struct daemon_file, session);
	FIELD(struct daemon_file, state);
	FIELD(struct daemon_file, commit);
	FIELD(struct daemon_file, segment);
	FIELD(struct daemon_file, started_ns);
	FIELD(struct daemon_file, error);
	FIELD(struct daemon_file, complete);
	FIELD(struct daemon_file, rounds_begun);
	FIELD(struct daemon_file, rounds_durable);
	FIELD(struct daemon_file, commits);
	FIELD(struct daemon_file, bytes);
	FIELD(struct daemon_file, syncs);
	FIELD(struct daemon_file, sync_ns);
	FIELD(struct daemon_file, store_bytes);
	FIELD(struct daemon_file, spare);
	FIELD(struct runs_file, head);
	FIELD(struct runs_file, count);
	FIELD(struct runs_file, pad);
	FIELD(struct log_base, position);
	FIELD(struct log_base, offset);
	FIELD(struct log_base, bytes);
	FIELD(struct log_base, time_ns);
	FIELD(struct log_base, hash);
	FIELD(struct durable_line, position);
	FIELD(struct durable_line, offset);
	FIELD(struct durable_line, low_position);
	FIELD(struct durable_line, low_offset);
	FIELD(struct durable_line, entries);
	FIELD(struct durable_line, version);
	FIELD(struct durable_line, gaps);
	FIELD(struct durable_line, spare);
	FIELD(struct durable_line, base_position);
	FIELD(struct durable_line, base_offset);
	FIELD(struct durable_line, base_bytes);
	FIELD(struct durable_line, base_ns);
	FIELD(struct offset_gap, from);
	FIELD(struct offset_gap, to);
	FIELD(struct stored_entry, first_position);
	FIELD(struct stored_entry, first_offset);
	FIELD(struct stored_entry, first_bytes);
	FIELD(struct stored_entry, first_ns);
	FIELD(struct stored_entry, segment);
	FIELD(struct stored_entry, gaps);
}

static void journal_structures(void)
{
	FIELD(struct store_file, magic);
	FIELD(struct store_file, format);
	FIELD(struct store_file, spare);
	FIELD(struct store_file, id);
	FIELD(struct store_file, segment_bytes);
	FIELD(struct store_file, made_ns);
	FIELD(struct store_file, pad);
	FIELD(struct store_file, hash);
	FIELD(struct segment_head, magic);
	FIELD(struct segment_head, format);
	FIELD(struct segment_head, block);
	FIELD(struct segment_head, store);
	FIELD(struct segment_head, sequence);
	FIELD(struct segment_head, salt);
	FIELD(struct segment_head, bytes);
	FIELD(struct segment_head, first_commit);
	FIELD(struct segment_head, previous);
	FIELD(struct segment_head, previous_end);
	FIELD(struct segment_head, snapshot);
	FIELD(struct segment_head, made_ns);
	FIELD(struct segment_head, hash);
	FIELD(struct commit_head, magic);
	FIELD(struct commit_head, salt);
	FIELD(struct commit_head, sequence);
	FIELD(struct commit_head, length);
	FIELD(struct commit_head, used);
	FIELD(struct commit_head, durable_upto);
	FIELD(struct commit_head, time_ns);
	FIELD(struct commit_head, payload_hash);
	FIELD(struct commit_head, head_hash);
	FIELD(struct segment_tail, magic);
	FIELD(struct segment_tail, salt);
	FIELD(struct segment_tail, sequence);
	FIELD(struct segment_tail, at);
	FIELD(struct segment_tail, count);
	FIELD(struct segment_tail, end);
	FIELD(struct segment_tail, last_commit);
	FIELD(struct segment_tail, entries_hash);
	FIELD(struct segment_tail, hash);
	FIELD(struct log_id, topic);
	FIELD(struct log_id, group);
	FIELD(struct log_id, partition);
	FIELD(struct run_entry, log);
	FIELD(struct run_entry, first_position);
	FIELD(struct run_entry, end_position);
	FIELD(struct run_entry, first_offset);
	FIELD(struct run_entry, end_offset);
	FIELD(struct run_entry, time_ns);
	FIELD(struct run_entry, at);
	FIELD(struct run_entry, bytes);
	FIELD(struct record, type);
	FIELD(struct record, bytes);
	FIELD(struct record, log);
	FIELD(struct record, a);
	FIELD(struct record, b);
	FIELD(struct record, c);
	FIELD(struct record, d);
	FIELD(struct record, spare);
	FIELD(struct record_topic, created_ns);
	FIELD(struct record_topic, first_offset);
	FIELD(struct record_topic, groups);
	FIELD(struct record_topic, pool_bytes);
	FIELD(struct record_topic, keep_bytes);
	FIELD(struct record_topic, retain_ns);
	FIELD(struct record_topic, retain_bytes);
	FIELD(struct record_topic, retain_flags);
	FIELD(struct record_topic, partitions);
	FIELD(struct record_topic, slots);
	FIELD(struct record_topic, full);
	FIELD(struct record_topic, name);
	FIELD(struct record_log, end_position);
	FIELD(struct record_log, end_offset);
	FIELD(struct record_log, end_bytes);
	FIELD(struct record_log, end_ns);
	FIELD(struct record_log, low_position);
	FIELD(struct record_log, low_offset);
	FIELD(struct record_log, gaps);
	FIELD(struct record_log, entries);
	FIELD(struct record_group, incarnation);
	FIELD(struct record_group, version);
	FIELD(struct record_group, created_ns);
	FIELD(struct record_group, paused);
	FIELD(struct record_group, lease_ns);
	FIELD(struct record_group, backoff_ns);
	FIELD(struct record_group, backoff_max_ns);
	FIELD(struct record_group, expire_ns);
	FIELD(struct record_group, returns_bytes);
	FIELD(struct record_group, mode);
	FIELD(struct record_group, retries);
	FIELD(struct record_group, dead);
	FIELD(struct record_group, returns_rows);
	FIELD(struct record_group, window);
	FIELD(struct record_group, spare);
	FIELD(struct record_group, name);
	FIELD(struct record_group, filter);
	FIELD(struct done_run, skip);
	FIELD(struct done_run, count);
	FIELD(struct snapshot_head, magic);
	FIELD(struct snapshot_head, format);
	FIELD(struct snapshot_head, spare);
	FIELD(struct snapshot_head, store);
	FIELD(struct snapshot_head, commit);
	FIELD(struct snapshot_head, segment);
	FIELD(struct snapshot_head, bytes);
	FIELD(struct snapshot_head, payload_hash);
	FIELD(struct snapshot_head, hash);
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

static void group_words(void)
{
	const uint64_t ones = UINT64_MAX;
	struct intent only_partition = {0}, only_offset = {0};

	intent_write(&only_partition, 0,
		     &(struct intent_view){.partition = SHMQ_PARTITIONS_MAX - 1});
	intent_write(&only_offset, 0, &(struct intent_view){.offset = (1ULL << 56) - 1});
	bits("word reader-group", "state", reader_group_word((enum reader_state)7, 0, 0, 0));
	bits("word reader-group", "incarnation", reader_group_word(READER_FREE, ones, 0, 0));
	bits("word reader-group", "fingerprint", reader_group_word(READER_FREE, 0, ones, 0));
	bits("word reader-group", "number", reader_group_word(READER_FREE, 0, 0, ones));
	bits("word window", "lap", word_make(ones, 0, 0, WORD_DONE, 0));
	bits("word window", "tag", word_make(0, ones, 0, WORD_DONE, 0));
	bits("word window", "deliveries", word_make(0, 0, ones, WORD_DONE, 0));
	bits("word window", "state", word_make(0, 0, 0, (enum word_state)7, 0));
	bits("word window", "low", word_make(0, 0, 0, WORD_DONE, ones));
	bits("word window-done", "lap_low", word_done(0xff, 0, 0));
	bits("word window-done", "tag", word_done(0, ones, 0));
	bits("word window-done", "deliveries", word_done(0, 0, ones));
	bits("word window-done", "state", word_make(0, 0, 0, (enum word_state)7, 0));
	bits("word window-done", "lap_high", word_done(ones << 8, 0, 0));
	bits("word window-owner", "slot", word_owner(SESSIONS - 1, 0));
	bits("word window-owner", "seq", word_owner(0, ones));
	bits("word claim", "position", claim_make(ones, 0));
	bits("word claim", "row", claim_make(0, ones));
	bits("word lease", "seq", lease_make(ones, 0, LEASE_NONE));
	bits("word lease", "until", lease_make(0, ones, LEASE_NONE));
	bits("word lease", "state", lease_make(0, 0, (enum lease_state)3));
	bits("word owner", "generation", owner_none(ones));
	bits("word owner", "held", owner_make(0, 0));
	bits("word owner", "slot", owner_make(0, word_owner(SESSIONS - 1, 0)) ^ OWNER_HELD);
	bits("word owner", "seq", owner_make(0, word_owner(0, ones)) ^ OWNER_HELD);
	bits("word intent", "seq", intent_control(ones, INTENT_IDLE));
	bits("word intent", "state", intent_control(0, (enum intent_state)3));
	bits("word intent-message", "partition",
	     load_relaxed(&only_partition.fields[0].partition_offset)); /* relaxed: private */
	bits("word intent-message", "offset",
	     load_relaxed(&only_offset.fields[0].partition_offset));
	bits("word group-state", "attaches", group_state_word(ones, (enum group_state)0));
	bits("word group-state", "state", group_state_word(0, (enum group_state)3));
}

static void values(void)
{
	const unsigned n = 65536, m = 256, rows = 32768, window = 65536;

	says("enum file_kind", "broker", 1, FILE_BROKER, 0, 0);
	says("enum file_kind", "topic", 1, FILE_TOPIC, 0, 0);
	says("enum file_kind", "bell", 1, FILE_BELL, 0, 0);
	says("enum file_kind", "log", 1, FILE_LOG, 0, 0);
	says("enum file_kind", "group", 1, FILE_GROUP, 0, 0);
	says("enum file_kind", "config", 1, FILE_CONFIG, 0, 0);
	says("enum file_kind", "window", 1, FILE_WINDOW, 0, 0);
	says("enum file_kind", "returns", 1, FILE_RETURNS, 0, 0);
	says("enum file_kind", "daemon", 1, FILE_DAEMON, 0, 0);
	says("enum file_kind", "durable", 1, FILE_DURABLE, 0, 0);
	says("enum file_kind", "runs", 1, FILE_RUNS, 0, 0);
	VALUE("enum daemon_state", DAEMON_, STARTING);
	VALUE("enum daemon_state", DAEMON_, RUNS);
	VALUE("enum daemon_state", DAEMON_, FULL);
	VALUE("enum daemon_state", DAEMON_, FAILED);
	VALUE("enum daemon_state", DAEMON_, STOPPED);
	VALUE("enum record_type", RECORD_, RUN);
	VALUE("enum record_type", RECORD_, TOPIC);
	VALUE("enum record_type", RECORD_, TOPIC_END);
	VALUE("enum record_type", RECORD_, LOG);
	VALUE("enum record_type", RECORD_, GAP);
	VALUE("enum record_type", RECORD_, TRIM);
	VALUE("enum record_type", RECORD_, GROUP);
	VALUE("enum record_type", RECORD_, GROUP_END);
	VALUE("enum record_type", RECORD_, WINDOW);
	VALUE("enum record_type", RECORD_, REQUEUED);
	VALUE("enum record_type", RECORD_, NUMBERS);
	VALUE("enum record_type", RECORD_, MOVED);
	VALUE("enum record_type", RECORD_, LOST);
	VALUE("enum reader_state", READER_, FREE);
	VALUE("enum reader_state", READER_, VIRGIN);
	VALUE("enum reader_state", READER_, CREATING);
	VALUE("enum reader_state", READER_, LIVE);
	VALUE("enum reader_state", READER_, HOLD);
	VALUE("enum reader_state", READER_, TENTATIVE);
	VALUE("enum reader_state", READER_, GROUP);
	VALUE("enum frame_flags", FRAME_, DELIMITED);
	VALUE("enum frame_flags", FRAME_, KEYS);
	VALUE("enum frame_flags", FRAME_, HEADERS);
	VALUE("enum frame_flags", FRAME_, PURGE);
	VALUE("enum frame_flags", FRAME_, META);
	VALUE("enum word_state", WORD_, DONE);
	VALUE("enum word_state", WORD_, CLAIMED);
	VALUE("enum word_state", WORD_, WORKING);
	VALUE("enum word_state", WORD_, WAITING);
	VALUE("enum word_state", WORD_, SETTLING);
	VALUE("enum word_state", WORD_, PARKED);
	VALUE("enum word_state", WORD_, PARKED_SETTLING);
	VALUE("enum lease_state", LEASE_, NONE);
	VALUE("enum lease_state", LEASE_, LIVE);
	VALUE("enum lease_state", LEASE_, BROKEN);
	VALUE("enum lease_state", LEASE_, LEFT);
	VALUE("enum intent_state", INTENT_, IDLE);
	VALUE("enum intent_state", INTENT_, ARMED);
	VALUE("enum intent_state", INTENT_, WON);
	VALUE("enum intent_state", INTENT_, LOST);
	VALUE("enum group_state", GROUP_, LIVE);
	VALUE("enum group_state", GROUP_, DELETED);
	VALUE("enum meta_type", META_, SETTLES);
	VALUE("enum meta_type", META_, RETURN);
	VALUE("enum shmq_reason", SHMQ_REASON_, MAX_DELIVER);
	VALUE("enum shmq_reason", SHMQ_REASON_, REJECTED);
	VALUE("enum shmq_reason", SHMQ_REASON_, TIMEOUT);
	VALUE("enum shmq_reason", SHMQ_REASON_, EXPIRED);
	says("places", "heads", 1, sizeof(struct bell_file), 0, 0);
	says("places", "gates", 1, bell_gates_at(1), 0, 0);
	says("places", "bell-end", 1, bell_bytes(1), 0, 0);
	says("places", "extents", 1, log_extents_at(), 0, 0);
	says("places", "slots", 1, log_slots_at(m), 0, 0);
	says("places", "pool", 1, log_pool_at(m, n), 0, 0);
	says("places", "intents", 1, log_intents_at(m, n), 0, 0);
	says("places", "log-end", 1, log_bytes(m, n), 0, 0);
	says("places", "return-words", 1, sizeof(struct group_file), 0, 0);
	says("places", "group-end", 1, group_bytes(rows, 0), 0, 0);
	says("places", "window-lines", 1, sizeof(struct window_file), 0, 0);
	says("places", "window-words", 1, window_words_at(1), 0, 0);
	says("places", "window-end", 1, window_bytes(1, window, 0), 0, 0);
	says("places", "gaps", 1, durable_gaps_at(1), 0, 0);
	says("places", "tables", 1, durable_table_at(1), 0, 0);
	says("places", "durable-end", 1, durable_bytes(1), 0, 0);
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
	struct group_config group;
	struct error e;

	topic_options_check(&e, &o);
	says(t, "bytes in a topic's name", 2, 1, SHMQ_NAME_MAX, 0);
	says(t, "partitions of a topic", 3, 1, SHMQ_PARTITIONS_MAX, o.partitions);
	says(t, "frames in a partition", 3, 8, 1 << 20, o.slots);
	says(t, "memory of a partition", 3, mib, 1024 * mib, o.pool_bytes);
	says(t, "kept when all have read it", 3, 1, 1024 * mib, o.keep_bytes);
	says(t, "topics of a broker", 2, 0, SHMQ_TOPICS_MAX, 0);
	says(t, "sessions of a broker", 2, 0, SESSIONS, 0);
	says(t, "subscribers and groups of a topic", 2, 0, READERS - 1, 0);
	group_options_check(&e, NULL, &group);
	says(t, "bytes in a group's filter", 3, 0, SHMQ_FILTER_MAX, 0);
	says(t, "deliveries of a message", 3, 1, 250, group.o.retries);
	says(t, "messages in a return log", 3, 16, 1 << 19, group.o.returns_rows);
	says(t, "memory of a return log", 3, mib, 512 * mib, group.o.returns_bytes);
	says(t, "messages of a window", 3, 64, 65536, group.o.window);
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
	tiles("struct intent", sizeof(struct intent));
	tiles("struct intent_fields", sizeof(struct intent_fields));
	tiles("struct group_file", sizeof(struct group_file));
	tiles("struct member", sizeof(struct member));
	tiles("struct window_line", sizeof(struct window_line));
	tiles("struct config_file", sizeof(struct config_file));
	tiles("struct window_file", sizeof(struct window_file));
	tiles("struct meta_settles", sizeof(struct meta_settles));
	tiles("struct meta_return", sizeof(struct meta_return));
	tiles("struct topic_bits", sizeof(struct topic_bits));
	tiles("struct daemon_file", sizeof(struct daemon_file));
	tiles("struct runs_file", sizeof(struct runs_file));
	tiles("struct log_base", sizeof(struct log_base));
	tiles("struct durable_line", sizeof(struct durable_line));
	tiles("struct offset_gap", sizeof(struct offset_gap));
	tiles("struct stored_entry", sizeof(struct stored_entry));
	tiles("struct store_file", sizeof(struct store_file));
	tiles("struct segment_head", sizeof(struct segment_head));
	tiles("struct commit_head", sizeof(struct commit_head));
	tiles("struct segment_tail", sizeof(struct segment_tail));
	tiles("struct log_id", sizeof(struct log_id));
	tiles("struct run_entry", sizeof(struct run_entry));
	tiles("struct record", sizeof(struct record));
	tiles("struct record_topic", sizeof(struct record_topic));
	tiles("struct record_log", sizeof(struct record_log));
	tiles("struct record_group", sizeof(struct record_group));
	tiles("struct done_run", sizeof(struct done_run));
	tiles("struct snapshot_head", sizeof(struct snapshot_head));
	tiles("records", RECORDS_HEAD_BYTES);
	word_tiles("word session", 64);
	word_tiles("word session-id", 64);
	word_tiles("word name", 64);
	word_tiles("word topic-state", 64);
	word_tiles("word reader", 64);
	word_tiles("word reader-group", 64);
	word_tiles("word head", 64);
	word_tiles("word gate", 64);
	word_tiles("word watch", 64);
	word_tiles("word slot", 64);
	word_tiles("word extent-owned", 64);
	word_tiles("word extent-left", 64);
	word_tiles("word bell", 32);
	word_tiles("word window", 64);
	word_tiles("word window-done", 64);
	word_tiles("word window-owner", WORD_LOW_BITS);
	word_tiles("word claim", 64);
	word_tiles("word lease", 64);
	word_tiles("word owner", 64);
	word_tiles("word intent", 64);
	word_tiles("word intent-message", 64);
	word_tiles("word group-state", 64);
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
	sentence(page, "Ta kind ", FILE_LOG, " .It 64 Ta 40 Ta Li base");
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

/* A magic in memory order, as the table of a structure says it. */
static void magic(const char *page, uint64_t value)
{
	char text[sizeof value + 1] = "", phrase[64];

	memcpy(text, &value, sizeof value);
	snprintf(phrase, sizeof phrase, ".It 0 Ta 8 Ta Li magic Ta %s ", text);
	ok(strstr(page, phrase) != NULL, "shmq-format.5 says: %s", phrase);
}

static void store_sentences(const char *page)
{
	sentence(page, "and version ", JOURNAL_FORMAT, " of those in a store");
	sentence(page, "Ta version of the disk format: ", JOURNAL_FORMAT, " ");
	sentence(page, "Em block is ", JOURNAL_BLOCK, " bytes");
	sentence(page, "Li block Ta ", JOURNAL_BLOCK, " ");
	sentence(page, "a multiple of 4,096, 4,096 to ", COMMIT_MAX, ", and does not lead out");
	sentence(page, "of its segments: a multiple of 4,096, ", SEGMENT_MIN, " to 1,073,741,824");
	sentence(page, "of its segments: a multiple of 4,096, 1,048,576 to ", SEGMENT_MAX, " ");
	sentence(page, "each from a multiple of ", RECORD_ALIGN, " on, up to");
	sentence(page, "a list of ", GAPS_MAX, " gaps");
	sentence(page, "a table of ", STORED_MAX, " entries");
	sentence(page, "Li gaps Ta at most ", GAPS_MAX, " ");
	sentence(page, "Li entries Ta at most ", STORED_MAX, " ");
	sentence(page, "set bit (number mod ", TOPIC_BITS, ") of");
	sentence(page, "of the ", STORE_DIR_MAX, " bytes of store");
	sentence(page, "Ta kind ", FILE_DAEMON, " .It 64 Ta 8 Ta Li hash");
	sentence(page, "Ta kind ", FILE_RUNS, " .It 64 Ta 8 Ta Li count");
	sentence(page, "A head of kind ", FILE_DURABLE, ", a line for each partition");
	sentence(page, "in memory, ", SHMQ_STORAGE_DISK, " on disk");
	magic(page, STORE_MAGIC);
	magic(page, SEGMENT_MAGIC);
	magic(page, COMMIT_MAGIC);
	magic(page, TAIL_MAGIC);
	magic(page, SNAPSHOT_MAGIC);
}

/* The options that a group can have, as its check says: the page must say the same ends. */
static bool group_takes(struct shmq_group_options o)
{
	struct group_config config;
	struct error e;

	return group_options_check(&e, &o, &config) == 0;
}

#define ENDS(member, low, high)                                                                    \
	ok(group_takes((struct shmq_group_options){.member = (low)}) &&                            \
	       group_takes((struct shmq_group_options){.member = (high)}),                         \
	   #member ": least and most");                                                            \
	ok(!group_takes((struct shmq_group_options){.member = (high)*2}), #member ": more");       \
	ok((low) == 1 || !group_takes((struct shmq_group_options){.member = (low) / 2}),           \
	   #member ": less")

static void group_sentences(const char *page)
{
	sentence(page, "Ta kind ", FILE_GROUP,
		 " .It 64 Ta 8 Ta Li lineage Ta L .It 72 Ta 8 Ta Li created_ns");
	sentence(page, "Ta kind ", FILE_CONFIG,
		 " .It 64 Ta 8 Ta Li lineage Ta L .It 72 Ta 8 Ta Li version");
	sentence(page, "Ta kind ", FILE_WINDOW,
		 " .It 64 Ta 8 Ta Li lineage Ta L .It 72 Ta 8 Ta Li incarnation");
	sentence(page, "is that of a log, of kind ", FILE_RETURNS, ",");
	sentence(page, "Ta ", SESSIONS, " entries");
	sentence(page, "an entry of ", SLOT_ENTRY_BYTES, " bytes for each session slot");
	sentence(page, "so ", SLOT_PAGE_ENTRIES, " entries are in a page");
	sentence(page, "reserved in steps of ", WORD_CHUNK, " words");
	sentence(page, "1 + its partition; ", TARGET_RETURNS, ": the return log");
	sentence(page, "Ta ", SHMQ_GROUP_SHARED, " shared,");
	sentence(page, " shared, ", SHMQ_GROUP_ORDERED, " ordered");
	sentence(page, "becomes of it: ", SHMQ_GROUP_DEAD_KEEP, " keep,");
	sentence(page, " keep, ", SHMQ_GROUP_DEAD_DROP, " drop");
	sentence(page, "Numbers up to ", GROUP_NUMBER_MAX, ", given out once");
	sentence(page, "an offset above ", OFFSET_MAX, " ");
	sentence(page, "text of at most ", SHMQ_FAILURE_TEXT_MAX, " bytes");
	sentence(page, "Li retries Ta 1 to ", 250, " ");
	ENDS(retries, 1, 250);
	sentence(page, "Li window Ta W: a power of two, 64 to ", 65536, " ");
	ENDS(window, 64, 65536);
	sentence(page, "Li returns_rows Ta 16 to ", 1 << 19, " ");
	ENDS(returns_rows, 16, 1 << 19);
	sentence(page, "Li returns_bytes Ta a multiple of 262,144, 1,048,576 to ", 512 << 20, " ");
	ENDS(returns_bytes, 1 << 20, 512 << 20);
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
	group_structures();
	durable_structures();
	journal_structures();
	words();
	group_words();
	values();
	record_stream();
	limits();
	read_tables(format);
	read_tables(concepts);
	compare();
	all_tiles();
	sentences(again);
	group_sentences(again);
	store_sentences(again);
	free(format);
	free(again);
	free(concepts);
	return done();
}
