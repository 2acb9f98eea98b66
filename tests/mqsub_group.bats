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
