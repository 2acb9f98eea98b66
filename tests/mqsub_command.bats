# SPDX-License-Identifier: MIT
# mqsub_command.bats - mqsub -- COMMAND: what it is given, and what its end says of its message.

load helpers

setup() {
	setup_broker
	OUT=$BATS_TEST_TMPDIR/out
	ERR=$BATS_TEST_TMPDIR/err
	export DIR=$BATS_TEST_TMPDIR/dir
	mkdir "$DIR"
}

teardown() {
	teardown_broker
}

# What never ends has failed.
mqsub() {
	timeout 60 mqsub "$@"
}

has_files() { # N: in $DIR
	[ "$(ls "$DIR" | wc -l)" -ge "$1" ]
}

# Starts mqsub with output and errors in files; its process is $pid.
start_mqsub() {
	env --default-signal=INT,PIPE,HUP mqsub "$@" >"$OUT" 2>"$ERR" 3>&- &
	pid=$!
}

# For commands: wait_for FILE in $DIR.
WAIT='wait_for() { until [ -e "$DIR/$1" ]; do sleep 0.02; done; };'

# ---- what a command is given ----

@test "each message on standard input, byte by byte, and one command for each" {
	printf 'one\0two\n\0\0last' | mqpub -q -0 t
	mqsub -q -e -g g t -- sh -c 'cat >"$DIR/$MQ_OFFSET"'
	[ "$(cat "$DIR/0")" = one ]
	[ "$(od -An -tx1 <"$DIR/1")" = " 74 77 6f 0a" ]
	[ -f "$DIR/2" ] && [ ! -s "$DIR/2" ]
	[ "$(cat "$DIR/3")" = last ]
	left_is g t ''
}

@test "values of any size, also to who does not read them" {
	for size in 4096 4097 65536 65537 3000000; do
		head -c $size /dev/urandom >"$DIR/$size"
		mqpub -q -s t "$DIR/$size"
	done
	mqsub -q -e -g g t -- sh -c 'cat >"$DIR/got.$MQ_OFFSET"'
	n=0
	for size in 4096 4097 65536 65537 3000000; do
		cmp "$DIR/$size" "$DIR/got.$n"
		n=$((n + 1))
	done
	mqsub -q -e -g other t -- true
	left_is other t ''
}

@test "what is said of the message, in the environment" {
	mqd topic create --partitions 2 t
	mqpub -q -p 1 -k 'a key' -H type=text -H 'Other-Name=x y' -H type=second -m value t
	MQ_KEY=old MQ_H_OLD=old KEPT=yes mqsub -q -e -g g t -- env >"$OUT"
	for line in MQ_TOPIC=t MQ_PARTITION=1 MQ_OFFSET=0 'MQ_KEY=a key' MQ_ATTEMPT=1 MQ_GROUP=g MQ_PRIORITY=0 \
		MQ_H_TYPE=text 'MQ_H_OTHER_NAME=x y' KEPT=yes "MQ_DIR=$MQ_DIR"; do
		grep -qxF "$line" "$OUT"
	done
	[ "$(grep -c '^MQ_' "$OUT")" -eq 11 ]
	[ "$(sed -n 's/^MQ_TIMESTAMP=//p' "$OUT")" = "$(mqsub --browse -f %F t)" ]
	mqpub -q -m 'no key' t
	MQ_KEY=old mqsub -q -e -g g t -- env >"$OUT"
	run ! grep -E '^MQ_(KEY|H_)' "$OUT"
}

@test "a NUL byte ends what the environment holds of a header or key" {
	printf '%s' '{"v":1,"key":"a\u0000b","headers":[["h","c\u0000d"]],"payload":"x"}' | mqpub -q -J t
	mqsub -q -e -g g t -- env >"$OUT"
	grep -qx MQ_KEY=a "$OUT"
	grep -qx MQ_H_H=c "$OUT"
	run ! grep -E '^[bd]$' "$OUT"
}

@test "nothing of the message is put into the arguments" {
	mqpub -q -m '$(touch pwned); %s {}' t
	[ "$(mqsub -q -e -g g t -- printf '%s|' '%s' '{}' '$MQ_KEY')" = '%s|{}|$MQ_KEY|' ]
	[ ! -e pwned ]
}

