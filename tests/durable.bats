# SPDX-License-Identifier: MIT
# durable.bats - topics on disk: what survives, who waits and is told, what is said of damage.

load helpers
load durable

setup() {
	setup_store
}

teardown() {
	teardown_store
}

# ---- mqd is killed, memory stays -----------------------------------------------------------

@test "kill -9 of mqd loses nothing, also what it had not written" {
	start_mqd
	seq 100 | mqpub -q -a disk t
	kill -STOP "$MQD"
	seq 101 200 | mqpub -q -a shm t # in memory only
	kill_mqd
	seq 201 300 | mqpub -q -a shm t
	start_mqd
	said attached
	run -0 everything t
	[ "$output" = "$(seq 300 | awk '{ print $1 - 1, $1 }')" ]
	poll_until 5 durable_to t 300
	# and it is on disk as well
	lose_memory
	start_mqd
	said recovered
	run -0 everything t
	[ "$output" = "$(seq 300 | awk '{ print $1 - 1, $1 }')" ]
}

@test "mqd killed again and again while others publish: nothing missing, nothing twice" {
	start_mqd
	mqd topic create t
	for i in $(seq 400); do printf '%s\n' "$i"; done | mqpub -q -R 400 t 3>&- &
	publisher=$!
	for i in 1 2 3; do
		poll_until 5 eval '[ "$(mqsub -q -e t | wc -l)" -ge $((i * 60)) ]'
		kill_mqd
		start_mqd
	done
	wait_for_end "$publisher"
	[ "$status" -eq 0 ]
	run -0 everything t
	[ "$output" = "$(seq 400 | awk '{ print $1 - 1, $1 }')" ]
	poll_until 5 durable_to t 400
	run -0 mqd check
}

# ---- memory is lost ------------------------------------------------------------------------

@test "loss of memory: what was durable is there, at its offsets; new ones go on behind a gap" {
	start_mqd
	seq 10 | mqpub -q -a disk t
	lose_memory
	start_mqd
	seq 11 20 | mqpub -q -a disk t
	run -0 everything t
	[ "$(cut -d' ' -f2 <<<"$output")" = "$(seq 20)" ]
	[ "$(head -n 10 <<<"$output")" = "$(seq 10 | awk '{ print $1 - 1, $1 }')" ]
	first=$(sed -n '11p' <<<"$output" | cut -d' ' -f1)
	[ "$first" -gt 9 ] && [ "$((first % (1 << 24)))" -eq 0 ]
	[ "$(tail -n 1 <<<"$output")" = "$((first + 9)) 20" ]
	# a second loss: another gap
	lose_memory
	start_mqd
	mqpub -q -a disk -m 21 t
	run -0 everything t
	second=$(tail -n 1 <<<"$output" | cut -d' ' -f1)
	[ "$second" -gt "$((first + 9))" ] && [ "$((second % (1 << 24)))" -eq 0 ]
	[ "$(wc -l <<<"$output")" -eq 21 ]
	# the gaps are no messages
	[ "$(mqsub -q -e -o -3 t)" = "$(printf '%s\n' 19 20 21)" ]
	[ "$(mqsub -q -e -o "$((first - 1))" t | head -n 1)" = 11 ]
	[ "$(mqsub -q -e -o 10 t | head -n 1)" = 11 ]
	# and a group that has everything in hand before one comes to its end
	[ "$(mqsub -q -e -g g t | wc -l)" -eq 21 ]
}

@test "what was read and not durable never shares its offset with anything" {
	start_mqd
	mqpub -q -a disk -m durable t
	kill -STOP "$MQD"
	mqpub -q -a shm -m lost t
	[ "$(everything -o 1 t)" = "1 lost" ]
	lose_memory
	start_mqd
	mqpub -q -a disk -m new t
	run -0 everything t
	[ "$(cut -d' ' -f2 <<<"$output" | tr '\n' ' ')" = "durable new " ]
	[ "$(tail -n 1 <<<"$output" | cut -d' ' -f1)" -gt 1 ]
}

@test "loss of memory: groups stand where they stood" {
	start_mqd
	seq 10 | mqpub -q -a disk t
	mqsub -q -g g -c 4 -a disk t >/dev/null
	mqsub -q -g done -e -a disk t >/dev/null
	lose_memory
	start_mqd
	[ "$(left g t)" = "5 6 7 8 9 10 " ]
	[ "$(left done t)" = "" ]
	mqpub -q -m 11 t
	[ "$(mqsub -q -g g -e t | tr '\n' ' ')" = "5 6 7 8 9 10 11 " ]
	[ "$(mqsub -q -g done -e t)" = 11 ]
	[ "$(mqsub -q -g new -e t | wc -l)" -eq 11 ]
}

@test "acks that nobody waits for are durable a second later" {
	start_mqd
	seq 10 | mqpub -q -a disk t
	mqsub -q -g g -c 4 t >/dev/null
	acked() {
		rm -rf "$BATS_TEST_TMPDIR/copy"
		cp -r "$MQ_STORE" "$BATS_TEST_TMPDIR/copy"
		mqd -b "$BATS_TEST_TMPDIR/elsewhere" --store "$BATS_TEST_TMPDIR/copy" 2>"$BATS_TEST_TMPDIR/log" 3>&- &
		poll_until 5 grep -q serving "$BATS_TEST_TMPDIR/log"
		n=$(mqsub -b "$BATS_TEST_TMPDIR/elsewhere" --browse -g g t | wc -l)
		kill "$!"
		wait "$!"
		rm -rf "$BATS_TEST_TMPDIR/elsewhere"
		[ "$n" -eq 6 ]
	}
	poll_until 5 acked
}

