# SPDX-License-Identifier: MIT
# mqsub_group.bats - mqsub with a group: what is acked when, and what becomes of the rest.

load helpers

setup() {
	setup_broker
	OUT=$BATS_TEST_TMPDIR/out
	ERR=$BATS_TEST_TMPDIR/err
}

teardown() {
	teardown_broker
}

# What never ends has failed.
mqsub() {
	timeout 60 mqsub "$@"
}

has_lines() { # N FILE
	[ -f "$2" ] && [ "$(wc -l <"$2")" -ge "$1" ]
}

# Starts mqsub with output and errors in files; its process is $pid.
start_mqsub() {
	env --default-signal=INT,PIPE,HUP mqsub "$@" >"$OUT" 2>"$ERR" 3>&- &
	pid=$!
}

# ---- what is given to whom ----

@test "a group is given each message once; a new one begins at the beginning, and says that it is new" {
	seq 3 | mqpub t
	run -0 --separate-stderr mqsub -e -g g t
	[ "$output" = $'1\n2\n3' ]
	[ "$stderr" = "mqsub: created group 'g' of topic 't'" ]
	run -0 --separate-stderr mqsub -e -g g t
	[ -z "$output$stderr" ]
	seq 4 5 | mqpub t
	run -0 --separate-stderr mqsub -e -g g t
	[ "$output" = $'4\n5' ]
	run -0 --separate-stderr mqsub -q -e -g other t
	[ "$output" = $'1\n2\n3\n4\n5' ]
	[ -z "$stderr" ]
}

@test "-o: where a new group begins; one that is there stays where it is: 64" {
	seq 5 | mqpub t
	[ "$(mqsub -q -e -g last -o -2 t)" = $'4\n5' ]
	[ -z "$(mqsub -q -e -g end -o end t)" ]
	run -64 --separate-stderr mqsub -e -g last -o beginning t
	[[ $stderr == *"'--offset'"*"'last' already"*"mqd group seek"* ]]
	run -64 --separate-stderr mqsub -g new -o 1:3 t
	[[ $stderr == *"range"* ]]
}

@test "consumers of one group share, others do not" {
	seq 2000 | mqpub t
	mqsub -q -e -g g --prefetch 10 t >"$OUT.1" 3>&- &
	first=$!
	mqsub -q -e -g g --prefetch 10 t >"$OUT.2" 3>&- &
	wait $! $first
	sort -n "$OUT.1" "$OUT.2" | cmp - <(seq 2000)
	[ "$(mqsub -q -e -g other t | wc -l)" -eq 2000 ]
}

@test "options of a group are set when it is made, and compared when it is there: 78" {
	mqpub -q -m x t
	mqsub -q -e -g g --lease 5s --retries 3 --backoff 10ms,1s -k '#' t >/dev/null
	mqsub -q -e -g g --lease 5s --retries 3 --backoff 10ms,1s -k '#' t >/dev/null
	mqsub -q -e -g g t
	for other in '--lease 6s' '--retries 4' '--backoff 10ms' '-k a' '--ordered'; do
		run -78 --separate-stderr mqsub -e -g g $other t
		[[ $stderr == "mqsub: topic 't': "*"'mqd group alter'"* ]]
	done
}

@test "-k: the filter of the group" {
	printf '%s\n' a=1 b=2 a=3 | mqpub -q -K = t
	[ "$(mqsub -q -e -g g -k a t)" = $'1\n3' ]
	printf '%s\n' b=4 a=5 | mqpub -q -K = t
	[ "$(mqsub -q -e -g g t)" = 5 ]
}

@test "several topics, a group of that name in each" {
	seq 3 | mqpub -q a
	seq 11 13 | mqpub -q b
	[ "$(mqsub -q -e -g g a b | sort -n | tr '\n' ' ')" = "1 2 3 11 12 13 " ]
	seq 4 5 | mqpub -q a
	seq 14 15 | mqpub -q b
	[ "$(mqsub -q -e -g g b | tr '\n' ' ')" = "14 15 " ]
	[ "$(mqsub -q -e -g g a b | tr '\n' ' ')" = "4 5 " ]
}