@test "key and headers that no environment holds: a dead letter, and the others go on" {
	{
		printf '{"v":1,"key":"'
		head -c 200000 /dev/zero | tr '\0' k
		printf '","payload":"x"}\n{"v":1,"payload":"next"}\n'
	} | mqpub -q -J t
	run -123 --separate-stderr mqsub -e -g g t -- cat
	[ "$output" = next ]
	[[ $stderr == *"offset 0: its key or headers are too long"*"dead letter"* ]]
	left_is g t ''
}

@test "standard input of mqsub is left alone, and its signals are as they were" {
	seq 2 | mqpub -q t
	printf 'a\nb\n' | {
		mqsub -q -e -g g t -- true
		[ "$(cat)" = $'a\nb' ]
	}
	# 32 and 33 belong to the C library, whose posix_spawn() leaves them ignored
	local signals='s/^(Sig(Blk|Ign|Cgt):\t0{7})[0-9a-f]{2}/\1_/p'
	mqsub -q -e -g g2 -c 1 t -- sed -nE "$signals" /proc/self/status >"$OUT"
	timeout 60 sed -nE "$signals" /proc/self/status >"$OUT.want" # which ignores no more what it has caught
	diff "$OUT.want" "$OUT"
	mqsub -q -e -g g3 -c 1 t -- ls /proc/self/fd >"$OUT"
	ls /proc/self/fd | diff - "$OUT" # with what bats itself has open
}

# ---- what its end says ----

@test "0: done; other statuses, signals: again, then a dead letter: 123" {
	printf '%s\n' good bad killed | mqpub -q t
	run -123 --separate-stderr mqsub -e -g g --retries 3 --backoff 1ms t -- sh -c '
		read -r x
		echo "$x $MQ_ATTEMPT"
		case $x in bad) exit 3 ;; killed) kill -9 $$ ;; esac'
	[ "$(sort <<<"$output")" = "$(printf '%s\n' 'bad 1' 'bad 2' 'bad 3' 'good 1' 'killed 1' 'killed 2' 'killed 3')" ]
	[ "$(grep -c "offset 1: exit status 3, attempt [12] of 3, again in up to [12]ms$" <<<"$stderr")" -eq 2 ]
	grep -q "^mqsub: topic 't', partition 0, offset 1: exit status 3, attempt 3 of 3, now a dead letter$" <<<"$stderr"
	[ "$(grep -c "offset 2: killed by signal 9 (Killed), attempt" <<<"$stderr")" -eq 3 ]
	left_is g t ''
	run -0 --separate-stderr mqsub -e -g g t -- cat
	[ -z "$output$stderr" ]
}

@test "what is kept with a dead letter: why, how often, the status, the last 4 KiB of standard error" {
	printf '%s\n' status killed slow reject | mqpub -q t
	run -123 mqsub -q -e -g g --retries 2 --backoff 1ms --timeout 1s t -- sh -c '
		read -r x
		head -c 10000 /dev/zero | tr "\0" . >&2
		echo "the end of $x" >&2
		case $x in status) exit 3 ;; killed) kill -9 $$ ;; slow) exec sleep 1000 ;; *) exit 65 ;; esac'
	[ "$(mqdlq list -J t | jq -c '[.offset, .reason, .attempts, .exit, .signal]' | sort)" = \
		'[0,"max-deliver",2,3,null]
[1,"max-deliver",2,null,"SIGKILL"]
[2,"timeout",2,null,"SIGTERM"]
[3,"rejected",1,65,null]' ]
	mqdlq show --offset 0 t >"$OUT"
	grep -q 'stderr: 4096 bytes' "$OUT"
	grep -q '\.the end of status' "$OUT"
}

@test "a retry that succeeds is no failure" {
	seq 3 | mqpub -q t
	run -0 --separate-stderr mqsub -q -e -g g --backoff 1ms t -- sh -c '[ "$MQ_ATTEMPT" -eq 2 ] && { read -r x; echo "$x"; }'
	[ "$(sort <<<"$output" | tr '\n' ' ')" = '1 2 3 ' ]
	[ -z "$stderr" ]
}

