/* SPDX-License-Identifier: MIT */
/*
 * layout.h - the memory format: every file of the runtime directory, word by word.
 * shmq-format(5) says the same in prose; a change here is a new SHMQ_FORMAT_VERSION.
 *
 *   DIR/broker            session table, registry of topic names, counters, doorbell of mqd
 *   DIR/daemon            what mqd says of itself and its store; written by it alone
 *   DIR/runs.S            what stands in segment S of its journal, until the segment says so itself; by mqd alone
 *   DIR/sessions/S.E      one locked file per session: slot S, epoch E
 *   DIR/t/N/topic         topic number N: its options; immutable but for two words
 *   DIR/t/N/bell          bells, readers, heads, gates
 *   DIR/t/N/log.P.0       partition P: extents, slots, pool, intents
 *   DIR/t/N/durable       of topics on disk: how far, and where in the store; written by mqd alone
 *   DIR/t/N/group.L            group L: members, leases, window of its return log
 *   DIR/t/N/group.L.config.K   its options, version K; immutable
 *   DIR/t/N/group.L.window.I   its incarnation I: a window per partition
 *   DIR/t/N/group.L.returns    its return log; as a log.P.0
 *   DIR/t/N/group.L.durable    as durable, of its return log
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

enum file_kind {
	FILE_BROKER = 1,
	FILE_TOPIC,
	FILE_BELL,
	FILE_LOG,
	FILE_GROUP,
	FILE_CONFIG,
	FILE_WINDOW,
	FILE_RETURNS,
	FILE_DAEMON,
	FILE_DURABLE,
	FILE_RUNS,
};

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
	uint32_t slots;   /* frames a log holds: N; words of a window */
	uint32_t extents; /* 256 KiB pieces of a log's pool: M; of windows: spans behind the words */
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

/* Reader word: {state:3 | incarnation:16 | epoch:32 | slot:13} of a session, or
 * {state:3 | incarnation:16 | fingerprint:13 | number:32} of a group. Writer: by CAS, its session; a reaper
 * or a blocked publisher; of a group, whoever makes, moves or deletes it. An incarnation repeats after
 * 65,536 attaches on one reader word (its session's epoch is in the word too); a gate of that old
 * incarnation is overwritten before LIVE. Numbers of a topic's groups are never reused: 2^32 are 50 days of
 * a thousand new groups a second, after which there is no other. */
