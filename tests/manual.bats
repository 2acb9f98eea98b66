# SPDX-License-Identifier: MIT
# manual.bats - the manuals of concepts, format and functions say what the code does.

load helpers

setup() {
	setup_broker
	ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	MAN=$ROOT/man
	HEADER=$ROOT/libshm/shmq.h
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	teardown_broker
}

# Of the build whose tools are tested: its libraries.
library() {
	local build=${BUILD:-$ROOT/build}

	ls "$build/$1" 2>/dev/null || ls "$build/release/$1"
}

compile() {
	cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$ROOT/libshm" -I"$ROOT/cmd/common" "$@"
}

# ---- all pages ----

# Pages of Debian's that ours refer to. Which of them are installed differs from machine to machine.
OTHERS="cat.1 grep.1 execve.2 flock.2 fork.2 futex.2 linkat.2 logind.conf.5 posix_fallocate.3 strftime.3 systemd-logind.8 tmpfs.5"

@test "every reference to a manual, a section and a function leads somewhere" {
	for page in "$MAN"/*.[1-8]; do
		while read -r name section; do
			echo "$page: $name($section)"
			if [[ $name == mq* || $name == shmq* ]]; then
				[ -f "$MAN/$name.$section" ]
				[[ $name.$section != "${page##*/}" ]]
			else
				[[ " $OTHERS " == *" $name.$section "* ]]
			fi
		done < <(sed -nE 's/^\.Xr ([^ ]+) ([0-9]).*/\1 \2/p' "$page")
		while read -r section; do
			echo "$page: $section"
			grep -qE "^\.S[hs] $section\$" "$page"
		done < <(sed -nE 's/^\.Sx ([^.,;]*[^.,; ]).*/\1/p' "$page")
		while read -r function; do
			echo "$page: $function"
			grep -q "\b$function(" "$HEADER"
		done < <(sed -nE 's/^\.Fn ([a-z_]+).*/\1/p' "$page")
		while read -r constant; do
			echo "$page: $constant"
			grep -q "\b$constant\b" "$HEADER"
		done < <(grep -oE '\bSHMQ_[A-Z_]+\b' "$page")
	done
}

@test "the pages are there, clean, and refer to each other" {
	command -v mandoc >/dev/null || skip_unless_ci "mandoc is not installed"
	for page in shmq.3 shmq-format.5 shmq.7; do
		run mandoc -Tlint -Wwarning "$MAN/$page"
		[ -z "$output" ]
		grep -q "^\.Xr ${page%.*} ${page##*.}" "$MAN"/*.[1-8]
	done
}

@test "the examples of shmq(7) work as they stand there" {
	run_examples "$MAN/shmq.7"
}

@test "the examples of shmq-format(5) work as they stand there" {
	run_examples "$MAN/shmq-format.5"
}

# ---- shmq-format(5) ----

@test "numbers of the format and of the limits are those of the code, and another one is seen" {
	compile -o format_test "$ROOT/tests/unit/format_test.c" "$(dirname "$(library libshm.a)")"/libshm/*.o
	run -0 ./format_test "$MAN"
	[[ ${lines[-1]} == 1..* ]]
	mkdir man
	for change in 's/^\.It 36 Ta 4 Ta Li length/.It 32 Ta 4 Ta Li length/' \
		's/^\.It 392 Ta 8 Ta Li config/.It 400 Ta 8 Ta Li config/' \
		's/^\.It 864 Ta 3232 Ta Li -/.It 864 Ta 3224 Ta Li -/' \
		's/^\.It 43-36 Ta Li deliveries Ta how/.It 43-35 Ta Li deliveries Ta how/' \
		's/^\.It 5 Ta Li PARKED/.It 4 Ta Li PARKED/' \
		'/Ta Li META Ta there are/d' \
		's/^\.It 1314816 Ta Li group-end/.It 1314808 Ta Li group-end/' \
		's/steps of 4,096 words/steps of 512 words/' \
		's/^\.It 63-24 Ta Li lap/.It 63-16 Ta Li lap/' \
		's/^\.It 3 Ta Li LIVE/.It 4 Ta Li LIVE/' \
		'/Ta Li flags Ta see below/d' \
		's/in one of the 64 words/in one of the 32 words/' \
		's/^\(\.It memory of a partition Ta 1 MiB Ta 1 GiB Ta\) 64/\1 32/' \
		's/^\.\\" table: word gate/&s/' \
		's/^\.It 32 Ta 8 Ta Li durable_upto/.It 40 Ta 8 Ta Li durable_upto/' \
		's/^\.It 13 Ta Li LOST/.It 14 Ta Li LOST/' \
		's/Ta Li magic Ta sqskcom1/Ta Li magic Ta sqskcom2/' \
		's/^\.It 3166208 Ta Li durable-end/.It 3166216 Ta Li durable-end/'; do
		cp "$MAN"/shmq-format.5 "$MAN"/shmq.7 man/
		sed -i "$change" man/shmq-format.5 man/shmq.7
		run diff -rq man "$MAN"
		[[ $output == *differ* ]]
		run -1 ./format_test man
		[[ $output == *"not ok"* ]]
	done
}

# ---- shmq(3) ----

@test "shmq(3): the examples compile without a warning and run" {
	local program

	# their sources into files, the other examples as those of every page
	awk '
	/^\.\\" file: / { file = $3; next }
	file && /^\.Ed/ { close(file); file = ""; next }
	!file { print >"page"; next }
	/^\.Bd/ { next }
	{ gsub(/\\e/, "\\"); print >file }' "$MAN/shmq.3"
	[ "$(ls ./*.c)" = "$(printf './%s\n' words.c work.c | sort)" ]
	CPATH=$ROOT/libshm LIBRARY_PATH=$(dirname "$(library libshm.a)") run_examples page
	for program in words work; do
		[ "$(grep -c 'int main' $program.c)" -eq 1 ]
		for compiler in gcc clang; do
			command -v "$compiler" >/dev/null || continue
			"$compiler" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror \
				-I"$ROOT/libshm" -o $program.of $program.c "$(library libshm.a)"
		done
		run -64 --separate-stderr ./$program
	done
	MQ_DIR=/nonexistent/broker run -1 --separate-stderr ./words demo
	[[ $stderr == "words: making the runtime directory /nonexistent/broker: "* ]]
	run -1 --separate-stderr ./work demo shout loud
	[[ $stderr == "work: "* ]]
}

# What the header declares as functions.
functions() {
	tr '\n' ' ' <"$HEADER" | sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/| |g' |
		grep -oE '\bshmq_[a-z_]+\(' | tr -d '(' | sort -u
}

@test "shmq(3): every function, with the header's prototype" {
	[ "$(functions | wc -l)" -gt 30 ]
	diff <(functions) <(sed -nE 's/^\.Nm (shmq_[a-z_]+).*/\1/p' "$MAN/shmq.3" | sort)
	sed -nE -e 's/^\.Ft "?([^"]*)"?$/\1/p' -e 's/^\.Fn ([a-z_]+) "(.*)"$/\1(\2);/p' \
		-e '/^\.Sh DESCRIPTION/q' "$MAN/shmq.3" | sed 's/" "/, /g' >prototypes
	diff <(functions) <(grep -oE '^shmq_[a-z_]+' prototypes | sort)
	{ # the header first: another prototype is an error then
		echo '#include <shmq.h>'
		cat prototypes
	} >prototypes.c
	compile -fsyntax-only prototypes.c
	sed -i 's/shmq_sub_lag(shmq_sub/shmq_sub_lag(const shmq_sub/' prototypes.c
	run ! compile -fsyntax-only prototypes.c
}