@test "messages done out of order stay done" {
	start_mqd
	seq 6 | mqpub -q -a disk t
	# 2 and 5 fail, and wait
	mqsub -q -g g -j 3 --retries 9 --backoff 1h t -- sh -c 'read n; [ $n != 2 ] && [ $n != 5 ]' 2>/dev/null 3>&- &
	poll_until 5 left_is g t "2 5 "
	kill "$!"
	mqsub -q -g other -e -a disk t >/dev/null # a round of acks, also of g's
	lose_memory
	start_mqd
	[ "$(left g t)" = "2 5 " ]
}

@test "loss of memory: a group reads up to a gap that nothing stands behind, and ends" {
	start_mqd
	seq 10 | mqpub -q -a disk t
	mqsub -q -g g -c 4 -a disk t >/dev/null
	lose_memory
	start_mqd
	run -0 timeout 5 mqsub -q -e -g g t
	[ "$output" = "$(seq 5 10)" ]
	run -0 timeout 5 mqsub -q -e -g g t
	[ -z "$output" ]
	run -0 timeout 5 mqsub -q -e -g o --ordered t
	[ "$output" = "$(seq 10)" ]
	run -0 timeout 5 mqsub -q -e t
	[ "$output" = "$(seq 10)" ]
}

@test "loss of memory: dead letters and requeued ones are there" {
	start_mqd
	seq 6 | mqpub -q -a disk t
	mqsub -q -g g -e --retries 1 -a disk t -- sh -c 'read n; test $((n % 2)) = 0 || { echo "no $n" >&2; exit 1; }' || :
	[ "$(mqdlq count t)" -eq 3 ]
	poll_until 5 durable_to t 6
	mqpub -q -a disk -m flush other
	lose_memory
	start_mqd
	[ "$(mqdlq count t)" -eq 3 ]
	[ "$(mqdlq export t | jq -r '[.payload, .dead.exit, .dead.stderr] | join(" ")' | tr -s '\n' ' ')" = "1 1 no 1 3 1 no 3 5 1 no 5 " ]
	[ "$(left g t)" = "" ]
	mqdlq requeue --offset 0 -y t 2>/dev/null
	[ "$(left g t)" = "1 " ]
	mqpub -q -a disk -m 7 t
	mqsub -q -g other -e -a disk t >/dev/null
	lose_memory
	start_mqd
	[ "$(mqdlq count t)" -eq 2 ]
	[ "$(left g t | xargs -n 1 | sort | xargs)" = "1 7" ]
	mqsub -q -g g -e -a disk t >/dev/null
	mqdlq drop --all -y t 2>/dev/null
	mqsub -q -g other -e -a disk t >/dev/null
}

@test "loss of memory: options of topics and groups, and a pause, are kept" {
	start_mqd
	mqd topic create --partitions 3 --slots 1024 --memory 2M --keep 512K --full reject --retention 3d \
		--retention-bytes 5M --until-acked yes t
	mqpub -q -a disk -k a.b -m x t
	mqsub -q -g g -e -a disk --lease 7s --retries 3 --backoff 20ms,40ms -k 'a.#' t >/dev/null
	mqsub -q -g o -e -a disk --ordered t >/dev/null
	mqd group alter --expire 9d --dead-letters drop t g
	mqd group pause t o
	mqd topic show t | grep -vE '^ |memory:|PARTITION|readers|unread' >"$BATS_TEST_TMPDIR/topic"
	mqd group list -J t | jq -cS '{group, mode, lease, retries, backoff, backoff_max, filter, expire, dead_letters, paused}' | sort >"$BATS_TEST_TMPDIR/groups"
	mqpub -q -a disk -k a.b -m y t
	poll_until 5 eval 'mqsub -q -g g -e -a disk t; mqd check >/dev/null'
	lose_memory
	start_mqd
	mqd topic show t | grep -vE '^ |memory:|PARTITION|readers|unread' | diff "$BATS_TEST_TMPDIR/topic" -
	mqd group list -J t | jq -cS '{group, mode, lease, retries, backoff, backoff_max, filter, expire, dead_letters, paused}' | sort | diff "$BATS_TEST_TMPDIR/groups" -
}

@test "loss of memory: partitions and keys" {
	start_mqd
	mqd topic create --partitions 4 t
	seq 100 | awk '{ print "k" $1 % 7 "=" $1 }' | mqpub -q -a disk -K = t
	mqsub -q -e -f '%p %o %k %s\n' t | sort >"$BATS_TEST_TMPDIR/before"
	lose_memory
	start_mqd
	mqsub -q -e -f '%p %o %k %s\n' t | sort | diff "$BATS_TEST_TMPDIR/before" -
	[ "$(wc -l <"$BATS_TEST_TMPDIR/before")" -eq 100 ]
	# a key stays in its partition
	p=$(mqsub -q -e -k k3 -f '%p\n' t | sort -u)
	mqpub -q -a disk -k k3 -m new t
	[ "$(mqsub -q -e -k k3 -f '%p\n' t | sort -u)" = "$p" ]
}

@test "loss of memory: an ordered group goes on in order" {
	start_mqd
	mqd topic create --partitions 2 t
	seq 40 | awk '{ print "k" $1 % 5 "=" $1 }' | mqpub -q -a disk -K = t
	mqsub -q -g g --ordered -c 15 -a disk -f '%k %s\n' t >"$BATS_TEST_TMPDIR/got"
	lose_memory
	start_mqd
	mqsub -q -g g -e -a disk -f '%k %s\n' t >>"$BATS_TEST_TMPDIR/got"
	[ "$(cut -d' ' -f2 "$BATS_TEST_TMPDIR/got" | sort -n)" = "$(seq 40)" ]
	[ -z "$(awk '$2 <= last[$1] { print } { last[$1] = $2 }' "$BATS_TEST_TMPDIR/got")" ]
}

@test "loss of memory in the middle of a start is another loss: offsets rise" {
	start_mqd
	mqpub -q -a disk -m 1 t
	for i in 2 3 4; do
		lose_memory
		start_mqd
		mqpub -q -a disk -m "$i" t
	done
	run -0 everything t
	[ "$(cut -d' ' -f2 <<<"$output" | tr '\n' ' ')" = "1 2 3 4 " ]
	[ "$(cut -d' ' -f1 <<<"$output")" = "$(cut -d' ' -f1 <<<"$output" | sort -nu)" ]
	run -0 mqd check
}