enum reader_state {
	READER_FREE = 0,
	READER_VIRGIN,   /* word 0 only: nobody has read this topic */
	READER_CREATING, /* holds everything until its gates stand */
	READER_LIVE,     /* its gates say what it needs; may be overrun */
	READER_HOLD,     /* the same, but is waited for */
	READER_TENTATIVE, /* a group that is being made: holds everything, as CREATING (group_name.h) */
	READER_GROUP,     /* a group: as HOLD */
};
static inline uint64_t reader_word(enum reader_state s, uint64_t incarnation, uint64_t id)
{
	uint64_t epoch = id >> SESSION_SLOT_BITS & 0xffffffff;

	return (uint64_t)s << 61 | (incarnation & 0xffff) << 45 | epoch << 13 | (id & 8191);
}
static inline uint64_t reader_group_word(enum reader_state s, uint64_t incarnation, uint64_t hash,
                                         uint64_t number)
{
	return (uint64_t)s << 61 | (incarnation & 0xffff) << 45 | hash >> 51 << 32 | (number & 0xffffffff);
}
#define GROUP_NUMBER_MAX 0xffffffffu
static inline uint64_t reader_word_group(uint64_t w)
{
	return w & GROUP_NUMBER_MAX;
}
static inline bool reader_word_may_be(uint64_t w, uint64_t hash)
{
	return (w >> 32 & 0x1fff) == hash >> 51;
}
static inline bool reader_state_is_group(enum reader_state s)
{
	return s == READER_TENTATIVE || s == READER_GROUP;
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

/* Word of a message in a window: {lap:8 | tag:12 | deliveries:8 | state:3 | low:33}, by CAS of the group's
 * consumers. The message at offset o has word (o - base) mod W with lap (o - base) / W + 1.
 *   low   DONE: the high bits of the lap, so that no lap repeats in 2^41 * W messages; WAITING: when it is
 *         due, CLOCK_BOOTTIME in ms modulo 2^33 (compared by distance: a delay is at most 30 days);
 *         CLAIMED, WORKING, SETTLING, PARKED_SETTLING: its owner {session slot:13 | lease seq:20}
 *   tag   goes up at every claim and is kept by DONE: 4,096 claims of one message by one lease, while
 *         another process stands between its load and its CAS, repeat a word
 * DONE of an earlier lap is free (so is a zeroed file). A held word's lap has 8 bits: a word is only believed
 * while floor <= o < floor + W. */
enum word_state {
	WORD_DONE = 0,
	WORD_CLAIMED,         /* in somebody's hands, not begun: not counted */
	WORD_WORKING,         /* begun: counted in deliveries */
	WORD_WAITING,         /* anybody's, from its due time on */
	WORD_SETTLING,        /* WORKING, and its owner's intent decides (settle.c) */
	WORD_PARKED,          /* a dead letter; in return logs only */
	WORD_PARKED_SETTLING, /* the same as SETTLING, of a dead letter */
};
#define WORD_LOW_BITS 33
#define WORD_LOW_MASK ((1ULL << WORD_LOW_BITS) - 1)
static inline uint64_t word_make(uint64_t lap, uint64_t tag, uint64_t deliveries, enum word_state state,
                                 uint64_t low)
{
	return (lap & 0xff) << 56 | (tag & 0xfff) << 44 | (deliveries & 0xff) << 36 |
	       (uint64_t)state << WORD_LOW_BITS | (low & WORD_LOW_MASK);
}
static inline uint64_t word_lap(uint64_t w)
{
	return w >> 56;
}
static inline uint64_t word_tag(uint64_t w)
{
	return w >> 44 & 0xfff;
}
static inline unsigned word_deliveries(uint64_t w)
{
	return (unsigned)(w >> 36 & 0xff);
}
static inline enum word_state word_state(uint64_t w)
{
	return (enum word_state)(w >> WORD_LOW_BITS & 7);
}
static inline uint64_t word_low(uint64_t w)
{
	return w & WORD_LOW_MASK;
}
/* Of a DONE word: the whole lap, 41 bits. */
static inline uint64_t word_done_lap(uint64_t w)
{
	return word_low(w) << 8 | word_lap(w);
}
static inline uint64_t word_done(uint64_t lap, uint64_t tag, uint64_t deliveries)
{
	return word_make(lap, tag, deliveries, WORD_DONE, lap >> 8);
}
static inline uint64_t word_owner(unsigned slot, uint64_t lease_seq)
{
	return (uint64_t)slot << 20 | (lease_seq & 0xfffff);
}
static inline unsigned word_owner_slot(uint64_t low)
{
	return (unsigned)(low >> 20 & (SESSIONS - 1));
}
static inline bool word_is_held(uint64_t w)
{
	enum word_state s = word_state(w);

	return s == WORD_CLAIMED || s == WORD_WORKING || s == WORD_SETTLING || s == WORD_PARKED_SETTLING;
}
static inline bool word_is_settling(uint64_t w)
{
	return word_state(w) == WORD_SETTLING || word_state(w) == WORD_PARKED_SETTLING;
}

/* Where the next consumer looks for what nobody has claimed: {position:36 | row:28}; a hint, moved by CAS,
 * whoever claims checks word by word. The position is widened to the nearest: they are less than 2^35 apart. */
#define CLAIM_ROW_BITS 28
#define CLAIM_ROW_MASK ((1ULL << CLAIM_ROW_BITS) - 1)
static inline uint64_t claim_make(uint64_t position, uint64_t row)
{
	return position << CLAIM_ROW_BITS | (row & CLAIM_ROW_MASK);
}
static inline uint64_t claim_row(uint64_t c)
{
	return c & CLAIM_ROW_MASK;
}
static inline uint64_t claim_position(uint64_t c, uint64_t near)
{
	int64_t step = (int64_t)((c >> CLAIM_ROW_BITS << 28) - (near << 28)) >> 28;

	if (step < 0 && near < (uint64_t)-step)
		return c >> CLAIM_ROW_BITS;
	return near + (uint64_t)step;
}

/* Lease word of a member: {seq:20 | until:42 | state:2}; until: CLOCK_BOOTTIME in ms. Writers: its session
 * makes it LIVE and renews it; anybody makes it BROKEN when it has run out or its session is proved dead; both
 * by CAS. Words of its consumers name slot and seq, and belong to nobody once the lease has another seq or is
 * not LIVE. A seq is given out again after 2^20 leases of one session slot in one group, when none of its old
 * words are left: each new lease begins with a search for them. */
enum lease_state { LEASE_NONE = 0, LEASE_LIVE, LEASE_BROKEN, LEASE_LEFT };
static inline uint64_t lease_make(uint64_t seq, uint64_t until_ms, enum lease_state s)
{
	return seq << 44 | (until_ms & ((1ULL << 42) - 1)) << 2 | (uint64_t)s;
}
static inline uint64_t lease_seq(uint64_t w)
{
	return w >> 44;
}
static inline uint64_t lease_until_ms(uint64_t w)
{
	return w >> 2 & ((1ULL << 42) - 1);
}
static inline enum lease_state lease_state(uint64_t w)
{
	return (enum lease_state)(w & 3);
}

/* Owner of a partition in an ordered group: {generation:30 | held:1 | slot:13 | lease seq:20}. Writer:
 * consumers, by CAS; the generation goes up whenever it changes hands. */
#define OWNER_HELD (1ULL << 33)
static inline uint64_t owner_make(uint64_t generation, uint64_t owner)
{
	return generation << 34 | OWNER_HELD | owner;
}
static inline uint64_t owner_none(uint64_t generation)
{
	return generation << 34;
}
static inline uint64_t owner_generation(uint64_t w)
{
	return w >> 34;
}
static inline uint64_t owner_low(uint64_t w)
{
	return w & WORD_LOW_MASK;
}

/* Control word of an intent: {seq:62 | state:2}. Writers: the session of the slot, resolvers (ARMED -> LOST)
 * and reclaimers (ARMED -> WON), by CAS. The seq is the slot's for ever: it outlives sessions. */
enum intent_state { INTENT_IDLE = 0, INTENT_ARMED, INTENT_WON, INTENT_LOST };
static inline uint64_t intent_control(uint64_t seq, enum intent_state s)
{
	return seq << 2 | (uint64_t)s;
}
static inline uint64_t intent_seq(uint64_t c)
{
	return c >> 2;
}
static inline enum intent_state intent_state(uint64_t c)
{
	return (enum intent_state)(c & 3);
}

/* State word of a group: {attaches:62 | state:2}. Every consumer that attaches counts it up; whoever deletes
 * the group, or finds that it has been idle for too long, CASes what was loaded: one that slept in between fails. */
enum group_state { GROUP_LIVE = 1, GROUP_DELETED = 2 };
static inline uint64_t group_state_word(uint64_t attaches, enum group_state s)
{
	return attaches << 2 | (uint64_t)s;
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

/* Which topics have something that mqd has not seen: a bit for each number modulo TOPIC_BITS, and a bit for each
 * word of those that is not 0. Set by whoever links a frame, or changes what a group has done, of a topic on disk,
 * behind that; taken by mqd, before it looks. Two topics of one bit are both looked at. */
#define TOPIC_BITS 65536u
struct topic_bits {
	atomic_u64 top[TOPIC_BITS / 64 / 64];
	atomic_u64 bit[TOPIC_BITS / 64];
};

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
	_Alignas(PAGE) atomic_u32 work; /* bell: mqd sleeps */
	_Alignas(64) atomic_u32 durable; /* bell: who waits for the disk sleeps; mqd rings */
	_Alignas(64) atomic_u64 round_wanted; /* highest round of acks that somebody waits for; CAS-max */
	_Alignas(64) struct topic_bits linked, acked;
	_Alignas(PAGE) struct slot_counters counters[SESSIONS]; /* reserved page by page at attach */
};
_Static_assert(offsetof(struct broker_file, sessions) == PAGE, "page");
_Static_assert(offsetof(struct broker_file, counters) % PAGE == 0, "page");

/* DIR/daemon. Made by the first mqd that runs here, taken over by the next. Writer: mqd, with plain atomic stores; it
 * dies: what the words say stays true. head.number is the id of the store. */
#define STORE_DIR_MAX 3072u
struct daemon_file {
	struct file_head head;
	uint64_t hash; /* of store */
	char store[STORE_DIR_MAX]; /* absolute path of the store's directory */
	uint8_t pad[PAGE - 64 - 8 - STORE_DIR_MAX];
	_Alignas(64) atomic_u64 session; /* ID of its session; 0: none yet. It runs while that is alive */
	atomic_u64 state;   /* enum daemon_state */
	atomic_u64 commit;  /* sequence of the newest commit that is durable */
	atomic_u64 segment; /* sequence of the segment being written */
	atomic_u64 started_ns; /* CLOCK_REALTIME */
	atomic_u64 error;   /* errno that the store failed with last; 0: none */
	atomic_u64 complete; /* 1: memory has everything that the store has; 0: an mqd died while it brought it back */
	_Alignas(64) atomic_u64 rounds_begun;   /* of looking at what groups have done; up before the words are read */
	atomic_u64 rounds_durable; /* what was done before round r began is durable once this is r or more */
	_Alignas(64) atomic_u64 commits, bytes, syncs, sync_ns; /* never go down while the file is there */
	atomic_u64 store_bytes; /* of its segments and snapshots */
	atomic_u64 spare[3];
};
enum daemon_state {
	DAEMON_STARTING = 0, /* it reads its store */
	DAEMON_RUNS,
	DAEMON_FULL,         /* no room on the disk, or its limit is reached: waits until something can be let go */
	DAEMON_FAILED,       /* the disk refuses twice what is written: nothing becomes durable */
	DAEMON_STOPPED,      /* it has left in order */
};

/* DIR/runs.S */
struct runs_file {
	struct file_head head; /* number: the segment's sequence; bytes: as large as it can get */
	_Alignas(64) atomic_u64 count;
	uint8_t pad[PAGE - 128];
	/* then struct run_entry (journal.h), backed before they are counted */
};

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
	atomic_u64 retain_ns, retain_bytes, retain_flags; /* of topics on disk: struct shmq_retention; may be altered */
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
	atomic_u64 next_group; /* group numbers given out; fetch_add; a dead creator's is skipped */
	uint8_t pad[PAGE - 64 * 3 - 16 - SHMQ_PARTITIONS_MAX / 8];
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

/* Tables with an entry of 128 bytes for each session slot, backed page by page: bit p says that page p is. */
#define SLOT_ENTRY_BYTES 128u
#define SLOT_PAGE_ENTRIES (PAGE / SLOT_ENTRY_BYTES)
#define SLOT_PAGE_WORDS (SESSIONS / SLOT_PAGE_ENTRIES / 64)

/* Intent of a session that settles into this log: see settle.h. */
struct intent_fields {
	atomic_u64 position;              /* where the frame shall stand, or nowhere */
	atomic_u64 frame_word, null_word; /* slot words of the frame, and of an empty one for the same position */
	atomic_u64 topic, group, incarnation, partition_offset; /* of the message that it settles: the last
	                                     is {partition:8 | offset:56}; incarnation 0: the return log */
};
struct intent {
	_Alignas(SLOT_ENTRY_BYTES) atomic_u64 control;
	struct intent_fields fields[2]; /* of seq modulo 2: those of one seq stand while the next are written */
};
_Static_assert(sizeof(struct intent) == SLOT_ENTRY_BYTES, "an entry");

/* Where a log begins: at 0, but behind what the store has of it from before memory was made anew. Immutable. */
struct log_base {
	uint64_t position, offset, bytes, time_ns;
	uint64_t hash; /* XXH3-64 of the fields before it */
};

struct log_file {
	struct file_head head;
	_Alignas(64) struct log_base base; /* offset: head.first_offset */
	uint8_t pad1[64 - sizeof(struct log_base)];
	_Alignas(64) atomic_u64 tail_hint; /* about the newest position + 1; publishers, CAS-max */
	_Alignas(64) atomic_u64 slots_reserved; /* slots whose pages are reserved; CAS-max after
	                                           fallocate, in steps of SLOT_CHUNK */
	atomic_u64 run_wanted_ms;  /* until when (CLOCK_BOOTTIME) somebody waits for a run of extents:
	                              others keep out of the upper half (extent.c); a hint */
	uint8_t pad0[64 - 16];
	_Alignas(64) atomic_u64 intent_pages[SLOT_PAGE_WORDS]; /* set before an intent there is armed */
	uint8_t pad[PAGE - 64 * 4 - SLOT_PAGE_WORDS * 8];
	/* then extents[M], from the next page on slots[N], from the next page on the pool, then intents[] */
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
static inline size_t log_intents_at(unsigned extents, unsigned slots)
{
	return log_pool_at(extents, slots) + (size_t)extents * EXTENT_BYTES;
}
static inline size_t log_bytes(unsigned extents, unsigned slots)
{
	return log_intents_at(extents, slots) + SESSIONS * sizeof(struct intent);
}

/* ---- durable -------------------------------------------------------------------------- */

/* One log of a topic on disk, as mqd says it: all of it only rises. */
struct durable_line {
	_Alignas(64) atomic_u64 position; /* frames below are in the store, and stay there */
	atomic_u64 offset;                /* of the first message that is not */
	atomic_u64 low_position, low_offset; /* what is below was let go: too old, too much */
	atomic_u64 entries; /* of its table, and */
	atomic_u64 version; /* odd while it is written anew; what was read across a change is read again */
	atomic_u64 gaps;    /* in its list */
	atomic_u64 spare;
	/* Where the log in memory begins: written before anybody can make it. */
	_Alignas(64) atomic_u64 base_position, base_offset, base_bytes, base_ns;
};

/* Offsets that no message has: from <= o < to. Memory was made anew at `to`. */
struct offset_gap {
	uint64_t from, to;
};
#define GAPS_MAX 1024u /* of one log: as many losses of power within what it keeps */

/* Where frames stand in the store: from first_position on in that segment, up to the next entry. */
struct stored_entry {
	uint64_t first_position, first_offset, first_bytes;
	uint64_t first_ns; /* time of the frame there */
	uint64_t segment;  /* its sequence */
	uint64_t gaps;     /* offsets below first_offset that no message has */
};
#define STORED_MAX 65536u /* of one log: 4 TiB in segments of 64 MiB */

/* durable, group.L.durable: head.partitions lines (of a return log one), then for each a list of gaps, then for each a
 * table; pages of both are backed before they are counted. */
struct durable_file {
	struct file_head head; /* partition: 0, or the group's number */
	struct durable_line lines[];
};
static inline size_t durable_gaps_at(unsigned partitions)
{
	return ALIGN_UP(sizeof(struct durable_file) + partitions * sizeof(struct durable_line), PAGE);
}
static inline size_t durable_table_at(unsigned partitions)
{
	return durable_gaps_at(partitions) + (size_t)partitions * GAPS_MAX * sizeof(struct offset_gap);
}
static inline size_t durable_bytes(unsigned partitions)
{
	return durable_table_at(partitions) + (size_t)partitions * STORED_MAX * sizeof(struct stored_entry);
}

/* ---- groups ------------------------------------------------------------------------- */

/* Messages that were done when memory was made anew from a store: from <= offset < to. No word says so: the window may
 * begin farther below than its words reach, for a settling frame is durable at once, and acks of others before it later. */
struct done_span {
	uint64_t from, to;
};

/* The messages of one log that a group has to do with: words for W of them. */
struct window_line {
	_Alignas(64) atomic_u64 floor_hint; /* offset: every message before it is DONE. CAS-max; too low: words
	                                       are looked at again, and publishers wait longer */
	atomic_u64 base;     /* offset of the first word; written before the file is linked */
	atomic_u64 words_reserved; /* words whose pages are backed; CAS-max behind fallocate */
	atomic_u64 done_first, done_count; /* done_span of this line, among those of the file; sorted, apart from each */
	atomic_u64 done_hash;              /* other. XXH3-64 of them. Written before the file is linked */
	_Alignas(64) atomic_u64 claim_hint; /* claim_make(); not used by ordered groups, and return logs */
	_Alignas(64) atomic_u64 owner;      /* owner_make(); ordered groups */
};
#define WORD_CHUNK 4096u /* words backed at once */

/* One per session slot. Writer: the session in that slot; the lease: see above. */
struct member {
	_Alignas(SLOT_ENTRY_BYTES) atomic_u64 session; /* ID of the last consumer in this slot; 0: never one */
	atomic_u64 lease;
	atomic_u64 target_topic, target_log; /* log of the open settle: partition + 1, or TARGET_RETURNS; changed
	                                        only when no word of this member is SETTLING */
	atomic_u64 delivered, acked, redelivered, dead_lettered, dropped, filtered; /* never go down */
	atomic_u64 consumes; /* 0: it only settles dead letters */
	atomic_u64 spare[5];
};
_Static_assert(sizeof(struct member) == SLOT_ENTRY_BYTES, "an entry");
#define TARGET_RETURNS (1ULL << 32)

struct group_file {
	struct file_head head;
	uint64_t lineage; /* L */
	uint64_t created_ns;
	uint64_t creator; /* session ID */
	uint64_t hash;    /* of the fields before it, behind head, and of name */
	char name[SHMQ_NAME_MAX + 7];
	_Alignas(64) atomic_u64 state; /* group_state_word() */
	atomic_u64 config;   /* version of the options: CAS-max, behind the linking of its file */
	atomic_u64 paused;   /* 1: consumers claim nothing */
	atomic_u64 used_ms;  /* CLOCK_BOOTTIME when a consumer was last here; CAS-max */
	atomic_u64 returns_full; /* how often there was no room in the return log */
	atomic_u64 looked_ms; /* CLOCK_BOOTTIME when somebody last looked at the leases; too low: once more */
	_Alignas(64) atomic_u64 current;  /* incarnation I; its low 16 bits are those of the reader word */
	_Alignas(64) atomic_u64 returned; /* goes up whenever a message comes back: sleepers look for it */
	struct head_line returns_head;    /* head of the return log */
	struct window_line returns;       /* window of the return log; head.slots words */
	atomic_u64 member_pages[SLOT_PAGE_WORDS];
	uint8_t pad[PAGE - 64 - 4 * 8 - 256 - 32 - 64 * 3 - 64 - 64 * 3 - SLOT_PAGE_WORDS * 8];
	struct member members[SESSIONS];
	/* then the words of the return window, then head.extents done_span */
};
_Static_assert(offsetof(struct group_file, members) == PAGE, "page");
static inline size_t group_bytes(unsigned words, unsigned spans)
{
	return sizeof(struct group_file) + (size_t)words * 8 + (size_t)spans * sizeof(struct done_span);
}

/* group.L.config.K */
struct config_file {
	struct file_head head;
	uint64_t lineage, version;
	uint64_t mode, retries, dead, returns_rows, window;
	int64_t lease_ns, backoff_ns, backoff_max_ns, expire_ns;
	uint64_t returns_bytes;
	uint64_t hash; /* of the fields before it, behind head, and of filter */
	char filter[SHMQ_FILTER_MAX + 1];
};

/* group.L.window.I: head.slots words for each of head.partitions. */
struct window_file {
	struct file_head head;
	uint64_t lineage, incarnation;
	uint64_t creator; /* session ID: what a dead maker of a group leaves is swept */
	uint8_t pad[PAGE - 64 - 24];
	/* then a struct window_line per partition, from the next page on the words, then head.extents done_span */
};
static inline size_t window_words_at(unsigned partitions)
{
	return ALIGN_UP(sizeof(struct window_file) + partitions * sizeof(struct window_line), PAGE);
}
static inline size_t window_bytes(unsigned partitions, unsigned words, unsigned spans)
{
	return window_words_at(partitions) + (size_t)partitions * words * 8 + (size_t)spans * sizeof(struct done_span);
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
	FRAME_META = 16, /* has a section of items, see enum meta_type */
};

/* 64 bytes, 64-byte aligned, followed by `length - 64` bytes of columns:
 *   values[value_bytes]
 *   to 4:  u32 ends[count]           unless DELIMITED or count == 1: where value r ends
 *   KEYS:  u32 bytes, ends[count], bytes   bit 31 of an end: this row has a key
 *   HEADERS: u32 bytes, ends[count], bytes: per row {u32 name_len, u32 value_len, name, value}...
 *   META: u32 bytes, then items {u32 type, u32 bytes, data up to the next multiple of 4}
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

/* A frame with META may be so much longer than a quarter of the pool: a message of the largest size can be
 * settled. */
#define FRAME_META_ROOM 128u

enum meta_type {
	META_SETTLES = 1, /* struct meta_settles: linking this frame is acking that message */
	META_RETURN = 2,  /* struct meta_return, then text: the frame's only row is a group's returned message */
};

struct meta_settles {
	uint64_t topic, group, incarnation; /* incarnation 0: the group's return log */
	uint64_t partition, offset;
};

/* What a word of the return window that nobody has touched yet stands for, and what is known of the message. */
struct meta_return {
	uint8_t state;  /* WORD_WAITING, WORD_CLAIMED, WORD_WORKING, WORD_PARKED */
	uint8_t reason; /* enum shmq_reason */
	uint16_t deliveries;
	uint32_t requeues;
	uint64_t low;   /* as in the word */
	uint64_t origin_offset, origin_ns; /* where and when it was published */
	uint64_t first_ns, dead_ns;        /* CLOCK_REALTIME */
	uint32_t origin_partition;
	int32_t status;
	uint32_t text_bytes, spare;
	uint64_t letter; /* of a dead letter that was moved: 1 + the offset it had first; else 0 */
};
_Static_assert(sizeof(struct meta_return) == 72, "as drawn");

#endif