@test "75 and 111: again later; 65 and 100: a dead letter now" {
	printf '%s\n' 75 111 65 100 | mqpub -q t
	run -123 --separate-stderr mqsub -e -g g --retries 2 --backoff 1ms t -- sh -c '
		read -r status; echo "$status" >>"$DIR/ran"; exit "$status"'
	[ "$(sort -n "$DIR/ran" | uniq -c | tr -s ' \n' ' ')" = ' 1 65 2 75 1 100 2 111 ' ]
	for status in 65 100; do
		grep -q "exit status $status, attempt 1 of 2, now a dead letter" <<<"$stderr"
	done
}

@test "99: done, and no more" {
	seq 5 | mqpub -q t
	run -0 --separate-stderr mqsub -q -g g t -- sh -c 'read -r x; echo "$x"; [ "$x" -ne 2 ] || exit 99'
	[ "$output" = $'1\n2' ]
	left_is g t '3 4 5 '
}

@test "126, 127 and what cannot be started: stop with that status; the message is not counted" {
	seq 2 | mqpub -q t
	run -127 --separate-stderr mqsub -g g t -- no-such-program-here
	[ "$stderr" = "mqsub: cannot start no-such-program-here: there is no such program" ]
	run -126 --separate-stderr mqsub -g g t -- /etc/passwd
	run -127 --separate-stderr mqsub -g g t -- /no/such/file
	run -69 mqsub --browse -g g t # not even the group was made
	for status in 126 127; do
		run -$status --separate-stderr mqsub -q -g g t -- sh -c "exit $status"
		[[ $stderr == "mqsub: sh: exit status $status: "* ]]
		left_is g t '1 2 '
	done
	printf '#!/bin/sh\nrm "$0"\n' >"$DIR/once"
	chmod +x "$DIR/once"
	run -127 --separate-stderr mqsub -q -g g t -- "$DIR/once"
	[ "$stderr" = "mqsub: cannot start $DIR/once: No such file or directory" ]
	[ "$(mqsub -q -e -g g -f '%d %s' t)" = '1 2' ]
}

@test "126 with others that run: they are finished first" {
	seq 2 | mqpub -q t
	run -126 --separate-stderr mqsub -q -g g -j 2 t -- sh -c "$WAIT"'
		read -r x
		[ "$x" -ne 1 ] || { wait_for failed; cat; echo finished; exit 0; }
		touch "$DIR/failed"; exit 126'
	[ "$output" = finished ]
	left_is g t '2 '
}

@test "--timeout: TERM for all that it started, KILL for who does not end" {
	printf '%s\n' 1 | mqpub -q t
	run -123 --separate-stderr mqsub -e -g g --retries 1 --timeout 200ms t -- sh -c '
		sh -c "echo \$\$ >\"\$DIR/child\"; exec sleep 1000" & wait'
	[[ $stderr == *"took too long (--timeout), attempt 1 of 1, now a dead letter" ]]
	poll_until 10 ended "$(cat "$DIR/child")"
	mqpub -q -m 2 t
	start=$SECONDS
	run -123 --separate-stderr mqsub -q -e -g g --retries 1 --timeout 100ms t -- sh -c 'trap "" TERM; touch "$DIR/ran"; while :; do sleep 1000; done'
	[ -e "$DIR/ran" ]
	[ $((SECONDS - start)) -ge 4 ]
	[ $((SECONDS - start)) -le 15 ]
}

@test "what the command says on standard error is passed on" {
	mqpub -q -m 1 t
	run -0 --separate-stderr mqsub -q -e -g g t -- sh -c 'echo out; echo "to stderr" >&2; echo again >/dev/stderr'
	[ "$output" = out ]
	[ "$stderr" = $'to stderr\nagain' ]
}

