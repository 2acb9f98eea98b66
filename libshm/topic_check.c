/* SPDX-License-Identifier: MIT */
/* topic_check.c - which names and options a topic may have. */
#include "topic_check.h"

#include "layout.h"

#include <string.h>

#define DEFAULT_SLOTS 65536u
#define DEFAULT_POOL  (64ULL << 20)
#define DEFAULT_KEEP  (1ULL << 20)
#define DEFAULT_AGE   (7 * INT64_C(86400) * 1000000000)
#define RETENTION_AGE_MIN   (INT64_C(60) * 1000000000)
#define RETENTION_BYTES_MIN (1ULL << 20)

int shmq_topic_name_check(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > SHMQ_NAME_MAX || name[0] == '-' || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return SHMQ_EINVAL;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		          c == '.' || c == '_' || c == '-';
		if (!ok)
			return SHMQ_EINVAL;
	}
	return 0;
}

int topic_name_check(struct error *e, const char *name)
{
	if (shmq_topic_name_check(name) == 0)
		return 0;
	return fail(e, SHMQ_EINVAL,
	            "topic name %.80s: 1 to %d characters of A-Z a-z 0-9 . _ - are allowed", name,
	            SHMQ_NAME_MAX);
}

int retention_check(struct error *e, struct shmq_retention *r)
{
	if (r->age_ns == 0)
		r->age_ns = DEFAULT_AGE;
	if (r->age_ns < RETENTION_AGE_MIN)
		return fail(e, SHMQ_EINVAL, "retention: %lld ns, at least one minute", (long long)r->age_ns);
	if (r->bytes != 0 && r->bytes < RETENTION_BYTES_MIN)
		return fail(e, SHMQ_EINVAL, "retention: %llu bytes, at least 1 MiB", (unsigned long long)r->bytes);
	return 0;
}

int topic_options_check(struct error *e, struct shmq_topic_options *o)
{
	if (o->partitions == 0)
		o->partitions = 1;
	if (o->slots == 0)
		o->slots = DEFAULT_SLOTS;
	if (o->pool_bytes == 0)
		o->pool_bytes = DEFAULT_POOL;
	if (o->keep_bytes == 0)
		o->keep_bytes = DEFAULT_KEEP < o->pool_bytes ? DEFAULT_KEEP : o->pool_bytes;
	if (o->partitions > SHMQ_PARTITIONS_MAX)
		return fail(e, SHMQ_EINVAL, "partitions: %u, at most %d", o->partitions,
		            SHMQ_PARTITIONS_MAX);
	if (o->slots < 8 || o->slots > 1u << 20 || (o->slots & (o->slots - 1)) != 0)
		return fail(e, SHMQ_EINVAL, "slots: %u, must be a power of two from 8 to 1048576",
		            o->slots);
	if (o->pool_bytes < 4 * EXTENT_BYTES || o->pool_bytes > 1ULL << 30 ||
	    o->pool_bytes % EXTENT_BYTES != 0)
		return fail(e, SHMQ_EINVAL,
		            "memory: %llu bytes, must be a multiple of 256K from 1M to 1G",
		            (unsigned long long)o->pool_bytes);
	if (o->keep_bytes > o->pool_bytes)
		return fail(e, SHMQ_EINVAL, "keep: %llu bytes, more than the memory of %llu",
		            (unsigned long long)o->keep_bytes, (unsigned long long)o->pool_bytes);
	if (o->full > SHMQ_FULL_DROP_OLD)
		return fail(e, SHMQ_EINVAL, "full: %u is not block, reject or drop-old",
		            (unsigned)o->full);
	if (o->storage > SHMQ_STORAGE_DISK)
		return fail(e, SHMQ_EINVAL, "storage: %u is not memory or disk", (unsigned)o->storage);
	return retention_check(e, &o->retention);
}

bool topic_options_valid(const struct shmq_topic_options *o)
{
	struct shmq_topic_options copy = *o;
	struct error e;

	return o->partitions != 0 && o->slots != 0 && o->pool_bytes != 0 && o->keep_bytes != 0 &&
	       topic_options_check(&e, &copy) == 0;
}
