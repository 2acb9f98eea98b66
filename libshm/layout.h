/* SPDX-License-Identifier: MIT */
/*
 * layout.h - the memory format: every file of the runtime directory, word by word.
 * shmq-format(5) says the same in prose; a change here is a new SHMQ_FORMAT_VERSION.
 *
 *   DIR/broker            session table, registry of topic names, counters
 *   DIR/sessions/S.E      one locked file per session: slot S, epoch E
 *   DIR/t/N/topic         topic number N: its options; immutable but for two words
 *   DIR/t/N/bell          bells, readers, heads, gates
 *   DIR/t/N/log.P.0       partition P: extents, slots, pool
 *
 * All words are little-endian (a big-endian host writes another magic). Every file is made
 * aside and published by linkat, so whoever finds a name finds a complete file. Pages that the
 * comments call "reserved" are backed by the filesystem (posix_fallocate) before anyone touches
 * them, in writing and in reading: a full tmpfs is an error value, never SIGBUS.
 */
#ifndef SHMQ_LAYOUT_H
#define SHMQ_LAYOUT_H

#include "atomic.h"
#include "shmq.h"

#define PAGE         4096u
#define CACHE_LINE   64u
#define FRAME_ALIGN  64u
#define EXTENT_BYTES (256u << 10)
#define SESSIONS     8192u /* slots in the session table: 13 bits */
#define EXTENTS_MAX  4096u /* of one log: 1 GiB */
#define NAMES        65536u /* words in the registry */
#define NAME_WINDOW  64u    /* a name may stand in this many words from its hash on */
#define READERS      2048u  /* reader words of a topic; number 0 is the virgin reader */

#define ALIGN_UP(n, to) (((n) + ((to) - 1)) / (to) * (to))

enum file_kind { FILE_BROKER = 1, FILE_TOPIC, FILE_BELL, FILE_LOG };

#define FILE_MAGIC 0x3130716d68732f2fULL /* "//shmq01" in memory order */

/* At offset 0 of every file. Written before the file is linked, immutable. */
struct file_head {
	uint64_t magic;
	uint32_t format; /* SHMQ_FORMAT_VERSION */
	uint32_t kind;   /* enum file_kind */
	uint64_t number; /* topic number; for the broker a random id */
	uint64_t bytes;  /* size of the file; a smaller one was truncated */
	uint32_t partition;
	uint32_t partitions;
	uint32_t slots;   /* frames a log holds: N */
	uint32_t extents; /* 256 KiB pieces of a log's pool: M */
	uint64_t first_offset; /* of a log's first message */
	uint64_t hash;    /* XXH3-64 of the fields above */
};
_Static_assert(sizeof(struct file_head) == 64, "on disk as drawn");

/* ---- words -------------------------------------------------------------------------- */

/* Session word: {epoch:62 | used:2}. Writer: whoever attaches, detaches or reaps, by CAS. The
 * epoch goes up at each attach and never wraps (2^62). */
#define SESSION_USED 1u
static inline uint64_t session_word(uint64_t epoch, unsigned used)
{
	return epoch << 2 | used;
}
static inline uint64_t session_word_epoch(uint64_t w)
{
	return w >> 2;
}
static inline bool session_word_used(uint64_t w)
{
	return (w & 3) == SESSION_USED;
}

/* Session ID: {epoch:48 | slot:13}. 2^48 attaches on one slot: 890 years at 10,000 a second. */
#define SESSION_SLOT_BITS 13
static inline uint64_t session_id(uint64_t epoch, unsigned slot)
{
	return epoch << SESSION_SLOT_BITS | slot;
}

/* Registry word: {state:2 | fingerprint:22 | number:40}; 0 is free. Writer: creators and deleters
 * by CAS. Numbers are never reused: 2^40 topics are 3.5 years of creating 10,000 a second, after
 * which creation is refused. */
enum { NAME_FREE = 0, NAME_TENTATIVE = 1, NAME_LIVE = 2 };
#define NUMBER_BITS 40
#define NUMBER_MAX  ((1ULL << NUMBER_BITS) - 1)
static inline uint64_t name_word(unsigned state, uint64_t hash, uint64_t number)
{
	return (uint64_t)state << 62 | (hash >> 42) << NUMBER_BITS | number;
}
static inline unsigned name_word_state(uint64_t w)
{
	return (unsigned)(w >> 62);
}
static inline uint64_t name_word_number(uint64_t w)
{
	return w & NUMBER_MAX;
}
static inline bool name_word_may_be(uint64_t w, uint64_t hash)
{
	return ((w ^ name_word(0, hash, 0)) << 2 >> (NUMBER_BITS + 2)) == 0;
}