@test "what comes is printed at once, and acked" {
	mqpub -q -m 1 t
	start_mqsub -g g t
	for i in 1 2 3; do
		poll_until 10 has_lines $i "$OUT"
		poll_until 10 left_is g t ''
		mqpub -m $((i + 1)) t
	done
	poll_until 10 has_lines 4 "$OUT"
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	[ "$(cat "$ERR")" = "mqsub: created group 'g' of topic 't'" ]
	left_is g t ''
}

@test "-c: so many and not one more" {
	seq 10 | mqpub -q t
	[ "$(mqsub -q -c 3 -g g t | tr '\n' ' ')" = "1 2 3 " ]
	[ "$(mqsub -q -c 2 -g g t | tr '\n' ' ')" = "4 5 " ]
	left_is g t '6 7 8 9 10 '
}

@test "-W: the longest wait for messages, then 75; what came before is done" {
	mqpub -q -m x t
	run -75 --separate-stderr mqsub -W 100ms -g g t
	[ "$output" = x ]
	[[ $stderr == *"no message came within the wait"* ]]
	left_is g t ''
	run -75 --separate-stderr mqsub -q -W 100ms -g g missing
	[[ $stderr == *"'missing' is still not there"* ]]
}

@test "formats know the group and the attempt" {
	mqpub -q -m x t
	[ "$(mqsub -q -e -g g -f '%g %d %s' t)" = "g 1 x" ]
	[ "$(mqsub -q -e -g j -J t | jq -c '[.attempt,.payload]')" = '[1,"x"]' ]
	mqsub -q -e -g retried --backoff 1ms t -- sh -c 'exit $((2 - MQ_ATTEMPT))'
	mqpub -q -m y t
	mqsub -q -c 1 -g retried --backoff 1ms t -- false || [ $? -eq 123 ]
	[ "$(mqsub -q -e -g retried -f '%d %s' t)" = "2 y" ]
}

@test "-R: not faster than asked, and what waits for its turn is not lost" {
	seq 4 | mqpub -q t
	start=$(date +%s%N)
	[ "$(mqsub -q -c 3 -R 20 -g g t | tr '\n' ' ')" = "1 2 3 " ]
	[ $(($(date +%s%N) - start)) -ge 100000000 ]
	left_is g t '4 '
}

# ---- acks follow the reader ----

@test "into a pipe: what was read is done, the rest is not; no word, SIGPIPE" {
	seq 1000 | mqpub -q t
	mqsub -q -g g t 2>"$ERR" | head -c 21 >"$OUT" || [ "${PIPESTATUS[0]}" -eq 141 ]
	[ "$(tr '\n' ' ' <"$OUT")" = "1 2 3 4 5 6 7 8 9 10 " ]
	[ ! -s "$ERR" ]
	[ "$(mqsub -q -e -g g -f '%d %s\n' t | head -1)" = "1 11" ]
}

@test "into a pipe: half of a message that was read does not count" {
	printf '%s\n' first second third | mqpub -q t
	mqsub -q -g g t | head -c 8 >"$OUT" || :
	[ "$(cat "$OUT")" = $'first\nse' ]
	left_is g t 'second third '
}

@test "into a pipe: acks follow the reader while it reads" {
	seq 3 | mqpub -q t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	mqsub -q -g g t >"$BATS_TEST_TMPDIR/fifo" 2>"$ERR" 3>&- &
	pid=$!
	exec 7<"$BATS_TEST_TMPDIR/fifo"
	poll_until 10 mqsub -q --browse -g g t
	left_is g t '1 2 3 '
	read -r line <&7 # bash reads a byte at a time
	[ "$line" = 1 ]
	poll_until 10 left_is g t '2 3 '
	read -r line <&7
	poll_until 10 left_is g t '3 '
	read -r line <&7
	poll_until 10 left_is g t ''
	exec 7<&-
	wait_for_end "$pid"
	[ ! -s "$ERR" ]
}

