# SPDX-License-Identifier: MIT
# library.bats - libshm.a and shmq.h as a program of somebody else meets them.

load helpers

setup() {
	setup_broker
	TREE=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	LIB=$TREE/build/release/libshm.a
	cd "$BATS_TEST_TMPDIR" || return 1
}
teardown() { teardown_broker; }

@test "libshm.a gives a program no name but shmq_*" {
	nm -g --defined-only "$LIB" >names
	grep -q ' T shmq_pub_open$' names
	run -1 grep -vE '^$|^libshm.o:$| [A-Z] shmq_' names
}

@test "shmq.h stands alone: C11 without extensions, and C++ where there is a compiler" {
	echo '#include <shmq.h>' >alone.c
	cc -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$TREE/libshm" -fsyntax-only alone.c
	if command -v c++ >/dev/null; then
		cp alone.c alone.cc
		c++ -Wall -Wextra -Werror -I"$TREE/libshm" -fsyntax-only alone.cc
	fi
}

@test "a program with names like ours links and works" {
	cat >program.c <<-'END'
		#include <shmq.h>
		#include <stdio.h>
		int ring_link(void) { return 1; }
		int fail(void) { return 2; }
		int main(void)
		{
			struct shmq_message m = {.value = "hello", .value_len = 5, .partition = -1};
			struct shmq_open_options o = {.flags = SHMQ_CREATE};
			shmq_pub *pub;
			shmq *q;
			if (shmq_open(&q, &o) || shmq_pub_open(q, "t", NULL, &pub, NULL) ||
			    shmq_pub_send(pub, &m) || shmq_pub_flush(pub))
				return fprintf(stderr, "%s\n", shmq_error(q)), 1;
			shmq_pub_close(pub);
			shmq_close(q);
			return ring_link() + fail() - 3;
		}
	END
	cc -I"$TREE/libshm" -o program program.c "$LIB"
	./program
	[ "$(mqsub -e t)" = hello ]
}
