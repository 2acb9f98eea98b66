/* SPDX-License-Identifier: MIT */
/* racy_copy.c - copying bytes that may change meanwhile; alone in its file so that no sanitizer
 * and no compiler sees through it. */
#include "atomic.h"

#include <string.h>

#ifdef UNDER_TSAN
/* memcpy is intercepted by ThreadSanitizer even in functions that are not instrumented. */
__attribute__((no_sanitize("thread"), noinline)) void racy_copy(void *to, const void *from, size_t bytes)
{
	volatile unsigned char *d = to;
	const volatile unsigned char *s = from;

	while (bytes-- > 0)
		*d++ = *s++;
}
#else
void racy_copy(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
}
#endif