@test "standard error is passed on while the command runs, also when others have nothing to do" {
	mqpub -q -m 1 t
	start_mqsub -q -g g -j 4 t -- sh -c "$WAIT"'echo started >&2; wait_for go; echo done'
	poll_until 10 grep -q started "$ERR"
	touch "$DIR/go"
	poll_until 10 grep -q done "$OUT"
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	left_is g t ''
}

@test "who goes on behind the command's back is not waited for" {
	seq 3 | mqpub -q t
	mqsub -q -e -g g -j 2 t -- sh -c 'sleep 1000 & cat' >"$OUT"
	[ "$(fold -w 1 "$OUT" | sort | tr -d '\n')" = 123 ]
}

# ---- several at a time ----

@test "-j: so many at a time, and not more" {
	seq 6 | mqpub -q t
	start_mqsub -q -e -g g -j 3 t -- sh -c "$WAIT"'touch "$DIR/$MQ_OFFSET"; wait_for go'
	poll_until 10 has_files 3
	run -75 mqsub -q -W 300ms -g other -o end t # time for one too many to come
	[ "$(ls "$DIR" | tr '\n' ' ')" = '0 1 2 ' ]
	touch "$DIR/go"
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	has_files 7
	left_is g t ''
}

@test "-j: what each message's command prints is kept together" {
	seq 8 | mqpub -q t
	mqsub -q -e -g g -j 4 t -- sh -c 'read -r x
		for i in 1 2 3; do echo "$x.$i"; sleep 0.01; done
		[ "$x" -ne 3 ] || head -c 300000 /dev/zero | tr "\0" x' >"$OUT"
	[ "$(wc -c <"$OUT")" -eq 300096 ]
	tr -d x <"$OUT" | paste - - - | sort >"$OUT.got"
	for x in 1 2 3 4 5 6 7 8; do printf '%s.1\t%s.2\t%s.3\n' $x $x $x; done | diff - "$OUT.got"
}

@test "-j 100: hundreds of commands" {
	seq 300 | mqpub -q t
	mqsub -q -e -g g -j 100 t -- cat >"$OUT"
	[ "$(wc -c <"$OUT")" -eq "$(seq 300 | tr -d '\n' | wc -c)" ]
	left_is g t ''
}

@test "two mqsub share: commands take one message at a time, so none waits for a slow one" {
	seq 10 | mqpub -q t
	mqsub -q -e -g g t -- sh -c "$WAIT"'touch "$DIR/runs"; wait_for go; cat' >"$OUT.1" 3>&- &
	first=$!
	poll_until 10 has_files 1
	mqsub -q -c 9 -W 20s -g g t -- cat >"$OUT.2"
	[ "$(wc -c <"$OUT.2")" -ge 9 ]
	touch "$DIR/go"
	wait $first
	left_is g t ''
}

# ---- coming to an end ----

@test "TERM: running commands are finished and done, the rest is given back" {
	seq 10 | mqpub -q t
	for sig in TERM INT HUP; do
		start_mqsub -q -g $sig -j 2 --prefetch 5 t -- sh -c "$WAIT"'touch "$DIR/$MQ_GROUP.$MQ_OFFSET"; wait_for $MQ_GROUP.go; cat'
		poll_until 10 ls "$DIR/$sig.0" "$DIR/$sig.1"
		kill -$sig "$pid"
		touch "$DIR/$sig.go"
		wait_for_end "$pid"
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		[ "$(fold -w 1 "$OUT" | sort | tr -d '\n')" = 12 ]
		[ ! -s "$ERR" ]
		left_is $sig t '3 4 5 6 7 8 9 10 '
		[ "$(mqsub -q -e -g $sig -f '%d' t)" = 11111111 ]
	done
}

@test "a second TERM: commands get it, too; what they do not finish is given back and not counted" {
	mqpub -q -m 1 t
	start_mqsub -q -g g t -- sh -c 'trap "echo told >\"\$DIR/told\"; exit 3" TERM; touch "$DIR/ran"; while :; do sleep 0.02; done'
	poll_until 10 has_files 1
	kill -TERM "$pid"
	poll_until 10 grep -qE '^SigPnd:.0+$' "/proc/$pid/status"
	alive "$pid"
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	[ -e "$DIR/told" ]
	[ ! -s "$ERR" ] || ! grep ^mqsub "$ERR"
	[ "$(mqsub -q -e -g g -f '%d %s' t)" = '1 1' ]
}

