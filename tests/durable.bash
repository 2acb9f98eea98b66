# SPDX-License-Identifier: MIT
# durable.bash - a broker with a store: mqd started, killed, stopped; memory lost; segments damaged.

setup_store() {
	setup_broker
	export MQ_STORE=$BATS_TEST_TMPDIR/store
	LOG=$BATS_TEST_TMPDIR/mqd.log
	MOUNT=
}

teardown_store() {
	teardown_broker
	if [ "$MOUNT" ]; then
		umount -l "$MOUNT"
	fi
}

# start_mqd [OPTION...]: returns when it serves; its pid is $MQD, what it says is in $LOG.
start_mqd() {
	: >"$LOG"
	mqd --segment 1M "$@" >"$LOG" 2>&1 3>&- &
	MQD=$!
	poll_until 10 grep -q '^mqd: serving ' "$LOG" || {
		cat "$LOG"
		return 1
	}
}

kill_mqd() {
	kill -KILL "$MQD"
	wait "$MQD" 2>/dev/null || :
}

stop_mqd() {
	kill -TERM "$MQD"
	wait_for_end "$MQD"
	[ "$status" -eq 0 ] || {
		cat "$LOG"
		return 1
	}
}

# What a loss of power does to memory: mqd and the runtime directory are gone.
lose_memory() {
	kill_mqd
	rm -rf "$MQ_DIR"
}

# everything TOPIC [OPTION...]: "OFFSET VALUE" of what can be read.
everything() {
	mqsub -q -e -f '%o %s\n' "$@"
}

said() { # TEXT: mqd said it
	grep -qF -- "$1" "$LOG"
}

said_by() { # FILE TEXT
	grep -qF -- "$2" "$1"
}

segments() {
	(cd "$MQ_STORE" && ls -d journal.* 2>/dev/null)
}

segment_of() { # N: the file of the N-th segment there is
	echo "$MQ_STORE/$(segments | sed -n "$1p")"
}

damage_at() { # FILE BYTE: 16 bytes are not what they were
	printf 'XXXXXXXXXXXXXXXX' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Byte of the first occurrence of TEXT in FILE.
place_of() { # FILE TEXT
	grep -obUaF -m1 -- "$2" "$1" | head -n 1 | cut -d: -f1
}

store_sum() {
	(cd "$MQ_STORE" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
}

# some_filesystem MEGABYTES: the store is on an ext4 of its own.
some_filesystem() {
	[ "$(id -u)" -eq 0 ] || skip "only root may mount a filesystem"
	[ -e /dev/loop-control ] || skip_unless_ci "no loop devices"
	truncate -s "$1M" "$BATS_TEST_TMPDIR/disk"
	mkfs.ext4 -q "$BATS_TEST_TMPDIR/disk"
	mkdir -p "$MQ_STORE"
	mount -o loop "$BATS_TEST_TMPDIR/disk" "$MQ_STORE" || skip_unless_ci "a filesystem cannot be mounted here"
	MOUNT=$MQ_STORE
}

durable_to() { # TOPIC OFFSET: the newest message before it is in the store
	mqd topic show -J "$1" | grep -q "\"durable_offset\":$2"
}