# Text without comments, on one line, with one space where there was any.
plain() {
	tr '\n' ' ' | sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/| |g' | tr -s ' \t' ' ' | sed 's/ ;/;/g'
}

@test "shmq(3): structures have the header's members" {
	plain <"$HEADER" >header
	awk '/^struct shmq_[a-z_]+ \{/ { inside = 1 }
	inside { print }
	/^};/ { inside = 0 }' "$MAN/shmq.3" | plain | sed 's/}; */};\n/g' >structures
	[ "$(grep -c '^struct' structures)" -ge 6 ]
	while read -r structure; do
		echo "$structure"
		grep -qF "$structure" header
	done <structures
}

@test "shmq(3): every result, error and flag" {
	plain <"$HEADER" | grep -oE 'enum shmq_[a-z_]+ \{[^}]*\}' | grep -oE 'SHMQ_[A-Z_]+' | sort -u >names
	[ "$(wc -l <names)" -gt 35 ]
	while read -r name; do
		echo "$name"
		grep -q "\b$name\b" "$MAN/shmq.3"
	done <names
	# results before RETURN VALUES ends, errors in ERRORS
	plain <"$HEADER" | grep -oE 'enum shmq_error \{[^}]*\}' | grep -oE 'SHMQ_E[A-Z]+' | sort >errors
	diff errors <(sed -n '/^\.Sh ERRORS/,$p' "$MAN/shmq.3" | sed -nE 's/^\.It Dv (SHMQ_E[A-Z]+)$/\1/p' | sort)
}

# ---- shmq(7) ----

@test "shmq(7): every exit status is the one that the tools give" {
	sed -n '/^\.Sh DIAGNOSTICS/,/^\.Sh SEE/p' "$MAN/shmq.7" | awk '
	/^\.It [0-9]/ {
		gsub(/,/, "")
		for (i = 3; i <= NF; i++)
			if ($i ~ /^SHMQ_/)
				print "same(" $2 ", " $i ");"
	}' >pairs
	[ "$(wc -l <pairs)" -ge 13 ]
	plain <"$HEADER" | grep -oE 'enum shmq_error \{[^}]*\}' | grep -oE 'SHMQ_E[A-Z]+' |
		grep -v SHMQ_EFORKED | while read -r error; do # that one is a bug of the program
		grep -q "$error" pairs
	done
	cat >status.c <<END
#include <stdio.h>
#include "tool.h"
static int wrong;
static void same(int manual, int code)
{
	if (status_of(code) == manual)
		return;
	printf("the manual says %d, status_of(%d) is %d\n", manual, code, status_of(code));
	wrong = 1;
}
int main(void)
{
	$(cat pairs)
	return wrong;
}
END
	compile -o status status.c "$(library libcommon.a)" "$(library libshm.a)"
	run -0 ./status
}

@test "shmq(7): a broker with one topic of a few messages takes less than 1 MiB" {
	seq 10 | mqpub -q small
	[ "$(du -sk "$MQ_DIR" | cut -f 1)" -lt 1024 ]
}

@test "shmq(7): the runtime directory: -b, MQ_DIR, and what is made with which modes" {
	mqpub -q -m x t
	[ "$(find "$MQ_DIR" -type d ! -perm 700)" = "" ]
	[ "$(find "$MQ_DIR" -type f ! -perm 600)" = "" ]
	[ "$(find "$MQ_DIR" -type f | wc -l)" -ge 4 ]
	mqpub -q -b other -m y t
	[ "$(mqsub -e -b other t)" = y ]
	[ "$(mqsub -e t)" = x ]
	chmod o+w other
	run -77 --separate-stderr mqsub -e -b other t
	[[ $stderr == *"may be written by everybody"* ]]
	run -73 --separate-stderr mqd topic create t
	rm -r "$MQ_DIR"
	run -69 --separate-stderr mqsub -e t
}