@test "a reader that reads slowly keeps what it was given, however short the lease" {
	seq 3 | mqpub -q t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	mqsub -q -g g --lease 100ms t >"$BATS_TEST_TMPDIR/fifo" 2>"$ERR" 3>&- &
	pid=$!
	exec 7<"$BATS_TEST_TMPDIR/fifo"
	read -r line <&7
	poll_until 10 left_is g t '2 3 '
	run -75 mqsub -q -W 2500ms -g g t
	[ -z "$output" ]
	cat <&7 >"$OUT" 3>&- &
	poll_until 10 left_is g t ''
	kill -TERM "$pid"
	[ ! -s "$ERR" ]
}

@test "a reader that does not read: what stands in the pipe, and what waits for room in it, is kept, too" {
	seq 40000 | mqpub -q t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	env mqsub -q -g g --lease 100ms t >"$BATS_TEST_TMPDIR/fifo" 2>"$ERR" 3>&- &
	pid=$!
	exec 7<"$BATS_TEST_TMPDIR/fifo"
	poll_until 10 stands_in 7 60000
	run -75 mqsub -q -W 2500ms -g g t
	[ "$(sort -n <<<"$output" | head -1)" -gt 20000 ]
	kill -KILL "$pid"
	wait "$pid" || :
	exec 7<&-
	[ ! -s "$ERR" ]
}

@test "at its end it waits until what it wrote was read" {
	seq 3 | mqpub -q t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	for how in -e '-c 3'; do
		mqsub -q $how -g "g${how// /}" t >"$BATS_TEST_TMPDIR/fifo" 2>"$ERR" 3>&- &
		pid=$!
		exec 7<"$BATS_TEST_TMPDIR/fifo"
		read -r line <&7
		poll_until 10 left_is "g${how// /}" t '2 3 '
		kill -0 "$pid"
		cat <&7 >"$OUT"
		exec 7<&-
		wait_for_end "$pid"
		[ "$status" -eq 0 ]
		left_is "g${how// /}" t ''
	done
}

@test "TERM: what was written is waited for; a second one ends at once" {
	seq 3 | mqpub -q t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	for second in '' yes; do
		env mqsub -q -g "g$second" t >"$BATS_TEST_TMPDIR/fifo" 2>"$ERR" 3>&- &
		pid=$!
		exec 7<"$BATS_TEST_TMPDIR/fifo"
		read -r line <&7
		poll_until 10 left_is "g$second" t '2 3 '
		kill -TERM "$pid"
		poll_until 10 signal_taken "$pid"
		kill -0 "$pid"
		if [ "$second" ]; then
			kill -TERM "$pid"
			wait_for_end "$pid"
			left_is gyes t '2 3 '
		else
			cat <&7 >"$OUT"
			wait_for_end "$pid"
			[ "$(tr '\n' ' ' <"$OUT")" = '2 3 ' ]
			left_is g t ''
		fi
		[ "$status" -eq 143 ]
		exec 7<&-
	done
}

# No signal is pending any more.
signal_taken() {
	[ "$(awk '/^(Sig|Shd)Pnd:/ { print $2 }' "/proc/$1/status" | sort -u)" = 0000000000000000 ]
}

@test "to a file: acked when written; what cannot be written is not: 74" {
	seq 3 | mqpub -q t
	run -74 --separate-stderr bash -c 'timeout 20 mqsub -q -e -g g t >/dev/full'
	[[ $stderr == "mqsub: standard output: "* ]]
	left_is g t '1 2 3 '
	mqsub -q -e -g g -f '%d:%s ' t >"$OUT"
	[ "$(cat "$OUT")" = '1:1 1:2 1:3 ' ] || [ "$(cat "$OUT")" = '2:1 2:2 2:3 ' ]
	left_is g t ''
}

@test "messages that print nothing are done, too" {
	printf 'a\0\0\0b\0\0' | mqpub -q -0 t
	[ "$(mqsub -q -e -g g -D '' t)" = ab ]
	left_is g t ''
	mqsub -q -e -g h -f '' t >"$OUT"
	[ ! -s "$OUT" ]
	left_is h t ''
}