/* State word of a topic: {next:62 | state:2}; next is 0 but in MOVED. Writer: whoever deletes or repairs
 * it, once, by CAS; that CAS is the moment of it. From then on nothing that is linked here is
 * acknowledged, and whoever meets the word finishes the rest. */
enum topic_state { TOPIC_LIVE = 1, TOPIC_DELETED = 2, TOPIC_MOVED = 3 };
static inline uint64_t topic_moved(uint64_t next)
{
	return next << 2 | TOPIC_MOVED;
}
static inline unsigned topic_word_state(uint64_t w)
{
	return (unsigned)(w & 3);
}
static inline uint64_t topic_word_next(uint64_t w)
{
	return w >> 2;
}

/* Slot word: {lap:40 | unit:24}. Position i stands in slot i mod N with lap i/N + 1; unit is the
 * frame's place in the pool in 64-byte steps. Writer: publishers, by CAS. A lap repeats after 2^40
 * rounds of at least 8 frames: 27 years at 10 M/s with the smallest ring. */
static inline uint64_t slot_word(uint64_t lap, uint64_t unit)
{
	return lap << 24 | unit;
}
static inline uint64_t slot_word_lap(uint64_t w)
{
	return w >> 24;
}
static inline uint64_t slot_word_unit(uint64_t w)
{
	return w & 0xffffff;
}

/* Extent word, by CAS of publishers:
 *   OWNED {1 | reserved:1 | epoch:49 | slot:13}   by the session that writes into it
 *   LEFT  {0 | reserved:1 | end:52 | fill:10}     end: one past the last position whose frame
 *         spans into it; fill: bytes used in 256-byte steps, rounded up, 1023 is full.
 * A LEFT extent with end <= head is free. A position wraps after 2^52 frames: 14 years at 10 M/s.
 * A LEFT word may come back with the same value (taken, nothing linked, left): it then says the
 * same, and what it says only grows more true as head moves. */
#define EXTENT_OWNED    (1ULL << 63)
#define EXTENT_RESERVED (1ULL << 62)
#define EXTENT_FULL     1023u
#define EXTENT_FILL_STEP 256u
static inline uint64_t extent_owned(uint64_t id)
{
	return EXTENT_OWNED | EXTENT_RESERVED | (id & (EXTENT_RESERVED - 1));
}
static inline uint64_t extent_owner(uint64_t w)
{
	return w & (EXTENT_RESERVED - 1);
}
static inline uint64_t extent_left(uint64_t end, unsigned fill)
{
	return EXTENT_RESERVED | (end & ((1ULL << 52) - 1)) << 10 | fill;
}
static inline uint64_t extent_end(uint64_t w)
{
	return w >> 10 & ((1ULL << 52) - 1);
}
static inline unsigned extent_fill(uint64_t w)
{
	return (unsigned)(w & 1023);
}

/* Head: {gen:16 | pos:48}. Everything below pos is gone. Writer: reclaimers move pos, attaching
 * readers move gen, both by CAS. pos is the low 48 bits, widened to the nearest position at hand. A
 * stale CAS would need 2^16 readers to attach while its maker is stopped between load and CAS, and
 * pos unmoved: gen alone never decides. */
#define POS_BITS 48
#define POS_MASK ((1ULL << POS_BITS) - 1)
static inline uint64_t word_low_pos(uint64_t w)
{
	return w & POS_MASK;
}
static inline uint64_t word_high(uint64_t w)
{
	return w >> POS_BITS;
}
static inline uint64_t word_of(uint64_t high, uint64_t pos)
{
	return high << POS_BITS | (pos & POS_MASK);
}
/* The position nearest to `near` whose low 48 bits are those of w: right while the two are less
 * than 2^47 apart, and never below 0. */
static inline uint64_t widen_pos(uint64_t w, uint64_t near)
{
	int64_t step = (int64_t)((w - near) << 16) >> 16;

	if (step < 0 && near < (uint64_t)-step)
		return word_low_pos(w);
	return near + (uint64_t)step;
}

/* Gate: {incarnation:16 | pos:48}: its reader needs nothing below pos. pos GATE_NONE: it holds
 * nothing (overrun, or a partition it does not read). Writer: the reader raises its own, a blocked
 * publisher sets GATE_NONE, both by CAS. A gate of another incarnation than the reader word's holds
 * everything. */
#define GATE_NONE POS_MASK

/* Reader word: {state:3 | incarnation:16 | epoch:32 | slot:13}. Writer: by CAS, its session; a reaper
 * or a blocked publisher. An incarnation repeats after 65,536 attaches on one reader word (its
 * session's epoch is in the word too); a gate of that old incarnation is overwritten before LIVE. */
