/* SPDX-License-Identifier: MIT */
/*
 * records_format.h - the two binary framings, for those who read them and those who write
 * them. This comment is their one definition.
 *
 * Length-prefixed values (-L): the value only, nothing else of the message.
 *
 *     0  u32  n, big-endian: bytes of the value
 *     4  n    the value
 *
 * Records (-B): everything that a message has, for arbitrary bytes. Little-endian, packed,
 * no padding; the records follow each other without anything in between.
 *
 *     0  u8   magic: 0xB7
 *     1  u8   version: 1
 *     2  u8   flags: bit 0: the message has a key (which may be empty); other bits are 0
 *     3  u8   t: bytes of the topic's name, 0: not said
 *     4  u32  partition that it came from
 *     8  u64  offset that it came from
 *    16  u64  time of that message: nanoseconds since 1970, UTC
 *    24  u32  k: bytes of the key; 0 when there is none
 *    28  u32  c: headers
 *    32  u32  h: bytes of all headers
 *    36  u32  n: bytes of the value
 *    40  t    topic
 *        k    key
 *        h    c headers: u32 bytes of the name, u32 bytes of the value, name, value
 *        n    value
 *
 * A reader refuses another magic, another version and flags that it does not know: a field
 * that comes later raises the version. Topic, partition, offset and time say where the record
 * was; publishing it gives it new ones.
 */
#ifndef RECORDS_FORMAT_H
#define RECORDS_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LEN32_PREFIX_BYTES = 4,

	RECORDS_MAGIC = 0xB7,
	RECORDS_VERSION = 1,
	RECORDS_HAS_KEY = 1,
	RECORDS_HEAD_BYTES = 40, /* before the topic */
	RECORDS_FIELD_BYTES = 8, /* before the name of a header: its two lengths */
	RECORDS_TOPIC_MAX = 255,
};

struct records_head {
	bool has_key;
	uint8_t topic_bytes;
	uint32_t partition;
	uint64_t offset;
	uint64_t time_ns;
	uint32_t key_bytes;
	uint32_t header_count;
	uint32_t header_bytes;
	uint32_t value_bytes;
};

static inline void be32_put(unsigned char *to, uint32_t v)
{
	to[0] = (unsigned char)(v >> 24);
	to[1] = (unsigned char)(v >> 16);
	to[2] = (unsigned char)(v >> 8);
	to[3] = (unsigned char)v;
}

static inline uint32_t be32_get(const unsigned char *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static inline void le32_put(unsigned char *to, uint32_t v)
{
	to[0] = (unsigned char)v;
	to[1] = (unsigned char)(v >> 8);
	to[2] = (unsigned char)(v >> 16);
	to[3] = (unsigned char)(v >> 24);
}

static inline uint32_t le32_get(const unsigned char *from)
{
	return (uint32_t)from[3] << 24 | (uint32_t)from[2] << 16 | (uint32_t)from[1] << 8 | from[0];
}

static inline void le64_put(unsigned char *to, uint64_t v)
{
	le32_put(to, (uint32_t)v);
	le32_put(to + 4, (uint32_t)(v >> 32));
}

static inline uint64_t le64_get(const unsigned char *from)
{
	return (uint64_t)le32_get(from + 4) << 32 | le32_get(from);
}

/* Writes the RECORDS_HEAD_BYTES of a record's head. */
static inline void records_head_put(unsigned char *to, const struct records_head *h)
{
	to[0] = RECORDS_MAGIC;
	to[1] = RECORDS_VERSION;
	to[2] = h->has_key ? RECORDS_HAS_KEY : 0;
	to[3] = h->topic_bytes;
	le32_put(to + 4, h->partition);
	le64_put(to + 8, h->offset);
	le64_put(to + 16, h->time_ns);
	le32_put(to + 24, h->key_bytes);
	le32_put(to + 28, h->header_count);
	le32_put(to + 32, h->header_bytes);
	le32_put(to + 36, h->value_bytes);
}

#define RECORDS_NO_MAGIC "does not begin as a record does (its first byte is not 0xB7)"

/* Reads the RECORDS_HEAD_BYTES of a record's head. NULL, or what is wrong with the record, as
 * a sentence without its subject. */
static inline const char *records_head_get(const unsigned char *from, struct records_head *h)
{
	if (from[0] != RECORDS_MAGIC)
		return RECORDS_NO_MAGIC;
	if (from[1] != RECORDS_VERSION)
		return "is of another version of the record format";
	if ((from[2] & ~RECORDS_HAS_KEY) != 0)
		return "has flags that this version does not know";
	h->has_key = from[2] & RECORDS_HAS_KEY;
	h->topic_bytes = from[3];
	h->partition = le32_get(from + 4);
	h->offset = le64_get(from + 8);
	h->time_ns = le64_get(from + 16);
	h->key_bytes = le32_get(from + 24);
	h->header_count = le32_get(from + 28);
	h->header_bytes = le32_get(from + 32);
	h->value_bytes = le32_get(from + 36);
	if (!h->has_key && h->key_bytes != 0)
		return "has the bytes of a key, but says that it has no key";
	if (h->header_bytes / RECORDS_FIELD_BYTES < h->header_count)
		return "has more headers than fit into the bytes that it says they take";
	return NULL;
}

/* Bytes after the head; what a stream says may be up to 16 GiB. */
static inline uint64_t records_body_bytes(const struct records_head *h)
{
	return (uint64_t)h->topic_bytes + h->key_bytes + h->header_bytes + h->value_bytes;
}

#endif