@test "-A: done when it is given out, whoever reads it" {
	seq 3 | mqpub -q t
	mqsub -q -A -g g t | head -c 2 >"$OUT" || :
	[ "$(cat "$OUT")" = 1 ]
	left_is g t ''
}

# ---- leases ----

@test "a consumer that is killed: its messages go to another, those that it started are counted" {
	seq 3 | mqpub -q t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	env mqsub -q -g g t >"$BATS_TEST_TMPDIR/fifo" 3>&- &
	pid=$!
	exec 7<"$BATS_TEST_TMPDIR/fifo"
	read -r line <&7
	poll_until 10 left_is g t '2 3 '
	kill -KILL "$pid"
	wait "$pid" || :
	exec 7<&-
	run -0 --separate-stderr mqsub -q -c 2 -W 20s -g g -f '%d %s\n' t
	[ "$(sort -k 2 <<<"$output")" = $'2 2\n2 3' ]
}

@test "a consumer that is killed: what it had not written is not counted" {
	seq 100000 | mqpub -q t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	env mqsub -q -g g t >"$BATS_TEST_TMPDIR/fifo" 3>&- &
	pid=$!
	exec 7<"$BATS_TEST_TMPDIR/fifo"
	poll_until 10 stands_in 7 60000
	kill -KILL "$pid"
	wait "$pid" || :
	exec 7<&-
	mqsub -q -c 100000 -W 20s -g g -f '%d %s\n' t >"$OUT"
	[ "$(cut -d' ' -f2 "$OUT" | sort -u | wc -l)" -eq 100000 ]
	counted=$(grep -c '^2 ' "$OUT") # a pipe holds 64 KiB, a line here is of 2 to 6 bytes
	[ "$counted" -gt 5000 ]
	[ "$counted" -lt 14000 ]
}

# So many bytes stand in the pipe that file descriptor FD reads.
stands_in() { # FD BYTES
	perl -e 'open my $f, "<&=", $ARGV[0] or die; my $n = pack "i", 0; ioctl $f, 0x541b, $n or die; # FIONREAD
		exit(unpack("i", $n) < $ARGV[1])' "$1" "$2"
}

@test "a consumer that stands still for longer than its lease: another goes on, and it says so" {
	seq 2 | mqpub -q t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	env mqsub -g g --lease 100ms t >"$BATS_TEST_TMPDIR/fifo" 2>"$ERR" 3>&- &
	pid=$!
	exec 7<"$BATS_TEST_TMPDIR/fifo"
	read -r line <&7
	poll_until 10 left_is g t '2 '
	kill -STOP "$pid"
	run -0 --separate-stderr mqsub -q -c 1 -W 20s -g g t
	[ "$output" = 2 ]
	kill -CONT "$pid"
	poll_until 10 grep -q 'stood still for longer than its lease' "$ERR"
	cat <&7 >/dev/null 3>&- &
	kill -TERM "$pid"
	wait_for_end "$pid"
	left_is g t ''
}

@test "--ordered: a partition is taken by one consumer at a time, in order" {
	seq 500 | mqpub -q t
	mqsub -q -e -g g --ordered t -- sh -c "cat >>'$OUT'" 3>&- &
	first=$!
	mqsub -q -e -g g --ordered t -- sh -c "cat >>'$OUT'" 3>&- &
	wait $! $first
	tr -d '\n' <"$OUT" >"$OUT.2"
	[ "$(cat "$OUT.2")" = "$(seq 500 | tr -d '\n')" ]
}

# ---- patterns of topics ----