@test "a signal of the terminal is for mqsub: commands have a process group of their own" {
	mqpub -q -m 1 t
	[ "$(mqsub -q -e -g g t -- sh -c 'echo $$ $(ps -o pgid= -p $$)' | awk '{ print $1 == $2 }')" = 1 ]
}

@test "the lease is renewed while a command runs" {
	seq 2 | mqpub -q t
	start_mqsub -q -e -g g --lease 100ms -j 2 t -- sh -c "$WAIT"'touch "$DIR/$MQ_OFFSET"; wait_for go'
	poll_until 10 has_files 2
	run -75 mqsub -q -W 2500ms -g g t # a lease that ran out is noticed within a second or two
	[ -z "$output" ]
	touch "$DIR/go"
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	left_is g t ''
}

@test "mqsub is killed: its messages go to others, and count" {
	mqpub -q -m 1 t
	start_mqsub -q -g g t -- sh -c 'touch "$DIR/ran"; exec sleep 1000'
	poll_until 10 has_files 1
	kill -KILL "$pid"
	wait_for_end "$pid"
	[ "$(mqsub -q -c 1 -W 20s -g g t -- sh -c 'echo $MQ_ATTEMPT')" = 2 ]
}

@test "-c, -e and -R with commands" {
	seq 6 | mqpub -q t
	[ "$(mqsub -q -c 2 -g g t -- cat)" = 12 ]
	start=$(date +%s%N)
	[ "$(mqsub -q -c 3 -R 20 -g g t -- cat)" = 345 ]
	[ $(($(date +%s%N) - start)) -ge 100000000 ]
	[ "$(mqsub -q -e -g g t -- cat)" = 6 ]
}

@test "-W: when no message came for so long and nothing runs: 75" {
	mqpub -q -m 1 t
	run -75 --separate-stderr mqsub -W 100ms -g g t -- sh -c 'cat; sleep 0.3'
	[ "$output" = 1 ]
}

@test "-A: done when it is given out: a command that fails is not tried again: 123" {
	seq 2 | mqpub -q t
	run -123 --separate-stderr mqsub -A -e -g g t -- sh -c 'cat; exit 1'
	[ "$output" = 12 ]
	[ "$(grep -c 'exit status 1, and not tried again (-A)' <<<"$stderr")" -eq 2 ]
	left_is g t ''
}