@test "what a stopped mqd left is all there, and no offset is left out without need" {
	start_mqd
	seq 10 | mqpub -q t
	stop_mqd
	said "stopped; everything that was published is in the store"
	rm -rf "$MQ_DIR"
	start_mqd
	[ "$(everything t)" = "$(seq 10 | awk '{ print $1 - 1, $1 }')" ]
}

@test "deleted topics do not come back" {
	start_mqd
	mqpub -q -a disk -m x t
	mqpub -q -a disk -m x u
	mqd topic delete -y t
	mqpub -q -a disk -m y u
	poll_until 5 eval '! mqd check t 2>/dev/null'
	lose_memory
	start_mqd
	[ "$(mqd topic list)" = u ]
	# under the same name begins another one
	mqpub -q -a disk -m z t
	[ "$(everything t)" = "0 z" ]
}

# ---- waiting for the disk --------------------------------------------------------------------

@test "-a disk waits while mqd is absent, says for whom, and goes on by itself" {
	start_mqd
	mqpub -q -a disk -m 1 t
	kill_mqd
	mqpub -a disk -m 2 t 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	publisher=$!
	poll_until 5 said_by "$BATS_TEST_TMPDIR/err" "mqd, which does not run; start it with: mqd -b $MQ_DIR --store $MQ_STORE"
	kill -0 "$publisher"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
	start_mqd
	wait_for_end "$publisher"
	[ "$status" -eq 0 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
	lose_memory
	start_mqd
	[ "$(everything t)" = "$(printf '0 1\n1 2')" ]
}

@test "-a disk waits for an mqd that is stopped, and says so" {
	start_mqd
	mqpub -q -a disk -m 1 t
	kill -STOP "$MQD"
	mqpub -a disk -m 2 t 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	publisher=$!
	poll_until 5 said_by "$BATS_TEST_TMPDIR/err" "mqd (pid $MQD), which is stopped"
	kill -0 "$publisher"
	kill -CONT "$MQD"
	wait_for_end "$publisher"
	[ "$status" -eq 0 ]
}

@test "-W bounds the wait for the disk: 75" {
	start_mqd
	mqpub -q -a disk -m 1 t
	kill_mqd
	run -75 --separate-stderr mqpub -a disk -W 100ms -m 2 t
	[[ $stderr == *"mqd"* ]]
	run -75 --separate-stderr mqsub -q -g g -e -a disk -W 100ms t
	[ "$output" = "$(printf '1\n2')" ]
	start_mqd
	[ "$(left g t)" = "" ]
}

@test "mqsub -a disk waits until its acks are on disk" {
	start_mqd
	mqpub -q -a disk -m 1 t
	kill -STOP "$MQD"
	mqsub -g g -e -a disk t >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	sub=$!
	poll_until 5 said_by "$BATS_TEST_TMPDIR/err" "mqd (pid $MQD), which is stopped"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = 1 ]
	kill -0 "$sub"
	kill -CONT "$MQD"
	wait_for_end "$sub"
	[ "$status" -eq 0 ]
}

@test "without mqd publishers go on until memory is full, then wait with one line" {
	start_mqd
	mqd topic create --memory 1M t
	mqpub -q -a disk -m first t
	kill_mqd
	head -c 400000 /dev/zero | tr '\0' x | fold -w 1000 | mqpub -q -a shm t # fits
	head -c 3000000 /dev/zero | tr '\0' y | fold -w 1000 | mqpub -a shm t 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	publisher=$!
	poll_until 5 said_by "$BATS_TEST_TMPDIR/err" "mqd, which does not run"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
	kill -0 "$publisher"
	start_mqd
	wait_for_end "$publisher"
	[ "$status" -eq 0 ]
	[ "$(mqsub -q -e t | wc -l)" -eq 3401 ]
}

@test "--full reject: what is not on disk yet is kept, and new ones are refused" {
	start_mqd
	mqd topic create --memory 1M --full reject r
	mqpub -q -a disk -m 1 r
	kill_mqd
	run -75 --separate-stderr bash -c "head -c 3000000 /dev/zero | tr '\\0' y | fold -w 1000 | mqpub -a shm r"
	[[ $stderr == *"topic r is full"* ]]
	n=$(mqsub -q -e r | wc -l)
	start_mqd
	mqpub -q -a disk -m 2 r
	lose_memory
	start_mqd
	[ "$(mqsub -q -e r | wc -l)" -eq $((n + 1)) ]
}

@test "an unknown topic is 69 where the store is and mqd is not, with the command" {
	start_mqd
	mqpub -q -a disk -m 1 t
	kill_mqd
	rm -rf "$MQ_DIR"
	run -69 --separate-stderr mqpub -m 2 t
	[[ $stderr == *"mqd does not run; start it with: mqd"* ]]
	[ ! -e "$MQ_DIR/topics/t" ]
	run -69 --separate-stderr mqsub -e t
	[[ $stderr == *"mqd"* ]]
	start_mqd
	mqpub -q -a disk -m 2 t
	[ "$(mqsub -q -e t | tr '\n' ' ')" = "1 2 " ]
}

# ---- whose store it is -----------------------------------------------------------------------

@test "a second mqd on a store is refused: 75, with the pid of the first" {
	start_mqd
	run -75 --separate-stderr mqd
	[ "$stderr" = "mqd: the store $MQ_STORE is in use by another mqd (pid $MQD)" ]
	run -75 --separate-stderr mqd -b "$BATS_TEST_TMPDIR/other"
	[ "$stderr" = "mqd: the store $MQ_STORE is in use by another mqd (pid $MQD)" ]
	run -78 --separate-stderr mqd --store "$BATS_TEST_TMPDIR/second"
	[[ $stderr == *"$MQ_DIR"* ]]
	mqpub -q -a disk -m 1 t
}