consumers_are() { # N GROUP TOPIC
	[ "$(mqd group list -J "$3" | jq "select(.group == \"$2\").consumers")" = "$1" ]
}

given_out() { # N: lines of both outputs
	[ "$(cat "$OUT.1" "$OUT.2" | wc -l)" -ge "$1" ]
}

@test "a pattern: the group of each topic; a new topic's is made at its beginning, and two consumers share it" {
	mqpub -q -m 0 o.old
	mqsub -g g -o end 'o.*' >"$OUT.1" 2>"$ERR.1" 3>&- &
	poll_until 10 consumers_are 1 g o.old
	mqsub -g g 'o.*' >"$OUT.2" 2>"$ERR.2" 3>&- &
	poll_until 10 consumers_are 2 g o.old
	seq 100 | mqpub -q o.new
	poll_until 10 consumers_are 2 g o.new
	poll_until 10 given_out 100
	seq 101 2000 | mqpub -q -u o.new
	poll_until 10 given_out 2000
	sort -n "$OUT.1" "$OUT.2" | cmp - <(seq 2000)
	poll_until 10 left_is g o.new ''
	[ "$(cat "$ERR.1" "$ERR.2" | grep -c "created group 'g' of topic 'o.new'")" -eq 1 ]
}

@test "a pattern with -e, -c, -J and -A; one that nothing matches: 69; a group with other options: 78" {
	seq 3 | mqpub -q o.a
	seq 11 13 | mqpub -q o.b
	mqpub -q -m x other
	[ "$(mqsub -q -c 1 -g g o.a)" = 1 ]
	[ "$(mqsub -q -e -g g 'o.*' o.a | sort -n | tr '\n' ' ')" = "2 3 11 12 13 " ]
	[ "$(mqsub -q -e -A -J -g h '#.b' | jq -r '.topic + .payload' | tr '\n' ' ')" = "o.b11 o.b12 o.b13 " ]
	[ -z "$(mqsub -q -e -g h 'o.b')" ]
	run -69 --separate-stderr mqsub -g g 'p.*'
	[[ $stderr == "mqsub: no topic matches 'p.*' in $MQ_DIR: "* ]]
	run -75 --separate-stderr mqsub -W 50ms -g g 'p.*'
	run -78 --separate-stderr mqsub -g g --retries 2 'o.*'
	[[ $stderr == *"topic 'o.a': "*"mqd group alter"* ]]
}

@test "a new topic whose group has other options is told, and the others are read on" {
	mqpub -q -m a o.a
	start_mqsub -g g --retries 2 'o.*'
	poll_until 10 has_lines 1 "$OUT"
	# its group is there before the first one looks
	kill -STOP "$pid"
	mqpub -q -m c o.c
	mqsub -q -c 1 -g g o.c >/dev/null
	kill -CONT "$pid"
	poll_until 10 grep -q "^mqsub: topic 'o.c', which is new, is not read: topic 'o.c': .*mqd group alter" "$ERR"
	mqpub -q -m d o.d
	poll_until 10 has_lines 2 "$OUT"
	[ "$(cat "$OUT")" = $'a\nd' ]
}

@test "a pattern with commands: a new topic is noticed while all commands are busy, and done" {
	mqpub -q -m wait o.a
	export go=$BATS_TEST_TMPDIR/go
	# shellcheck disable=SC2016
	start_mqsub -q -g g 'o.*' -- sh -c '
		v=$(cat)
		[ "$v" != wait ] || until [ -e "$go" ]; do sleep 0.01; done
		echo "$MQ_TOPIC $v"'
	poll_until 10 consumers_are 1 g o.a
	seq 3 | mqpub -q o.b
	poll_until 10 consumers_are 1 g o.b
	[ ! -s "$OUT" ]
	touch "$go"
	poll_until 10 has_lines 4 "$OUT"
	[ "$(cat "$OUT")" = $'o.a wait\no.b 1\no.b 2\no.b 3' ]
	poll_until 10 left_is g o.b ''
}

@test "a topic of a pattern is deleted while its message is worked on: the others go on" {
	export go=$BATS_TEST_TMPDIR/go
	mqpub -q -m wait o.a
	mqpub -q -m b o.b
	for kind in '' --worker '--into made' '-A -j 2'; do
		rm -f "$go"
		group=g${kind//[^a-z]/}
		# shellcheck disable=SC2016,SC2086
		start_mqsub -g "$group" $kind 'o.*' -- sh -c '
			while read -r v || [ "$v" ]; do
				echo "$v" >>"$go.$1"
				[ "$v" != wait ] || until [ -e "$go" ]; do sleep 0.01; done
				echo ack
			done' sh "$group"
		poll_until 10 grep -q wait "$go.$group"
		mqd topic delete -y o.a
		poll_until 10 grep -q "^mqsub: topic 'o.a' was deleted: the others are read on" "$ERR"
		mqpub -q -m "c$group" o.c
		poll_until 10 consumers_are 1 "$group" o.c # it has looked again since
		touch "$go"
		poll_until 10 left_is "$group" o.c ''
		poll_until 10 left_is "$group" o.b ''
		alive "$pid"
		kill -TERM "$pid"
		wait_for_end "$pid"
		[ "$status" -eq 143 ]
		[ "$(grep -c 'was deleted' "$ERR")" -eq 1 ]
		run -1 grep 'stood still' "$ERR" # what was in hand is not settled as another topic's
		mqpub -q -m wait o.a
		mqd topic delete -y o.c
	done
}

@test "-e: of a topic of a pattern that is deleted nothing is left to do; of one that is named it is 69" {
	mqpub -q -m a o.a
	mqpub -q -m b o.b
	start_mqsub -e -g g --backoff 1d 'o.*' -- sh -c '[ "$MQ_TOPIC" = o.b ]'
	poll_until 10 grep -q "topic 'o.a', .* again in" "$ERR"
	mqd topic delete -y o.a
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	grep -q "^mqsub: topic 'o.a' was deleted: the others are read on" "$ERR"
	mqpub -q -m a o.a
	start_mqsub -e -g g --backoff 1d 'o.*' o.a -- false
	poll_until 10 grep -q "topic 'o.a', .* again in" "$ERR"
	mqd topic delete -y o.a
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
}

@test "a topic of a pattern is deleted while mqsub prints: a line; all are: it waits for others" {
	mqpub -q -m a o.a
	start_mqsub -g g 'o.*'
	poll_until 10 has_lines 1 "$OUT"
	for i in 2 3 4; do
		mqd topic delete -y o.a
		poll_until 10 has_lines "$((2 * i - 2))" "$ERR" # made, and deleted
		mqpub -q -m "$i" o.a
		poll_until 10 has_lines "$i" "$OUT"
	done
	[ "$(cat "$OUT")" = $'a\n2\n3\n4' ]
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
}

@test "a topic of a pattern is deleted and made anew while mqsub stands still: the new one is read" {
	mqpub -q -m 1 o.a
	start_mqsub -q -g g 'o.*'
	poll_until 10 has_lines 1 "$OUT"
	for i in 2 3; do
		kill -STOP "$pid"
		mqd topic delete -y o.a
		mqpub -q -m "$i" o.a
		command sleep 0.3 # that it lists topics first when it goes on
		kill -CONT "$pid"
		poll_until 10 has_lines "$i" "$OUT"
	done
	[ "$(cat "$OUT")" = $'1\n2\n3' ]
}

@test "the group of a topic of a pattern is deleted, or the runtime directory removed: 69" {
	mqpub -q -m a o.a
	start_mqsub -q -g g 'o.*'
	poll_until 10 has_lines 1 "$OUT"
	mqd group delete -y o.a g
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
	[[ $(cat "$ERR") == *"group g of topic o.a was deleted"* ]]
	start_mqsub -g g 'o.*'
	poll_until 10 consumers_are 1 g o.a
	mqd topic delete -y o.a
	poll_until 10 grep -q 'was deleted' "$ERR"
	rm -r "$MQ_DIR"
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
}

@test "--into with a pattern: not a topic that matches: 64; new topics go there, too" {
	mqpub -q -m a o.a
	run -64 --separate-stderr mqsub -g g --into o.out 'o.*' -- cat
	[[ $stderr == *"'--into': 'o.out' is what is read by o.*: "* ]]
	start_mqsub -q -g g --into out 'o.*' -- cat
	poll_until 10 left_is g o.a ''
	mqpub -q -m b o.b
	[ "$(mqsub -W 20s -c 2 out)" = $'a\nb' ]
}

@test "--browse with a pattern: topics without the group are passed over; none has it: 69" {
	seq 2 | mqpub -q o.a
	mqpub -q -m x o.b
	mqsub -q -c 1 -g g o.a >/dev/null
	run -0 --separate-stderr mqsub --browse -g g 'o.*'
	[ "$output$stderr" = 2 ]
	run -69 --separate-stderr mqsub --browse -g none 'o.*'
	[[ $stderr == *"no group 'none'"* ]]
}

# ---- looking, and what goes wrong ----

@test "--browse: what is not done, and nothing changes" {
	printf '%s\n' a=1 b=2 a=3 | mqpub -q -K = t
	mqsub -q -c 1 -g g t >/dev/null
	for i in 1 2; do
		[ "$(mqsub --browse -g g t)" = $'2\n3' ]
	done
	[ "$(mqsub --browse -g g -k a -f '%o %s\n' t)" = '2 3' ]
	[ "$(mqsub --browse -c 1 -g g t)" = 2 ]
	[ "$(mqsub -q -e -g g -f '%d%s ' t)" = '12 13 ' ]
	run -69 --separate-stderr mqsub --browse -g none t
	[[ $stderr == *"no group 'none'"* ]]
	run -69 --separate-stderr mqsub --browse -g g none
}

@test "what belongs to groups needs one, what does not is refused with one: 64" {
	mqpub -q -m x t
	for option in -A --ordered '--lease 1s' '--retries 3' '--backoff 1s' '--prefetch 5' '-j 2' \
		'--timeout 1s' --worker '--into o'; do
		run -64 --separate-stderr mqsub $option t
		[[ $stderr == *"needs a group"* ]]
	done
	run -64 --separate-stderr mqsub t -- cat
	[[ $stderr == *"needs a group"* ]]
	for option in '-p 0' --hold '-o 1:2'; do
		run -64 --separate-stderr mqsub -g g $option t
		[[ $stderr == *"group"* ]]
	done
	for option in '-j 2' '--timeout 1s' --worker '--into o'; do
		run -64 --separate-stderr mqsub -g g $option t
		[[ $stderr == *"needs a command"* ]]
	done
	for option in '-o end' '-W 1s' -A --ordered '--lease 1s'; do
		run -64 --separate-stderr mqsub -g g --browse $option t
		[[ $stderr == *"exclude each other"* ]]
	done
	for option in '-f %s' -L -J -B '-K =' -u --browse -0 '-D x'; do
		run -64 --separate-stderr mqsub -g g $option t -- cat
		[[ $stderr == *command* ]]
	done
	run -64 --separate-stderr mqsub -g g t --
	[[ $stderr == *"no command"* ]]
	for name in '' . a/b -x; do
		run -64 --separate-stderr mqsub "--group=$name" t
	done
	for value in '--lease 1ms' '--retries 0' '--retries 251' '--backoff 2s,1s' '--prefetch 0' '-j 1025'; do
		run -64 --separate-stderr mqsub -g g $value t -- cat
	done
	run -69 --separate-stderr mqsub -g g missing
	[ "$(mqsub -e t)" = x ] # and no group was made
}

@test "the topic is deleted while its group is read: 69" {
	mqpub -q -m x t
	start_mqsub -q -g g t
	poll_until 10 has_lines 1 "$OUT"
	mqd topic delete -y t
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
	[ "$(wc -l <"$ERR")" -eq 1 ]
	[[ $(cat "$ERR") == *"topic 't'"* ]]
}

@test "a topic that drops its oldest goes past a group: it says how many, 75; the next one goes on" {
	mqd topic create --slots 8 --full drop-old t
	seq 3 | mqpub -u t
	[ "$(mqsub -q -g g -c 1 t)" = 1 ]
	seq 4 100 | mqpub -u t
	run -75 --separate-stderr mqsub -g g -e t
	[ -z "$output" ]
	[[ $stderr =~ ^"mqsub: topic 't', group 'g': "[^$'\n']*" missed "([0-9]+)" messages"$ ]]
	missed=${BASH_REMATCH[1]}
	mqsub -g g -e t | cmp - <(seq $((missed + 2)) 100)
}