enum reader_state {
	READER_FREE = 0,
	READER_VIRGIN,   /* word 0 only: nobody has read this topic */
	READER_CREATING, /* holds everything until its gates stand */
	READER_LIVE,     /* its gates say what it needs; may be overrun */
	READER_HOLD,     /* the same, but is waited for */
};
static inline uint64_t reader_word(enum reader_state s, uint64_t incarnation, uint64_t id)
{
	uint64_t epoch = id >> SESSION_SLOT_BITS & 0xffffffff;

	return (uint64_t)s << 61 | (incarnation & 0xffff) << 45 | epoch << 13 | (id & 8191);
}
static inline enum reader_state reader_word_state(uint64_t w)
{
	return (enum reader_state)(w >> 61);
}
static inline uint64_t reader_word_incarnation(uint64_t w)
{
	return w >> 45 & 0xffff;
}
static inline unsigned reader_word_slot(uint64_t w)
{
	return (unsigned)(w & 8191);
}
static inline uint32_t reader_word_epoch(uint64_t w)
{
	return (uint32_t)(w >> 13);
}

/* Watch: {checksum:20 | still:10 | ms:34}. Publishers who find a log full write down, by CAS, whom they
 * found at which gate (a checksum of its index, word and gate), how long it was seen to stand there (in
 * 4 ms, at most WATCH_STEP_MS from look to look: what nobody saw does not count, so a host that stood
 * still overruns nobody) and when they looked (CLOCK_BOOTTIME). So it does not matter whether one
 * publisher waits or many come and are refused. A lost mark costs one look; two holders of one checksum
 * (2^-20) make one be overrun early. ms wraps after 198 days: then one look is lost or counts 100 ms. */
#define WATCH_STEP_MS 100u
#define WATCH_UNIT_MS 4u
static inline uint64_t watch_word(uint64_t checksum, uint64_t still, uint64_t ms)
{
	return checksum << 44 | (still < 1023 ? still : 1023) << 34 | (ms & ((1ULL << 34) - 1));
}
static inline uint64_t watch_checksum(uint64_t w)
{
	return w >> 44;
}
static inline uint64_t watch_still(uint64_t w)
{
	return w >> 34 & 1023;
}
static inline uint64_t watch_since_ms(uint64_t w, uint64_t now_ms)
{
	return (now_ms - w) & ((1ULL << 34) - 1);
}

/* ---- files -------------------------------------------------------------------------- */

/* One per session slot, 128 bytes. Writer: the session in that slot, alone, with plain atomic
 * stores; the next one in the slot goes on from there. A reader may see one update late. */
struct slot_counters {
	atomic_u64 messages_published, bytes_published, frames_linked;
	atomic_u64 messages_delivered, bytes_delivered;
	atomic_u64 messages_dropped, messages_missed, publisher_blocks, wakeups;
	atomic_u64 spare[7];
};
_Static_assert(sizeof(struct slot_counters) == 2 * CACHE_LINE, "no sharing between slots");

struct broker_file {
	struct file_head head;
	uint8_t boot_id[40]; /* of the boot that made it, as text; checked off tmpfs */
	uint8_t pad0[PAGE - 64 - 40 - 3 * 8];
	atomic_u64 sessions_used_hint; /* session words ever used; CAS-max before the first use. Too low:
	                                  the dead in between are not reaped until it is raised */
	atomic_u64 reap_hint; /* where to look for dead sessions next; fetch_add; any value will do */
	atomic_u64 next_number; /* topic numbers given out; fetch_add; a dead creator's is skipped */
	atomic_u64 sessions[SESSIONS];
	atomic_u64 names[NAMES];
	struct slot_counters counters[SESSIONS]; /* reserved page by page at attach */
};
_Static_assert(offsetof(struct broker_file, sessions) == PAGE, "page");
_Static_assert(offsetof(struct broker_file, counters) % PAGE == 0, "page");

/* sessions/S.E: written before it is linked. The lock on it is what proves life. */
struct session_file {
	uint64_t id;
	uint32_t pid;
	char program[32];
	uint8_t pad[20];
};
_Static_assert(sizeof(struct session_file) == 64, "as drawn");

/* First offset of a topic that repair has made and nobody has moved to yet. */
#define OFFSET_UNSET UINT64_MAX

struct topic_file {
	struct file_head head;
	struct shmq_topic_options options;
	uint64_t created_ns;
	uint64_t creator; /* session ID: a dead creator's unregistered topic is swept */
	uint64_t hash;    /* of options .. creator and name */
	atomic_u64 state; /* topic_moved() and so on, above */
	atomic_u64 first_offset; /* of its logs: OFFSET_UNSET -> behind the old ones, once, by CAS of
	                            whoever moves the name here; 0 where there was nothing before */
	char name[SHMQ_NAME_MAX + 1];
};

