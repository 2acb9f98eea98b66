# SPDX-License-Identifier: MIT
# helpers.bash - what every .bats file needs: a broker of its own, and waiting without sleeping.
#
#   load helpers
#   setup() { setup_broker; }
#   teardown() { teardown_broker; }
#
# Start background commands with 3>&- so that bats does not wait for them.

bats_require_minimum_version 1.5.0

# The tools in PATH, and a runtime directory of this test's own (made by the first tool that
# creates something there).
setup_broker() {
	local build=${BUILD:-$BATS_TEST_DIRNAME/../build}

	BIN=$(cd "$build/bin" && pwd) || {
		echo "no tools in $build/bin: run make first" >&2
		return 1
	}
	PATH=$BIN:$PATH
	MQ_DIR=$BATS_TEST_TMPDIR/broker
	export PATH MQ_DIR
	export SHELL=/bin/sh # what script(1) starts; not every environment has one
	unset MQ_STORE NO_COLOR
}

# Ends what the test left running, stopped processes and orphans too: every process that was
# given this test's MQ_DIR, and nothing else.
teardown_broker() {
	local file pid

	for pid in $(jobs -p); do
		kill -KILL "$pid" 2>/dev/null || :
	done
	for file in $(grep -lzsxF "MQ_DIR=$MQ_DIR" /proc/[0-9]*/environ); do
		pid=${file#/proc/}
		pid=${pid%/environ}
		if [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ]; then
			kill -KILL "$pid" 2>/dev/null || :
		fi
	done
	return 0
}

# poll_until SECONDS COMMAND [ARG...]: runs COMMAND until it succeeds; fails, and says so, when
# SECONDS are over.
poll_until() {
	local limit=$1 end=$((SECONDS + $1 + 1))

	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "still not true after $limit s: $*" >&2
			return 1
		fi
		command sleep 0.02
	done
}

# typed ANSWER COMMAND...: runs COMMAND on a terminal, where ANSWER is typed as soon as it asks.
# Its input stays open: script(1) spins, and may swallow the answer, when it ends early.
typed() {
	local answer=$1 pid script=$BATS_TEST_TMPDIR/script status=0

	shift
	rm -f "$script" "$script.in"
	mkfifo "$script.in"
	exec 9<>"$script.in"
	# bash starts background commands with INT ignored
	script -qfec "env --default-signal=INT $(printf '%q ' "$@"); exit \$?" "$script" <&9 >/dev/null 3>&- 9>&- &
	pid=$!
	poll_until 20 grep -qF '[y/N]' "$script"
	printf '%s\n' "$answer" >&9
	wait "$pid" || status=$?
	exec 9>&-
	cat "$script"
	return "$status"
}

# broker_sum: changes with any byte of any file of the broker.
broker_sum() {
	(cd "$MQ_DIR" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
}

# run_examples PAGE: runs each example of a manual page, in a broker of its own. It must print what
# the page's comments say above it: lines of .\" prints: TEXT.
run_examples() {
	local i n dir=$BATS_TEST_TMPDIR

	n=$(awk -v dir="$dir" '
	/^\.Sh / { in_examples = ($2 == "EXAMPLES") }
	!in_examples { next }
	/^\.\\" prints: / { sub(/^\.\\" prints: /, ""); print >(dir "/want." n + 1); next }
	/^\.Bd / { n++; inside = 1; printf "" >(dir "/want." n); next }
	/^\.Ed/ { inside = 0; next }
	inside { gsub(/\\e/, "\\"); print >(dir "/example." n) }
	END { print n + 0 }' "$1")
	[ "$n" -gt 0 ] || return 1
	for ((i = 1; i <= n; i++)); do
		echo "example $i:" && cat "$dir/example.$i"
		MQ_DIR=$dir/broker.$i timeout 60 bash -e -o pipefail "$dir/example.$i" \
			>"$dir/got.$i" 3>&- || return 1
		diff -u "$dir/want.$i" "$dir/got.$i" || return 1
	done
}

# skip_unless_ci REASON: skips where somebody tries the tests at home, fails in CI.
skip_unless_ci() {
	if [ "${CI:-}" = true ]; then
		echo "in CI this must be there: $*" >&2
		return 1
	fi
	skip "$*"
}

ended() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status"
}

# As a line of its own `! ended` could not fail.
alive() {
	! ended "$1"
}

# How the process ended, as $status.
wait_for_end() {
	local rc=0

	poll_until 20 ended "$1"
	wait "$1" || rc=$?
	status=$rc
}

# What the group has not done, values on one line.
left() { # GROUP TOPIC
	mqsub --browse -g "$1" "$2" | tr '\n' ' '
}

left_is() { # GROUP TOPIC TEXT
	[ "$(left "$1" "$2")" = "$3" ]
}

# damage_file HOW FILE SIZE: empty, cut in the middle or behind its first page, or noise at its head or in its middle.
damage_file() {
	case $1 in
	empty) : >"$2" ;;
	half) truncate -s $(($3 / 2)) "$2" ;;
	page) truncate -s 4096 "$2" ;;
	head) dd if="$BATS_TEST_TMPDIR/noise" of="$2" bs=64 count=1 conv=notrunc ;;
	middle) dd if="$BATS_TEST_TMPDIR/noise" of="$2" bs=4096 seek=1 conv=notrunc ;;
	esac 2>/dev/null
}