@test "the reader of the output ends: no word, SIGPIPE, and nothing is counted" {
	seq 10 | mqpub -q t
	for jobs in 1 2; do
		rm -f "$DIR"/*
		mqsub -g g$jobs -q -j $jobs t -- sh -c "$WAIT"'read -r x; [ "$x" -le 2 ] || { touch "$DIR/$x"; wait_for gone; }; /bin/echo "$x"' 2>"$ERR" | {
			read -r a # a byte at a time
			read -r b
			echo "$a $b" >"$OUT"
			poll_until 10 test -e "$DIR/3"
			exec <&-
			touch "$DIR/gone"
		} || [ "${PIPESTATUS[0]}" -eq 141 ]
		[ "$(tr ' ' '\n' <"$OUT" | sort | tr '\n' ' ')" = '1 2 ' ]
		run ! grep '^mqsub' "$ERR"
		[ "$(mqsub -q -e -g g$jobs -f '%d' t)" = 11111111 ]
	done
}

@test "output that cannot be written: 74, and its message is not done" {
	seq 2 | mqpub -q t
	run -74 --separate-stderr bash -c 'timeout 20 mqsub -q -e -g g -j 2 t -- cat >/dev/full'
	[[ $stderr == "mqsub: standard output: "* ]]
	left_is g t '1 2 '
}

@test "a program without a shell, found in PATH as a shell finds it" {
	mqpub -q -m x t
	mkdir "$DIR/a" "$DIR/b"
	touch "$DIR/a/prog"
	printf '#!/bin/sh\necho found\n' >"$DIR/b/prog"
	chmod +x "$DIR/b/prog"
	[ "$(PATH="$DIR/a:$DIR/b:$PATH" mqsub -q -e -g g t -- prog)" = found ]
	PATH="$DIR/a:$PATH" run -126 mqsub -q -e -g g t -- prog
}

# ---- --into: from topic to topic ----

@test "--into: what the command prints is published, a message a record, with the key of its input" {
	printf '%s\n' 'k.1=a b' 'k.2=c' | mqpub -q -K = in
	mqpub -q -m 'no key' in
	run -0 --separate-stderr mqsub -e -g g --into out in -- tr ' ' '\n'
	[ -z "$output" ]
	[ "$stderr" = "mqsub: created group 'g' of topic 'in'"$'\n'"mqsub: created topic out in memory" ]
	[ "$(mqsub -e -f '%k|%K|%s\n' out)" = $'k.1|3|a\nk.1|3|b\nk.2|3|c\n|-1|no\n|-1|key' ]
	left_is g in ''
	run -0 --separate-stderr mqsub -e -g g --into out in -- cat
	[ -z "$output$stderr" ]
}

@test "--into: an unterminated last record, empty records, other delimiters, no output" {
	mqpub -q -m x in
	mqsub -q -e -g a --into a in -- printf 'one\n\nthree'
	[ "$(mqsub -e -f '<%s>' a)" = '<one><><three>' ]
	mqsub -q -e -g b --into b -0 in -- printf 'a\nb\0c\0'
	[ "$(mqsub -e -f '<%s>' b)" = $'<a\nb><c>' ]
	mqsub -q -e -g c --into c -D '::' in -- printf 'a::b:c'
	[ "$(mqsub -e -f '<%s>' c)" = '<a><b:c>' ]
	mqsub -q -e -g d --into d in -- true
	[ -z "$(mqsub -e d)" ]
	left_is d in ''
}

@test "--into: a command that fails publishes nothing; 99 publishes and stops" {
	seq 3 | mqpub -q in
	run -0 --separate-stderr mqsub -q -e -g g --backoff 1ms --into out in -- sh -c 'cat; [ "$MQ_ATTEMPT" -eq 2 ]'
	[ "$(mqsub -e out | sort | tr -d '\n')" = 123 ]
	run -0 mqsub -q -g h --into out99 in -- sh -c 'cat; exit 99'
	[ "$(mqsub -e out99)" = 1 ]
	left_is h in '2 3 '
}

@test "--into: the key chooses the partition, as it did for the input" {
	mqd topic create --partitions 8 out
	for i in 1 2 3 4 5 6; do echo "k$i=$i"; done | mqpub -q -K = in
	mqsub -q -e -g g -j 3 --into out in -- sh -c 'cat; echo; cat; echo "$MQ_KEY"'
	[ "$(mqsub -e -f '%k %p\n' out | sort -u | wc -l)" -eq 6 ]
	for i in 1 2 3 4 5 6; do echo "k$i=$i"; done | mqpub -q -K = out
	[ "$(mqsub -e -f '%k %p\n' out | sort -u | wc -l)" -eq 6 ]
}

@test "--into: more than the topic takes at once: again, then a dead letter that says so" {
	mqd topic create --memory 1M out
	printf '%s\n' large small | mqpub -q in
	run -123 --separate-stderr mqsub -e -g g --retries 2 --backoff 1ms --into out in -- sh -c '
		read -r x; [ "$x" = small ] || head -c 400000 /dev/zero; echo "$x"'
	[ "$(mqsub -e out)" = small ]
	[[ $stderr == *"it printed 400006 bytes, more than topic out takes at once"*"attempt 1 of 2"* ]]
	[[ $stderr == *"attempt 2 of 2, now a dead letter"* ]]
}

@test "--into: a full topic is waited for" {
	mqd topic create --slots 8 out
	seq 30 | mqpub -q in
	start_mqsub -g g -j 3 --into out in -- cat
	poll_until 10 grep -q 'topic out is full: waiting for room' "$ERR"
	mqsub -c 30 --hold out >"$OUT.1"
	sort -n "$OUT.1" | diff - <(seq 30)
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	left_is g in ''
}

@test "--into: TERM gives back what found no room" {
	mqd topic create --slots 8 out
	seq 30 | mqpub -q in
	start_mqsub -g g -j 3 --into out in -- cat
	poll_until 10 grep -q 'topic out is full: waiting for room' "$ERR"
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	grep -q 'topic out is full: what the command printed is not published' "$ERR"
	{ left g in | tr ' ' '\n'; mqsub -e out; } | sort -n | diff - <(seq 30)
}

@test "--into: exactly once, whoever is killed when" {
	seq 3000 | mqpub -q in
	mqpub -q -m start out
	for i in $(seq 20); do
		start_mqsub -q -g g --lease 200ms --retries 250 --backoff 1ms -j 3 --into out in -- cat
		poll_until 10 grown out
		kill -KILL "$pid"
		wait_for_end "$pid"
	done
	mqsub -q -e -g g --into out in -- cat
	{
		echo start
		seq 3000
	} | sort | diff - <(mqsub -e out | sort)
}

# There is more in TOPIC than there was.
grown() {
	local n

	n=$(mqd topic list -J -v | jq "select(.name == \"$1\").end_offset")
	[ "$n" -gt "${last:-0}" ] && last=$n
}

@test "--into: what goes together: 64" {
	mqpub -q -m x in
	run -64 --separate-stderr mqsub -g g --into in in -- cat
	[[ $stderr == *"'--into': 'in' is what is read"* ]]
	run -64 --separate-stderr mqsub -g g --into a/b in -- cat
	run -64 --separate-stderr mqsub -g g --into out --worker in -- cat
	run -64 --separate-stderr mqsub -g g --into out -A in -- cat
	run -64 --separate-stderr mqsub -g g --into out -D '' in -- cat
	run -64 --separate-stderr mqsub -g g --into out -J in -- cat
}

@test "--into: the topic is deleted: 69, and the message is given back" {
	mqpub -q -m x in
	start_mqsub -q -g g --into out in -- sh -c "$WAIT"'touch "$DIR/ran"; wait_for go; cat'
	poll_until 10 has_files 1
	mqd topic delete -y out
	touch "$DIR/go"
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
	grep -q '^mqsub: topic out was deleted' "$ERR"
	left_is g in 'x '
}

# ---- workers ----

@test "--worker: one process reads messages and answers each" {
	printf '%s\n' a retry dead last | mqpub -q t
	run -123 --separate-stderr mqsub -e -g g --backoff 1ms --retries 9 --worker t -- sh -c '
		n=0
		while read -r x; do
			n=$((n + 1))
			echo "$$ $x" >>"$DIR/read"
			case $x in
			retry) [ $n -gt 2 ] && echo ack || echo retry 5ms ;;
			dead) echo dead it is bad ;;
			*) echo ack ;;
			esac
		done
		echo end >>"$DIR/read"'
	[ -z "$output" ]
	[ "$(cut -d' ' -f1 "$DIR/read" | sort -u | wc -l)" -eq 2 ]
	[ "$(sed 's/.* //' "$DIR/read" | sort | tr '\n' ' ')" = 'a dead end last retry retry ' ]
	[ "$(tail -n 1 "$DIR/read")" = end ]
	[[ $stderr == *"offset 1: the worker says retry, attempt 1 of 9, again in 5ms"* ]]
	[[ $stderr == *"offset 2: the worker says dead: it is bad, attempt 1 of 9, now a dead letter"* ]]
	left_is g t ''
}

@test "--worker: -j of them, each with one message at a time" {
	seq 40 | mqpub -q t
	mqsub -q -e -g g -j 4 --worker t -- sh -c 'while read -r x; do echo "$$ $x" >>"$DIR/$$"; echo ack; done'
	[ "$(cat "$DIR"/* | wc -l)" -eq 40 ]
	[ "$(ls "$DIR" | wc -l)" -eq 4 ]
}

@test "--worker: framings; a value that holds the delimiter is refused: 65" {
	printf 'one\ntwo\0next\0' | mqpub -q -0 t
	run -65 --separate-stderr mqsub -q -e -g g --worker t -- sed -u 's/.*/ack/'
	[[ $stderr == *"offset 0: the delimiter stands inside"*"-0"* ]]
	left_is g t $'one two next '
	[ "$(mqsub -q -e -g g -f '%d' t)" = 11 ]
	mqsub -q -e -g h --worker -J t -- sh -c 'while read -r x; do printf "%s\n" "$x" >>"$DIR/json"; echo ack; done'
	[ "$(jq -r .payload "$DIR/json")" = $'one\ntwo\nnext' ]
	mqsub -q -e -g i --worker -0 t -- perl -0 -ne 'BEGIN { $| = 1 } chomp; open F, ">>$ENV{DIR}/nul"; print F "<$_>"; close F; print "ack\n"'
	[ "$(cat "$DIR/nul")" = $'<one\ntwo><next>' ]
	mqsub -q -e -g j --worker -D ';' -K '=' -k '#' t -- perl -ne 'BEGIN { $/ = ";"; $| = 1 } print "ack\n"'
	left_is j t ''
}

