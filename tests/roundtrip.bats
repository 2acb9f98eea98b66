# SPDX-License-Identifier: MIT
# roundtrip.bats - what goes from mqpub to mqsub and back loses nothing, whatever its bytes are.

load helpers

setup() {
	setup_broker
	cd "$BATS_TEST_TMPDIR" || return 1
	COUNT=3000
}

teardown() {
	teardown_broker
}

# What never ends has failed.
mqsub() {
	timeout 60 mqsub "$@"
}

records() {
	perl "$BATS_TEST_DIRNAME/records.pl" "$@"
}

# Random records in the topic "from"; what they are in "want".
publish_random() {
	records make "$1" $COUNT >in
	records show <in >want
	[ "$(wc -l <want)" -eq $COUNT ]
	mqpub -B from <in
}

@test "the random records are of every kind, and the same each time" {
	records make 1 $COUNT >in
	records make 1 $COUNT | cmp - in
	records show <in >want
	grep -q '^no-key \[\] $' want
	grep -q '^key: ' want          # an empty key
	grep -q ' \[=\] ' want         # a header without name and value
	grep -qE ' \[[^]]*,' want      # several headers
	grep -q '0a' want
	grep -qE '^key:([0-9a-f]{2})*ff' want
	grep -qE '.{2000}' want        # long values
}

@test "mqpub -B, mqsub -B: everything arrives" {
	publish_random 2
	mqsub -e -B from | records show >got
	cmp want got
}

@test "mqsub -B | mqpub -B loses nothing" {
	publish_random 3
	mqsub -e -B from | mqpub -B to
	mqsub -e -B to | records show >got
	cmp want got
}

@test "mqsub -J | mqpub -J loses nothing" {
	publish_random 4
	mqsub -e -J from | mqpub -J to
	mqsub -e -B to | records show >got
	cmp want got
}

@test "-B to -J to -B, through three topics" {
	publish_random 5
	mqsub -e -B from | mqpub -B a
	mqsub -e -J a | mqpub -J b
	mqsub -e -B b | mqpub -B c
	mqsub -e -B c | records show >got
	cmp want got
}

@test "the JSON of all this is JSON, and jq finds the same bytes in it" {
	command -v jq >/dev/null || skip_unless_ci "jq is not installed"
	publish_random 6
	mqsub -e -J from >json
	[ "$(wc -l <json)" -eq $COUNT ]
	mqsub -e -f '%s{base64} %k{base64}\n' from >want
	jq -r '(.payload_b64 // (.payload | @base64)) + " " +
		(.key_b64 // ((.key // "") | @base64))' json | cmp - want
	# jq writes other escapes for the same text; mqpub reads them all the same
	jq -c . json | mqpub -J to
	mqsub -e -B from | records show >want
	mqsub -e -B to | records show | cmp - want
}

@test "partitions stay with -p same" {
	mqd topic create --partitions 3 from
	mqd topic create --partitions 3 to
	for p in 0 1 2; do records make 7$p 100 | mqpub -B -p $p from; done
	for framing in -B -J; do
		mqd topic purge -y to
		mqsub -e $framing from | mqpub $framing -p same to
		for p in 0 1 2; do
			records make 7$p 100 | records show >want
			mqsub -e -p $p -B to | records show | cmp - want
		done
	done
}

@test "lines, NUL-ended records, lengths and any delimiter" {
	# values without the delimiter itself, every other byte
	perl -e 'print map { chr } grep { $_ != 10 } 0 .. 255; print "\n\n\nx\n"' >lines
	mqpub lines <lines
	mqsub -e lines | cmp - lines
	perl -e 'print map { chr } 1 .. 255; print "\0\0a\nb\0"' >nuls
	mqpub -0 nuls <nuls
	mqsub -e -0 nuls | cmp - nuls
	perl -e 'for (map { chr } 0 .. 255) { print pack("N", 300), $_ x 300 } print pack("N", 0)' >len32
	mqpub -L len32 <len32
	mqsub -e -L len32 | cmp - len32
	perl -e 'print map({ chr } 0 .. 255), "<>", "<", "<>", "<>", "a\n>", "<>"' >delim
	mqpub -D '<>' delim <delim
	mqsub -e -D '<>' delim | cmp - delim
}

@test "keys and values by -K" {
	printf 'k1=v1\nk2=\n=v=3\n' >keys
	mqpub -K = t <keys
	mqsub -e -K = t | cmp - keys
}

@test "from -L to -0 to lines, and back" {
	seq 1000 | mqpub a
	mqsub -e -L a | mqpub -L b
	mqsub -e -0 b | mqpub -0 c
	mqsub -e -D '\r\n' c | mqpub -D '\r\n' d
	mqsub -e d | cmp - <(seq 1000)
}