struct bell_file {
	struct file_head head;
	_Alignas(64) atomic_u32 arrived; /* bell: publishers ring, readers sleep (bell.c) */
	_Alignas(64) atomic_u32 room;    /* bell: readers ring, blocked publishers sleep */
	_Alignas(64) atomic_u64 readers_used; /* reader words ever claimed: raised before the claim */
	atomic_u64 logs_made[SHMQ_PARTITIONS_MAX / 64]; /* bit P: log.P.0 is linked; set before the
	                                                   first frame of a publisher, never cleared */
	uint8_t pad[PAGE - 64 * 3 - 8 - SHMQ_PARTITIONS_MAX / 8];
	atomic_u64 readers[READERS];
	/* then heads: one cache line per partition; then, from the next page on, gates:
	   READERS rows of one word per partition, a row reserved by who claims its reader word */
};
_Static_assert(offsetof(struct bell_file, readers) == PAGE, "page");

struct head_line {
	_Alignas(64) atomic_u64 head;
	atomic_u64 watch; /* who holds this log back, and since when: see below */
};

static inline size_t bell_gates_at(unsigned partitions)
{
	return ALIGN_UP(sizeof(struct bell_file) + partitions * sizeof(struct head_line), PAGE);
}
static inline size_t bell_bytes(unsigned partitions)
{
	return ALIGN_UP(bell_gates_at(partitions) + (size_t)READERS * partitions * 8, PAGE);
}

struct log_file {
	struct file_head head;
	_Alignas(64) atomic_u64 tail_hint; /* about the newest position + 1; publishers, CAS-max */
	_Alignas(64) atomic_u64 slots_reserved; /* slots whose pages are reserved; CAS-max after
	                                           fallocate, in steps of SLOT_CHUNK */
	atomic_u64 run_wanted_ms;  /* until when (CLOCK_BOOTTIME) somebody waits for a run of extents:
	                              others keep out of the upper half (extent.c); a hint */
	uint8_t pad[PAGE - 64 * 2 - 16];
	/* then extents[M], from the next page on slots[N], from the next page on the pool */
};
#define SLOT_CHUNK 4096u
static inline size_t log_extents_at(void)
{
	return PAGE;
}
static inline size_t log_slots_at(unsigned extents)
{
	return ALIGN_UP(log_extents_at() + (size_t)extents * 8, PAGE);
}
static inline size_t log_pool_at(unsigned extents, unsigned slots)
{
	return ALIGN_UP(log_slots_at(extents) + (size_t)slots * 8, PAGE);
}
static inline size_t log_bytes(unsigned extents, unsigned slots)
{
	return log_pool_at(extents, slots) + (size_t)extents * EXTENT_BYTES;
}

/* No offset is larger: a JSON number holds it. Neither publishers nor readers believe one that is. */
#define OFFSET_MAX (1ULL << 53)

/* ---- the frame ---------------------------------------------------------------------- */

enum frame_flags {
	FRAME_DELIMITED = 1, /* every value is followed by `delimiter`, which no value contains;
	                        no ends column */
	FRAME_KEYS = 2,
	FRAME_HEADERS = 4,
	FRAME_PURGE = 8, /* count 0: everything before it was purged on purpose */
};

/* 64 bytes, 64-byte aligned, followed by `length - 64` bytes of columns:
 *   values[value_bytes]
 *   to 4:  u32 ends[count]           unless DELIMITED or count == 1: where value r ends
 *   KEYS:  u32 bytes, ends[count], bytes   bit 31 of an end: this row has a key
 *   HEADERS: u32 bytes, ends[count], bytes: per row {u32 name_len, u32 value_len, name, value}...
 * each section from a multiple of 4 on. Private until linked, then immutable. */
struct frame {
	uint64_t position;
	uint64_t offset;  /* of the first row */
	uint64_t bytes;   /* cumulative value bytes of the log before this frame */
	uint64_t time_ns; /* CLOCK_REALTIME, never before the predecessor's */
	uint32_t count;
	uint32_t length;
	uint32_t value_bytes;
	uint8_t flags;
	uint8_t delimiter;
	uint16_t reserved; /* 0 */
	uint64_t payload_hash; /* XXH3-64 of everything behind the header */
	uint64_t header_hash;  /* XXH3-64 of the 56 bytes before it */
};
_Static_assert(sizeof(struct frame) == 64, "one cache line");

#endif