@test "--worker: a large message goes through, whoever reads slowly" {
	head -c 1000000 /dev/zero | tr '\0' x | mqpub -q -s t
	mqsub -q -e -g g --worker t -- sh -c 'while read -r x; do printf %s "$x" | wc -c >"$DIR/size"; echo ack; done'
	[ "$(cat "$DIR/size")" -eq 1000000 ]
}

@test "--worker: one that dies is started again, its message is counted; five times in a row: 69" {
	seq 4 | mqpub -q t
	run -0 --separate-stderr mqsub -e -g g --backoff 1ms --worker t -- sh -c '
		read -r x && [ ! -e "$DIR/$x" ] && touch "$DIR/$x" && exit 3
		echo ack; while read -r x; do touch "$DIR/$x"; echo ack; done'
	[[ $stderr == *"exit status 3, attempt 1 of 5"* ]]
	left_is g t ''
	run -69 --separate-stderr mqsub -q -g h --backoff 1ms --worker t -- false
	[ "$stderr" = "mqsub: false: the worker died 5 times in a row and answered nothing" ]
}

@test "--worker: what is no answer: 65" {
	seq 2 | mqpub -q t
	for say in 'echo what' 'echo retry soon' 'echo acknowledged' 'head -c 10000 /dev/zero; cat'; do
		run -65 --separate-stderr mqsub -q -c 1 -g g --worker t -- sh -c "read -r x; $say; read -r x"
		[[ $stderr == "mqsub: sh: the worker said '"*"the answer to a message is one line"* ]]
	done
}