@test "a foreign store is refused: 78, and nothing of it is touched" {
	start_mqd
	mqpub -q -a disk -m mine t
	stop_mqd
	# another broker's
	mqd -b "$BATS_TEST_TMPDIR/other" --store "$BATS_TEST_TMPDIR/theirs" --segment 1M >"$LOG" 2>&1 3>&- &
	poll_until 5 said serving
	mqpub -b "$BATS_TEST_TMPDIR/other" -q -a disk -m theirs t
	kill "$!"
	wait_for_end "$!"
	MQ_STORE=$BATS_TEST_TMPDIR/theirs
	before=$(store_sum)
	run -78 --separate-stderr mqd
	[[ $stderr == *"goes with another store ($BATS_TEST_TMPDIR/store), not with $BATS_TEST_TMPDIR/theirs; nothing was touched" ]]
	rm -f "$MQ_STORE/lock" # only its pid
	[ "$(store_sum)" = "$before" ] || { cd "$MQ_STORE" && ls -l; }
}

@test "a store of a newer format is refused: 76" {
	start_mqd
	stop_mqd
	printf '\007' | dd of="$MQ_STORE/store" bs=1 seek=8 conv=notrunc status=none
	rm -rf "$MQ_DIR"
	run -76 --separate-stderr mqd
	[ "$stderr" = "mqd: store: disk format 7, this program has 1" ]
	run -76 --separate-stderr mqd check
}

@test "an older copy of the store beside live memory is refused" {
	start_mqd
	mqpub -q -a disk -m 1 t
	kill_mqd
	cp -r "$MQ_STORE" "$BATS_TEST_TMPDIR/copy"
	start_mqd
	seq 10 | mqpub -q -a disk t
	kill_mqd
	rm -r "$MQ_STORE"
	cp -r "$BATS_TEST_TMPDIR/copy" "$MQ_STORE"
	before=$(store_sum)
	run -78 --separate-stderr mqd
	[[ $stderr == *"an older copy of it was put in its place, or its newest segment is gone or damaged"* ]]
	[[ $stderr == *"remove the runtime directory $MQ_DIR"* ]]
	run -1 mqd check
	[[ $output == *"up to "*" was durable: its newest part is gone"* ]]
	# as it says
	rm -rf "$MQ_DIR"
	start_mqd
	[ "$(everything t)" = "0 1" ]
}

@test "a copy of the store serves on another machine" {
	start_mqd
	seq 5 | mqpub -q -a disk t
	mqsub -q -g g -c 2 -a disk t >/dev/null
	cp -r "$MQ_STORE" "$BATS_TEST_TMPDIR/copy"
	kill_mqd
	export MQ_DIR=$BATS_TEST_TMPDIR/broker-two MQ_STORE=$BATS_TEST_TMPDIR/copy
	start_mqd
	[ "$(everything t)" = "$(seq 5 | awk '{ print $1 - 1, $1 }')" ]
	[ "$(left g t)" = "3 4 5 " ]
	mqpub -q -a disk -m 6 t
	[ "$(everything t | tail -n 1 | cut -d' ' -f2)" = 6 ]
	[ "$(everything t | tail -n 1 | cut -d' ' -f1)" -gt 5 ]
	stop_mqd
	# and the store may move, once its runtime directory is gone
	mv "$MQ_STORE" "$BATS_TEST_TMPDIR/moved"
	run -78 --separate-stderr mqd --store "$BATS_TEST_TMPDIR/moved"
	[[ $stderr == *"goes with the store at $MQ_STORE, and this copy of it is at $BATS_TEST_TMPDIR/moved; nothing was touched" ]]
	rm -rf "$MQ_DIR"
	export MQ_STORE=$BATS_TEST_TMPDIR/moved
	start_mqd
	[ "$(everything t | wc -l)" -eq 6 ]
}

# ---- damage ----------------------------------------------------------------------------------

@test "a torn tail is cut, and kept aside" {
	start_mqd
	mqpub -q -a disk -m one t
	poll_until 5 eval 'sleep 0.1; mqd check -v 2>&1 | grep -q " 3 commits"' || :
	mqpub -q -a disk -m two-that-is-torn t
	lose_memory
	file=$(segment_of 1)
	damage_at "$file" "$(place_of "$file" two-that-is-torn)"
	start_mqd
	said "cut at byte "
	said "what was being written there is kept in torn."
	[ "$(everything t)" = "0 one" ]
	grep -qaF "that-is-torn" "$MQ_STORE"/torn.* || grep -qaF XXXX "$MQ_STORE"/torn.*
	mqpub -q -a disk -m three t
	[ "$(everything t | cut -d' ' -f2 | tr '\n' ' ')" = "one three " ]
	run -0 mqd check
}