@test "--worker: --timeout, and the end of what does not end" {
	mqpub -q -m 1 t
	run -123 --separate-stderr mqsub -e -g g --retries 1 --timeout 200ms --worker t -- sh -c 'read -r x; exec sleep 1000'
	[[ $stderr == *"took too long (--timeout), attempt 1 of 1, now a dead letter" ]]
	mqpub -q -m 2 t
	start=$SECONDS
	run -0 mqsub -q -e -g g --worker t -- sh -c 'read -r x; echo ack; exec sleep 1000'
	[ $((SECONDS - start)) -le 12 ]
}

@test "--worker: TERM: the message in hand is answered, then the workers' input ends" {
	seq 5 | mqpub -q t
	start_mqsub -q -g g --worker t -- sh -c "$WAIT"'while read -r x; do touch "$DIR/$x"; wait_for go; echo ack; done; touch "$DIR/end"'
	poll_until 10 has_files 1
	kill -TERM "$pid"
	poll_until 10 grep -qE '^SigPnd:.0+$' "/proc/$pid/status"
	touch "$DIR/go"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	[ -e "$DIR/end" ]
	left_is g t '2 3 4 5 '
}

@test "--worker: 127 and 126 stop it" {
	mqpub -q -m 1 t
	run -127 mqsub -q -g g --worker t -- no-such-program-here
	run -126 --separate-stderr mqsub -q -g g --worker t -- sh -c 'exit 126'
	left_is g t '1 '
}