@test "a rotten block: said by mqd and mqd check; the rest is served, nothing is deleted" {
	start_mqd
	for i in 1 2 3 4 5; do mqpub -q -a disk -m "message-number-$i" t; done
	lose_memory
	file=$(segment_of 1)
	damage_at "$file" "$(place_of "$file" message-number-3)"
	run -1 mqd check
	[[ ${lines[0]} == "segment 1 (${file##*/}), byte "*": commit "*": its payload is damaged; nothing is readable up to byte "* ]]
	[ "${lines[1]}" = "topic t, partition 0: offsets 2 to 2 are missing (positions 2 to 2)" ]
	cp -r "$MQ_STORE" "$BATS_TEST_TMPDIR/before"
	start_mqd
	said "are damaged"
	said "the rest is served"
	run everything t
	[[ $output == *"0 message-number-1"*"1 message-number-2"*"3 message-number-4"*"4 message-number-5"* ]]
	[[ $output != *number-3* ]]
	# what could be read before can be read still
	cmp -n "$(stat -c %s "$BATS_TEST_TMPDIR/before/${file##*/}")" "$BATS_TEST_TMPDIR/before/${file##*/}" "$file" ||
		[ "$(cmp -l "$BATS_TEST_TMPDIR/before/${file##*/}" "$file" 2>/dev/null | head -n 1 | awk '{ print $1 }')" -gt "$(place_of "$file" message-number-5)" ]
	run -1 mqd check
}

@test "a damaged block that memory still has is no loss" {
	start_mqd
	for i in 1 2 3; do mqpub -q -a disk -m "message-number-$i" t; done
	kill_mqd
	file=$(segment_of 1)
	damage_at "$file" "$(place_of "$file" message-number-2)"
	start_mqd
	run -0 everything t
	[ "$output" = "$(seq 3 | awk '{ print $1 - 1, "message-number-" $1 }')" ]
}

@test "a truncated segment: what was in it is said, the rest is served" {
	start_mqd
	for i in 0 1 2 3 4; do seq "$((i * 600 + 1))" "$((i * 600 + 600))" | awk '{ printf "%01000d\n", $1 }' | mqpub -q -a disk t; done
	lose_memory
	[ "$(segments | wc -l)" -ge 3 ]
	truncate -s 500000 "$(segment_of 2)"
	run -1 mqd check
	[[ $output == *"segment 2 ("*"): has 500000 bytes, and had commits up to byte "* ]]
	[[ $output == *"topic t, partition 0: offsets "*" are missing"* ]]
	start_mqd
	run mqsub -e t
	n=$(grep -c '^0' <<<"$output")
	[ "$n" -gt 1000 ]
	[ "$n" -lt 3000 ]
}

@test "a segment that was removed: what was in it is said, the rest is served" {
	start_mqd
	for i in 0 1 2 3 4; do seq "$((i * 600 + 1))" "$((i * 600 + 600))" | awk '{ printf "%01000d\n", $1 }' | mqpub -q -a disk t; done
	stop_mqd
	rm -rf "$MQ_DIR" "$(segment_of 2)"
	run -1 mqd check
	[[ $output == *"topic t, partition 0: offsets "*" are missing: segment 2 is gone"* ]]
	start_mqd
	run mqsub -e t
	n=$(grep -c '^0' <<<"$output")
	[ "$n" -gt 1000 ]
	[ "$n" -lt 3000 ]
	[ "$(tail -n 1 <<<"$output" | sed 's/^0*//')" = 3000 ] || grep -q '03000$' <<<"$output"
}

@test "a damaged snapshot: the journal is read instead" {
	start_mqd
	seq 10 | mqpub -q -a disk t
	stop_mqd
	rm -rf "$MQ_DIR"
	for file in "$MQ_STORE"/snapshot.*; do damage_at "$file" 100; done
	run -1 mqd check
	[[ $output == *"snapshot."*": damaged" ]]
	start_mqd
	said "an older one, or the whole journal, is read instead"
	[ "$(everything t | wc -l)" -eq 10 ]
}

@test "a damaged newest snapshot costs nothing: the older one is read, and the segments behind that are there" {
	start_mqd
	mqd topic create --memory 1M --retention-bytes 1M t
	mqpub -q -a disk -m kept other
	for i in $(seq 12); do seq 1000 | awk '{ printf "%0999d\n", $1 }' | mqpub -q -a disk t; done
	mqpub -q -a disk -m last other
	for i in $(seq 6); do seq 1000 | awk '{ printf "%0999d\n", $1 }' | mqpub -q -a disk t; done
	[[ $(segments | sed -n 1p) != journal.0000000000000001* ]]
	first=$(mqd topic show -J t | jq '.logs[0].first_offset')
	lose_memory
	[ "$(ls -d "$MQ_STORE"/snapshot.* | wc -l)" -eq 2 ]
	damage_at "$(ls -d "$MQ_STORE"/snapshot.* | tail -n 1)" 100
	run -1 mqd check
	[[ $output != *missing* ]]
	start_mqd
	said "an older one, or the whole journal, is read instead"
	run ! grep missing "$LOG"
	[ "$(mqsub -q -e other)" = $'kept\nlast' ]
	[ "$(mqd topic show -J t | jq '.logs[0].first_offset')" -eq "$first" ]
	[ "$(mqsub -q -e t | wc -l)" -eq $((18000 - first)) ]
}

@test "the runtime directory is removed under mqd and publishers: they are told" {
	start_mqd
	mqpub -q -a disk -m 1 t
	mkfifo "$BATS_TEST_TMPDIR/in"
	mqpub -a shm t <"$BATS_TEST_TMPDIR/in" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	publisher=$!
	exec 8>"$BATS_TEST_TMPDIR/in"
	echo 2 >&8
	poll_until 5 eval '[ "$(mqsub -q -e t | wc -l)" -eq 2 ]'
	kill -STOP "$MQD"
	rm -rf "$MQ_DIR"
	kill -CONT "$MQD"
	{ seq 100000 >&8; } 2>/dev/null || :
	exec 8>&-
	wait_for_end "$publisher"
	[ "$status" -eq 69 ]
	[[ $(cat "$BATS_TEST_TMPDIR/err") == *"runtime directory"* ]]
	wait_for_end "$MQD"
	[ "$status" -eq 69 ]
	said "the runtime directory was removed; what was durable is in the store"
	start_mqd
	[ "$(everything t | head -n 1)" = "0 1" ]
}

# ---- reading what memory has let go ------------------------------------------------------------

# lagging: a topic of 1 MiB of memory with 12 MB behind it, 12,000 messages of 1,000 bytes.
lagging() {
	start_mqd --segment 2M
	mqd topic create --memory 1M t
	seq 0 5999 | awk '{ printf "%0999d\n", $1 }' | mqpub -q t
	BETWEEN=@$(date +%s.%N)
	seq 6000 11999 | awk '{ printf "%0999d\n", $1 }' | mqpub -q t
}

@test "lagging readers are given everything: ephemeral, from places, groups, browsing" {
	lagging
	all=$(seq 0 11999 | sha256sum)
	plain() { awk '{ print $1 + 0 }'; }
	[ "$(mqsub -q -e t | plain | sha256sum)" = "$all" ]
	[ "$(mqsub -q -e -o 17 -c 3 t | plain | tr '\n' ' ')" = "17 18 19 " ]
	[ "$(mqsub -q -e -o 500:502 t | plain | tr '\n' ' ')" = "500 501 502 " ] || [ "$(mqsub -q -e -o 500:502 t | plain | tr '\n' ' ')" = "500 501 " ]
	[ "$(mqsub -q -e -o -11000 -c 2 t | plain | tr '\n' ' ')" = "1000 1001 " ]
	[ "$(mqsub -q -e -o -12000 t | plain | sha256sum)" = "$all" ]
	[ "$(mqsub -q -e -o "$BETWEEN" t | head -n 1 | plain)" = 6000 ]
	[ "$(mqsub -q -e --browse t | plain | sha256sum)" = "$all" ]
	[ "$(mqsub -q -e -g g t | plain | sha256sum)" = "$all" ]
	[ "$(mqsub -q -e -g g t | wc -l)" -eq 0 ]
	run -0 mqd check
}

@test "lagging: several consumers of a group share it, each message once; an ordered one in order" {
	lagging
	for i in 1 2 3; do
		mqsub -q -e -g g t >"$BATS_TEST_TMPDIR/out.$i" 3>&- &
		pids[i]=$!
	done
	for i in 1 2 3; do
		wait_for_end "${pids[i]}"
		[ "$status" -eq 0 ]
	done
	[ "$(sort "$BATS_TEST_TMPDIR"/out.? | sha256sum)" = "$(seq 0 11999 | awk '{ printf "%0999d\n", $1 }' | sha256sum)" ]
	[ "$(mqsub -q -e -g o --ordered t | sha256sum)" = "$(seq 0 11999 | awk '{ printf "%0999d\n", $1 }' | sha256sum)" ]
}

@test "lagging after a loss of memory: the same, and the group goes on where it stood" {
	lagging
	mqsub -q -g g -c 700 -a disk t >/dev/null
	poll_until 5 durable_to t 12000
	lose_memory
	start_mqd
	[ "$(mqsub -q -e t | sha256sum)" = "$(seq 0 11999 | awk '{ printf "%0999d\n", $1 }' | sha256sum)" ]
	[ "$(mqsub -q -e -g g t | sha256sum)" = "$(seq 700 11999 | awk '{ printf "%0999d\n", $1 }' | sha256sum)" ]
}

@test "a reader that lags does not hold publishers, nor readers at the end" {
	start_mqd
	mqd topic create --memory 1M t
	mqpub -q -m first t
	mqsub -q -g slow -c 1 t >/dev/null
	timeout 20 sh -c "seq 6000 | awk '{ printf \"%0999d\\n\", \$1 }' | mqpub -q t"
	[ "$(mqsub -q -e -g fast t | wc -l)" -eq 6001 ]
	[ "$(mqsub -q -e -g slow t | wc -l)" -eq 6000 ]
}

# ---- groups across topics ------------------------------------------------------------------------

@test "mqdlq on a topic on disk whose messages memory has let go" {
	start_mqd
	mqd topic create --memory 1M t
	printf '%s\n' bad good worse | mqpub -q -a disk t
	mqsub -q -g g -e --retries 1 t -- sh -c 'grep -q good || { echo why >&2; exit 3; }' 2>/dev/null || :
	seq 3000 | awk '{ printf "%0999d\n", $1 }' | mqpub -q t
	mqsub -q -g g -e t >/dev/null
	[ "$(mqdlq export t | jq -r .payload | tr '\n' ' ')" = "bad worse " ]
	mqdlq requeue --all -y t 2>/dev/null
	[ "$(mqsub -q -g g -e t | tr '\n' ' ')" = "bad worse " ]
}

@test "settling from topic to topic survives: each input has its output once" {
	start_mqd
	seq 30 | mqpub -q -a disk in
	mqsub -q -e -g g -c 10 --into out in -- sed 's/^/out /'
	mqsub -q -e -g other -a disk in >/dev/null
	lose_memory
	start_mqd
	mqsub -q -e -g g --into out -a disk in -- sed 's/^/out /'
	lose_memory
	start_mqd
	[ "$(mqsub -q -e out)" = "$(seq 30 | sed 's/^/out /')" ]
	[ "$(left g in)" = "" ]
}

@test "mqd killed while one settles: each input has its output once" {
	start_mqd
	seq 60 | mqpub -q -a disk in
	mqsub -q -e -g g --into out in -- cat 3>&- &
	sub=$!
	for i in 1 2 3; do
		poll_until 5 eval '[ "$(mqsub -q -e out 2>/dev/null | wc -l)" -ge $((i * 12)) ]'
		kill_mqd
		start_mqd
	done
	wait_for_end "$sub"
	[ "$status" -eq 0 ]
	[ "$(mqsub -q -e out)" = "$(seq 60)" ]
}

@test "settling from a topic on disk into one in memory is refused" {
	start_mqd
	mqpub -q -a disk -m x in
	mqd topic create --storage memory out
	run --separate-stderr mqsub -q -e -g g --into out in -- cat
	[ "$status" -ne 0 ]
	[[ $stderr == *"memory"* ]]
	[ "$(mqsub -q -e out | wc -l)" -eq 0 ]
	[ "$(left g in)" = "x " ]
}

# ---- purge, delete, retention, room --------------------------------------------------------------

@test "purge is durable" {
	start_mqd
	seq 10 | mqpub -q -a disk t
	mqd topic purge -y t
	mqpub -q -a disk -m new t
	lose_memory
	start_mqd
	[ "$(mqsub -q -e t)" = new ]
	run -0 mqd check
}

@test "a purge takes what is in the store only" {
	start_mqd
	seq 10 | mqpub -q -a disk t
	lose_memory
	start_mqd
	run -0 --separate-stderr mqd topic purge -y -v t
	[[ $stderr == *"10 messages of topic 't' removed"* ]]
	[ "$(mqsub -q -e t | wc -l)" -eq 0 ]
	mqpub -q -a disk -m new t
	lose_memory
	start_mqd
	[ "$(mqsub -q -e t)" = new ]
}

@test "without mqd a purge is refused, and a delete holds once it is back" {
	start_mqd
	seq 10 | mqpub -q -a disk t
	mqpub -q -a disk -m x u
	kill_mqd
	run --separate-stderr -69 mqd topic purge -y t
	[[ $stderr == *"mqd does not run; start it with: mqd -b "* ]]
	mqd topic delete -y u
	start_mqd
	[ "$(mqsub -q -e t | wc -l)" -eq 10 ]
	mqd topic purge -y t
	mqpub -q -a disk -m new t
	[ "$(mqd topic list)" = t ]
	lose_memory
	start_mqd
	[ "$(mqsub -q -e t)" = new ]
	[ "$(mqd topic list)" = t ]
}

@test "retention by bytes removes segments; readers are told what they missed" {
	start_mqd
	mqd topic create --memory 1M --retention-bytes 2M t
	for i in $(seq 8); do seq 1000 | awk '{ printf "%0999d\n", $1 }' | mqpub -q -a disk t; done
	before=$(segments | wc -l)
	stop_mqd
	start_mqd # what is old is looked for once a minute, and soon after a start
	for i in $(seq 7); do seq 1000 | awk '{ printf "%0999d\n", $1 }' | mqpub -q -a disk t; done
	first=$(mqd topic show -J t | jq '.logs[0].first_offset')
	[ "$first" -gt 4000 ]
	[ "$(mqsub -q -e t | wc -l)" -eq $((15000 - first)) ]
	[ "$(segments | wc -l)" -lt 14 ]
	run -0 mqd check
	stop_mqd
}

@test "--retention of an existing topic can be altered, and is durable" {
	start_mqd
	mqpub -q -a disk -m x t
	mqd topic alter --retention 2h --retention-bytes 3M --until-acked yes t
	mqpub -q -a disk -m y t
	lose_memory
	start_mqd
	run -0 mqd topic show t
	[[ $output == *"retention: 2h"*"retention-bytes: 3M"*"until-acked: yes"* ]]
}

@test "--store-limit: publishers wait with one line, acks go on; it goes on when there is room" {
	start_mqd --store-limit 8M
	mqd topic create --memory 1M t
	mqpub -q -a disk -m first t
	seq 20000 | awk '{ printf "%0999d\n", $1 }' | mqpub t 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	publisher=$!
	poll_until 8 said "the store is full ("
	poll_until 8 said_by "$BATS_TEST_TMPDIR/err" "room in the store $MQ_STORE: mqd (pid $MQD) finds its disk full, or its limit reached"
	kill -0 "$publisher"
	[ "$(grep -c 'store is full' "$LOG")" -eq 1 ]
	# acks go on
	mqsub -q -g g -c 10 -a disk -W 30s t >/dev/null
	kill -0 "$publisher"
	# a restart with more room
	kill "$MQD"
	wait_for_end "$MQD"
	[ "$status" -eq 75 ] # it says that not all of it is written
	start_mqd --store-limit 100M
	wait_for_end "$publisher"
	[ "$status" -eq 0 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
	[ "$(mqsub -q -e t | wc -l)" -eq 20001 ]
}

@test "a full filesystem: publishers wait with one line, acks go on; it goes on when there is room" {
	some_filesystem 16
	start_mqd
	mqd topic create --memory 1M t
	mqpub -q -a disk -m first t
	seq 20000 | awk '{ printf "%0999d\n", $1 }' | mqpub t 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	publisher=$!
	poll_until 8 said "the store is full ("
	mqsub -q -g g -c 10 -a disk -W 30s t >/dev/null
	kill -0 "$publisher"
	run -0 mqd check
	truncate -s 64M "$BATS_TEST_TMPDIR/disk"
	losetup -c "$(findmnt -no SOURCE "$MOUNT")"
	resize2fs "$(findmnt -no SOURCE "$MOUNT")" >/dev/null 2>&1 || skip "this filesystem cannot grow while it is mounted"
	wait_for_end "$publisher"
	[ "$status" -eq 0 ]
	[ "$(mqsub -q -e t | wc -l)" -eq 20001 ]
	said "the store has room again"
	stop_mqd
}

@test "a filesystem that fails: who waits for the disk is told, memory goes on; what was acked is there" {
	some_filesystem 32
	start_mqd
	seq 10 | mqpub -q -a disk t
	perl -e 'open F, "<", $ARGV[0] or die; my $flags = pack("L", 1); ioctl(F, 0x8004587d, $flags) or die' "$MOUNT"
	run --separate-stderr timeout 5 mqpub -a disk -W 2s -m 11 t
	[ "$status" -eq 69 ]
	[[ $stderr == *"mqd (pid $MQD), whose disk fails: "* ]]
	[ "$(mqsub -q -e t | wc -l)" -eq 11 ]
	mqpub -q -a shm -m 12 t
	kill_mqd
	umount "$MOUNT"
	mount -o loop "$BATS_TEST_TMPDIR/disk" "$MOUNT"
	rm -rf "$MQ_DIR"
	start_mqd
	[ "$(mqsub -q -e t)" = "$(seq 10)" ]
	stop_mqd
}

# ---- the daemon ----------------------------------------------------------------------------------

@test "--io=sync and --io=uring: the same store" {
	start_mqd --io=sync
	said "I/O by sync"
	seq 10 | mqpub -q -a disk t
	lose_memory
	start_mqd --io=uring || skip_unless_ci "io_uring is not there"
	said "I/O by uring"
	seq 11 20 | mqpub -q -a disk t
	lose_memory
	start_mqd --io=sync
	[ "$(mqsub -q -e t)" = "$(seq 20)" ]
	run -0 mqd check
}

@test "io_uring refused: falls back and says so, with the same promises" {
	launcher=$BATS_TEST_DIRNAME/../build/no_uring
	[ -x "$launcher" ] || make -s -C "$BATS_TEST_DIRNAME/.." build/no_uring
	for errno in 1 38; do
		: >"$LOG"
		"$launcher" "$errno" mqd --segment 1M >"$LOG" 2>&1 3>&- &
		MQD=$!
		poll_until 5 said "mqd: serving"
		said "I/O by sync"
		said io_uring
		mqpub -q -a disk -m "$errno" t
		lose_memory
	done
	run --separate-stderr "$launcher" 1 mqd --io=uring
	[ "$status" -ne 0 ]
	[[ $stderr == *io_uring* ]]
	start_mqd
	[ "$(mqsub -q -e t | tr '\n' ' ')" = "1 38 " ]
}

@test "TERM finishes what was published, says so, and exits 0; INT too" {
	for signal in TERM INT; do
		: >"$LOG"
		env --default-signal=INT mqd --segment 1M >"$LOG" 2>&1 3>&- &
		MQD=$!
		poll_until 5 said "mqd: serving"
		seq 1000 | mqpub -q -a shm "$signal"
		kill -"$signal" "$MQD"
		wait_for_end "$MQD"
		[ "$status" -eq 0 ]
		said "stopped; everything that was published is in the store"
		rm -rf "$MQ_DIR"
	done
	start_mqd
	[ "$(mqsub -q -e TERM)" = "$(seq 1000)" ]
	[ "$(mqsub -q -e INT)" = "$(seq 1000)" ]
}

@test "sd_notify: READY=1 when it serves, STOPPING=1 when it ends" {
	perl -MIO::Socket::UNIX -e '
		$s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die;
		$| = 1;
		while (defined $s->recv($m, 4096)) { print "$m\n--\n"; last if $m =~ /STOPPING/ }' \
		"$BATS_TEST_TMPDIR/notify" >"$BATS_TEST_TMPDIR/told" 3>&- &
	socket=$!
	poll_until 5 test -S "$BATS_TEST_TMPDIR/notify"
	NOTIFY_SOCKET=$BATS_TEST_TMPDIR/notify start_mqd
	poll_until 5 grep -qx READY=1 "$BATS_TEST_TMPDIR/told"
	stop_mqd
	wait_for_end "$socket"
	grep -qx STOPPING=1 "$BATS_TEST_TMPDIR/told"
}

@test "more topics with groups than mqd may have descriptors for" {
	ulimit -n 320 # it leaves 256 of them to others
	start_mqd
	for i in $(seq 100); do
		mqd topic create --memory 1M "t$i"
		mqsub -q -g g -e "t$i"
	done
	for i in $(seq 100); do
		seq 5 | mqpub -q -a disk "t$i"
	done
	for i in $(seq 100); do
		[ "$(mqsub -q -g g -a disk -c 3 "t$i")" = "$(seq 3)" ]
	done
	for i in $(seq 100); do
		echo 6 | mqpub -q -a disk "t$i"
	done
	[ "$(ls "/proc/$MQD/fd" | wc -l)" -lt 320 ]
	run -1 grep "Too many open files" "$LOG"
	lose_memory
	start_mqd
	for i in $(seq 100); do
		[ "$(mqsub -q -g g -e "t$i")" = "$(seq 4 6)" ]
	done
	run -1 grep "Too many open files" "$LOG"
}

@test "a pattern of topics: a new one in memory does not go with -a disk, nor with --into on memory; others are read on" {
	start_mqd
	mqd topic create --memory 1M o.a
	mqpub -q -a disk -m a o.a
	mqsub -q -g g -a disk 'o.*' >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	pid=$!
	poll_until 10 grep -qx a "$BATS_TEST_TMPDIR/out"
	mqd topic create --storage memory --memory 1M o.m
	poll_until 10 said_by "$BATS_TEST_TMPDIR/err" "topic 'o.m', which is new, is not read: option '--ack disk'"
	[ -z "$(mqd group list -J o.m)" ]
	mqpub -q -a disk -m b o.b
	poll_until 10 grep -qx b "$BATS_TEST_TMPDIR/out"
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]

	mqd topic create --storage memory --memory 1M into
	mqd topic create --storage memory --memory 1M m.a
	mqpub -q -m m m.a
	mqsub -q -g h --into into 'm.*' -- cat >/dev/null 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	pid=$!
	[ "$(mqsub -q -W 20s -c 1 into)" = m ]
	mqd topic create --memory 1M m.b
	poll_until 10 said_by "$BATS_TEST_TMPDIR/err" "topic 'm.b', which is new, is not read: topic into is in memory"
	[ -z "$(mqd group list -J m.b)" ]
	kill -TERM "$pid"
	wait_for_end "$pid"
}

@test "an idle mqd sleeps" {
	start_mqd
	for i in $(seq 20); do mqd topic create --memory 1M "t$i"; done
	seq 10 | mqpub -q -a disk t1
	seq 10 | mqpub -q -a disk t2
	switches() { awk '/^voluntary/ { print $2 }' "/proc/$MQD/task"/*/status | awk '{ n += $1 } END { print n }'; }
	ticks() { awk '{ print $14 + $15 }' "/proc/$MQD/stat"; }
	quiet() { # what was begun before is over: nothing for half a second
		local before
		before=$(switches)
		command sleep 0.5
		[ "$(switches)" -le $((before + 1)) ]
	}
	poll_until 10 quiet
	before=$(switches) cpu=$(ticks) until=$(($(date +%s%N) + 2000000000))
	while [ "$(date +%s%N)" -lt "$until" ]; do command sleep 0.2; done
	[ "$(($(switches) - before))" -le 4 ]
	[ "$(ticks)" -le "$((cpu + 1))" ]
}
