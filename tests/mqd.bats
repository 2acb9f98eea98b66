# SPDX-License-Identifier: MIT
# mqd.bats - mqd topic: every verb, every option, every error with its exit status. The other noun is
# mqd_group.bats.

load helpers

setup() {
	setup_broker
}

teardown() {
	teardown_broker
}

# field KEY TOPIC: a value of show.
field() {
	mqd topic show "$2" | sed -n "s/^$1: //p"
}

# ---- the command line ----

@test "unknown commands and verbs are named, with what there is: 64" {
	for command in groups chekc topics; do
		run -64 --separate-stderr mqd "$command" list
		[ "$stderr" = "mqd: unknown command '$command': there are 'mqd topic', 'mqd group' and 'mqd check', try 'mqd --help'" ]
	done
	run -64 --separate-stderr mqd topic change x
	[ "$stderr" = "mqd: unknown verb 'change' of 'mqd topic': there are create, alter, list, show, purge, repair, delete, try 'mqd --help'" ]
	run -64 --separate-stderr mqd group create x
	[ "$stderr" = "mqd: unknown verb 'create' of 'mqd group': there are list, alter, seek, pause, resume, delete, try 'mqd --help'" ]
	run -64 --separate-stderr mqd topic
	[[ $stderr == "mqd: 'mqd topic' needs a verb: "* ]]
	run -64 --separate-stderr mqd group
	[[ $stderr == "mqd: 'mqd group' needs a verb: list, alter, "* ]]
	run -64 --separate-stderr mqd -y
	[ "$stderr" = "mqd: option '--yes' does not belong to 'mqd', try 'mqd --help'" ]
}

@test "an option that the verb does not take is refused, before it and behind it: 64" {
	run -64 --separate-stderr mqd topic list --partitions 3
	[ "$stderr" = "mqd: unknown option '--partitions', try 'mqd topic list --help'" ]
	run -64 --separate-stderr mqd --partitions 3 topic list
	[ "$stderr" = "mqd: option '--partitions' does not belong to 'mqd topic list', try 'mqd --help'" ]
	for verb in create show purge repair delete; do
		run -64 --separate-stderr mqd topic "$verb" --no-such x
		[ "$stderr" = "mqd: unknown option '--no-such', try 'mqd topic $verb --help'" ]
	done
	[ ! -e "$MQ_DIR" ]
}

@test "options may stand on either side of the verb, and of its noun" {
	mqd topic create t
	for words in "-J topic list" "topic -J list" "topic list -J" "topic -J list -b $MQ_DIR"; do
		# shellcheck disable=SC2086
		[ "$(mqd $words | jq -r .name)" = t ]
	done
	run -64 --separate-stderr mqd topic -y list
	[[ $stderr == "mqd: option '--yes' does not belong to 'mqd topic list', try 'mqd --help'" ]]
	run -64 --separate-stderr mqd topic -J
	[[ $stderr == "mqd: 'mqd topic' needs a verb: "* ]]
	run -0 mqd topic --help
	[[ $output == "Usage: mqd"* ]]
}

@test "the number of operands: 64" {
	for verb in create show purge repair delete; do
		run -64 --separate-stderr mqd topic "$verb"
		[ "$stderr" = "mqd: the name of a topic is missing, try 'mqd topic $verb --help'" ]
	done
	run -64 --separate-stderr mqd topic list x
	[ "$stderr" = "mqd: 'x': no operand is expected, try 'mqd topic list --help'" ]
}

@test "names that no topic can have: 64, and nothing is done" {
	for name in '' . .. a/b 'a b' $'a\nb' ä "$(printf 'x%.0s' {1..250})"; do
		for verb in create show purge repair delete; do
			run -64 --separate-stderr mqd topic "$verb" good "$name"
			[[ $stderr == "mqd: '${name/$'\n'/'\n'}' cannot be a topic's name: "* ]]
		done
	done
	run -64 --separate-stderr mqd topic create -- -x
	[[ $stderr == "mqd: '-x' cannot be a topic's name: "* ]]
	[ ! -e "$MQ_DIR" ]
	mqd topic create "$(printf 'x%.0s' {1..249})" 9 _ .x X.y-z_
	[ "$(mqd topic list | wc -l)" -eq 5 ]
}

@test "-b comes before MQ_DIR, in both places" {
	mqd topic create -b "$BATS_TEST_TMPDIR/other" there
	mqd topic create here
	run -0 --separate-stderr mqd topic list -b "$BATS_TEST_TMPDIR/other"
	[ "$output" = there ]
	run -0 --separate-stderr mqd --broker "$BATS_TEST_TMPDIR/other" topic list
	[ "$output" = there ]
	run -0 --separate-stderr mqd topic list
	[ "$output" = here ]
	for verb in purge repair delete; do
		mqd topic "$verb" -y -b "$BATS_TEST_TMPDIR/other" there
	done
	run -0 mqd topic show -b "$MQ_DIR" here
	run -69 --separate-stderr mqd topic show --broker="$BATS_TEST_TMPDIR/other" there
}

# ---- create ----

@test "create prints nothing; what it made has the defaults" {
	run -0 mqd topic create orders
	[ -z "$output" ]
	[ "$(field partitions orders)" = 1 ]
	[ "$(field slots orders)" = 65536 ]
	[ "$(field memory-max orders)" = 64M ]
	[ "$(field keep orders)" = 1M ]
	[ "$(field full orders)" = block ]
	[ "$(field unread orders)" = yes ]
	[ "$(field readers orders)" = 0 ]
}

@test "create with every option" {
	run -0 mqd topic create --partitions 3 --slots 1024 --memory 2M --keep 512K --full drop-old a b
	[ -z "$output" ]
	for name in a b; do
		[ "$(field partitions "$name")" = 3 ]
		[ "$(field slots "$name")" = 1024 ]
		[ "$(field memory-max "$name")" = 2M ]
		[ "$(field keep "$name")" = 512K ]
		[ "$(field full "$name")" = drop-old ]
	done
	run -0 mqd topic create --full=reject c
	[ "$(field full c)" = reject ]
	run -0 mqd topic create --memory 1310720 --full=block d
	[ "$(field memory-max d)" = 1280K ]
	[ "$(field full d)" = block ]
}

@test "values that an option does not take: 64, the option and the value are named" {
	for bad in --partitions={0,257,x,-1,+1,' 1',1x,''} --slots={7,12,2097152,0,x} \
		--memory={0,1023K,1100K,2G,x,-1M} --keep={0,2G,x} --full={x,'',BLOCK,blocks}; do
		run -64 --separate-stderr mqd topic create "$bad" t
		[[ $stderr == "mqd: option '${bad%%=*}': '${bad#*=}' is not "*", try 'mqd topic create --help'" ]]
	done
	run -64 --separate-stderr mqd topic create --memory 1M --keep 2M t
	[ "$stderr" = "mqd: option '--keep': 2M is more than the 1M of memory, try 'mqd topic create --help'" ]
	run -64 --separate-stderr mqd topic create --keep 65M t
	[[ $stderr == "mqd: option '--keep': 65M is more than the 64M of memory"* ]]
	[ ! -e "$MQ_DIR" ]
}

@test "the ends of the ranges are taken" {
	mqd topic create --partitions 256 --slots 8 --memory 1M --keep 1 small
	mqd topic create --slots 1048576 --memory 1G --keep 1G large
	[ "$(field partitions small)/$(field slots small)/$(field keep small)" = 256/8/1 ]
	[ "$(field slots large)/$(field memory-max large)/$(field keep large)" = 1048576/1G/1G ]
}

@test "create: a topic that is there is left alone, 73, and the others are made" {
	mqd topic create --partitions 2 old
	seq 3 | mqpub old
	run -73 --separate-stderr mqd topic create --partitions 5 new1 old new2
	[ "$stderr" = "mqd: topic 'old': there already ('mqd topic show old' says with which options)" ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	[ "$(field partitions old)" = 2 ]
	[ "$(field partitions new1)$(field partitions new2)" = 55 ]
	[ "$(mqsub -e old | sort -n | tr '\n' ' ')" = '1 2 3 ' ]
}

@test "of many creators at once exactly one succeeds" {
	for i in {1..8}; do
		(
			status=0
			mqd topic create same 2>/dev/null || status=$?
			echo "$status" >"$BATS_TEST_TMPDIR/status.$i"
		) 3>&- &
	done
	wait
	[ "$(sort "$BATS_TEST_TMPDIR"/status.* | uniq -c | tr -s ' \n' ' ')" = ' 1 0 7 73 ' ]
}

@test "create -n says what would be done and does nothing" {
	run -0 --separate-stderr mqd topic create -n --partitions 4 --slots 64 --memory 2048K \
		--keep 1M --full reject a
	[ "$output" = "would create topic 'a': --partitions 4 --slots 64 --memory 2M --keep 1M --full reject" ]
	[ ! -e "$MQ_DIR" ]
	mqd topic create b
	run -73 --separate-stderr mqd topic create --dry-run a b
	[ "$output" = "would create topic 'a': --full block" ]
	[[ $stderr == "mqd: topic 'b': there already "* ]]
	[ "$(mqd topic list)" = b ]
}

@test "the policies do what they say" {
	seq 300000 >"$BATS_TEST_TMPDIR/two-megabytes"
	for policy in block reject drop-old; do
		mqd topic create --memory 1M --full "$policy" "$policy"
	done
	run -75 --separate-stderr mqpub -W 200ms block "$BATS_TEST_TMPDIR/two-megabytes"
	run -75 --separate-stderr mqpub reject "$BATS_TEST_TMPDIR/two-megabytes"
	run -0 --separate-stderr mqpub drop-old "$BATS_TEST_TMPDIR/two-megabytes"
	[ "$(mqsub -e block | head -n 1)" = 1 ]
	[ "$(mqsub -e drop-old 2>/dev/null | tail -n 1)" = 300000 ]
}

# ---- list ----

@test "list: one name a line, sorted; of no topics nothing" {
	mqd topic create b a.b a B 10 9
	run -0 --separate-stderr mqd topic list
	[ "$output" = "$(printf '%s\n' 10 9 B a a.b b)" ]
	mqd topic delete -y b a.b a B 10 9
	run -0 --separate-stderr mqd topic list
	[ -z "$output$stderr" ]
	run -0 --separate-stderr mqd topic list -J
	[ -z "$output$stderr" ]
}

@test "list -v: columns" {
	mqd topic create --partitions 2 a-topic-with-a-long-name
	mqd topic create t
	seq 5 | mqpub t
	seq 3 | mqpub -p 1 a-topic-with-a-long-name
	run -0 --separate-stderr mqd topic list -v
	[ "$(tr -s ' ' <<<"${lines[0]}")" = 'NAME PARTITIONS MEMORY READERS FIRST-OFFSET END-OFFSET' ]
	[[ $(tr -s ' ' <<<"${lines[1]}") =~ ^a-topic-with-a-long-name\ 2\ [0-9]+[KM]\ 0\ 0\ 3$ ]]
	[[ $(tr -s ' ' <<<"${lines[2]}") =~ ^t\ 1\ [0-9]+[KM]\ 0\ 0\ 5$ ]]
	[ "${#lines[@]}" -eq 3 ]
	# the columns end where their headings end
	[ "$(printf '%s\n' "${lines[@]}" | awk '{ print length }' | sort -u | wc -l)" -eq 1 ]
}

@test "list -J: one object a line, keys as the columns" {
	mqd topic create --partitions 2 two
	mqd topic create one
	seq 5 | mqpub one
	run -0 --separate-stderr mqd topic list --json
	[ "${#lines[@]}" -eq 2 ]
	[ "$(jq -r 'keys_unsorted | join(" ")' <<<"${lines[0]}")" = 'name partitions memory readers first_offset end_offset' ]
	[ "$(jq -c '[.name,.partitions,.readers,.first_offset,.end_offset]' <<<"$output")" = \
		"$(printf '%s\n' '["one",1,0,0,5]' '["two",2,0,0,0]')" ]
	[ "$(jq .memory <<<"${lines[0]}")" -ge 262144 ]
}

@test "list counts the readers" {
	mqd topic create t
	mqsub t 3>&- &
	poll_until 20 bash -c '[ "$(mqd topic list -J | jq .readers)" = 1 ]'
	[ "$(field unread t)" = no ]
	kill %1
	poll_until 20 bash -c '[ "$(mqd topic list -J | jq .readers)" = 0 ]'
}

@test "list and show where there is no broker: 69, and none is made" {
	for verb in list 'show x' 'purge -y x' 'repair -y x' 'delete -y x'; do
		run -69 --separate-stderr mqd topic $verb
		[ -z "$output" ]
		[[ $stderr == "mqd: "*"$MQ_DIR"* ]]
	done
	[ ! -e "$MQ_DIR" ]
}

# ---- show ----

@test "show: lines of key and value, then one for each partition" {
	mqd topic create --partitions 2 --memory 1M t
	printf 'abc\nde\n' | mqpub -p 1 t
	run -0 --separate-stderr mqd topic show t
	[ "$(sed -nE 's/^([a-z-]+): .*/\1/p' <<<"$output" | tr '\n' ' ')" = \
		'name number created partitions slots memory-max keep storage full readers unread memory ' ]
	[ "$(field name t)" = t ]
	[[ $(field created t) =~ ^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z$ ]]
	[ "$(tr -s ' ' <<<"${lines[12]}")" = 'PARTITION FIRST-OFFSET END-OFFSET BYTES FRAMES MEMORY OLDEST NEWEST' ]
	[[ $(tr -s ' ' <<<"${lines[13]}") == ' 0 0 0 0 0 '*' - -' ]]
	[[ $(tr -s ' ' <<<"${lines[14]}") =~ ^\ 1\ 0\ 2\ [0-9]+\ 1\ 256K\ 20[0-9TZ:.-]+\ 20[0-9TZ:.-]+$ ]]
	[ "${#lines[@]}" -eq 15 ]
}

@test "show -J: one object a line" {
	before=$(date -u +%FT%T)
	mqd topic create --partitions 2 --slots 64 --memory 1M --keep 256K --full reject t
	mqd topic create u
	printf 'abc\nde\n' | mqpub -p 1 t
	run -0 --separate-stderr mqd topic show -J t u
	[ "${#lines[@]}" -eq 2 ]
	t=${lines[0]}
	[ "$(jq -r 'keys_unsorted | join(" ")' <<<"$t")" = \
		'name number created partitions slots memory_max keep full readers unread memory storage logs' ]
	[ "$(jq -c '[.name,.partitions,.slots,.memory_max,.keep,.full,.readers,.unread]' <<<"$t")" = \
		'["t",2,64,1048576,262144,"reject",0,true]' ]
	[ "$(jq -c '.logs | map([.partition,.first_offset,.end_offset,.frames])' <<<"$t")" = \
		'[[0,0,0,0],[1,0,2,1]]' ]
	[ "$(jq -c '.logs[0] | [.bytes,.oldest,.newest]' <<<"$t")" = '[0,null,null]' ]
	[ "$(jq '.logs | map(.memory) | add' <<<"$t")" = "$(jq .memory <<<"$t")" ]
	[ "$(jq '.logs[1].oldest == .logs[1].newest' <<<"$t")" = true ]
	[[ ! $(jq -r .created <<<"$t") < $before ]]
	[[ ! $(jq -r '.logs[1].newest' <<<"$t") < $(jq -r .created <<<"$t") ]]
	[ "$(jq -r .name <<<"${lines[1]}")" = u ]
}

@test "show: an unknown topic is 69, the others are shown" {
	mqd topic create a c
	run -69 --separate-stderr mqd topic show -J a b c
	[ "$(jq -r .name <<<"$output" | tr '\n' ' ')" = 'a c ' ]
	[[ $stderr == "mqd: topic 'b': "* ]]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
}

@test "output that cannot be written is 74; a reader that left is SIGPIPE, in silence" {
	mqd topic create t
	for verb in list 'list -v' 'show t' 'create -n new'; do
		run -74 --separate-stderr bash -c "mqd topic $verb >/dev/full"
		[[ $stderr == 'mqd: standard output: '* ]]
	done
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	run -141 --separate-stderr bash -c 'exec 5<>"$1" 6>"$1" 5<&-; mqd topic show t >&6' - \
		"$BATS_TEST_TMPDIR/pipe"
	[ -z "$stderr" ]
}

@test "closed standard descriptors never become files of the broker" {
	for verb in 'create a' 'list -v' 'show a' 'show none' 'purge -yv a'; do
		mqd topic $verb <&- >&- 2>&- || :
		mqd topic $verb >&- || :
		mqd topic $verb 2>&- || :
		mqd topic $verb >&- 2>&- || :
	done
	run -74 --separate-stderr bash -c 'mqd topic list >&-'
	[[ $stderr == 'mqd: standard output: '* ]]
	run -0 --separate-stderr mqd topic show a
	[ "$(mqd topic list)" = a ]
	[ "$(head -c 8 "$MQ_DIR/broker")" = //shmq01 ]
}

# ---- purge, repair, delete ----

@test "off a terminal purge, repair and delete refuse without -y: 64, and nothing is lost" {
	seq 3 | mqpub -q t
	for verb in purge repair delete; do
		run -64 --separate-stderr mqd topic "$verb" t </dev/null
		[[ $stderr == "mqd: messages would be lost, and there is no terminal to ask on: give -y "* ]]
		run -64 --separate-stderr bash -c "yes | mqd topic $verb t"
	done
	[ "$(mqsub -e t | wc -l)" -eq 3 ]
}

@test "on a terminal they ask; only yes is a yes" {
	seq 3 | mqpub -q t
	for answer in '' n no q; do
		run -1 typed "$answer" mqd topic delete t
		[[ $output == *"mqd: delete topic 't' with 3 messages? [y/N] "* ]]
		run -1 typed "$answer" mqd topic purge t
		[[ $output == *"mqd: remove 3 messages of topic 't'? [y/N] "* ]]
		run -1 typed "$answer" mqd topic repair t
		[[ $output == *"mqd: start topic 't' anew without 3 messages? [y/N] "* ]]
	done
	[ "$(mqsub -e t | wc -l)" -eq 3 ]
	run -0 typed y mqd topic purge t
	[ "$(mqsub -e t | wc -l)" -eq 0 ]
	run -0 typed Yes mqd topic delete t
	[ -z "$(mqd topic list)" ]
}

@test "interrupted at the question: the signal, and nothing is lost" {
	seq 3 | mqpub -q t
	run -130 typed $'\003' mqd topic delete t
	[ "$(mqsub -e t | wc -l)" -eq 3 ]
}

@test "-n says what would be lost, asks nothing and does nothing" {
	seq 3 | mqpub -q t
	echo 1 | mqpub -q u
	run -0 --separate-stderr mqd topic purge -n t u
	[ "$output" = "$(printf '%s\n' "would remove 3 messages of topic 't'" "would remove 1 message of topic 'u'")" ]
	run -0 --separate-stderr mqd topic repair --dry-run t
	[ "$output" = "would start topic 't' anew without 3 messages" ]
	run -0 --separate-stderr mqd topic delete -ny t
	[ "$output" = "would delete topic 't' with 3 messages" ]
	[ "$(mqsub -e t | wc -l)" -eq 3 ]
	for verb in purge repair delete; do
		run -69 --separate-stderr mqd topic "$verb" -n nothing
	done
}

@test "unknown topics: 69, and the others are served" {
	for verb in purge repair delete; do
		seq 3 | mqpub -q a
		seq 3 | mqpub -q c
		run -69 --separate-stderr mqd topic "$verb" -y a b c
		[ -z "$output" ]
		[[ $stderr == "mqd: topic 'b': "* ]]
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
		run --separate-stderr mqsub -e a # empty, or not there
		[ -z "$output" ]
		mqd topic delete -y a c 2>/dev/null || :
	done
}

@test "purge removes what is there, and only that" {
	seq 10 | mqpub -q t
	run -0 mqd topic purge -y t
	[ -z "$output" ]
	[ "$(mqsub -e t | wc -l)" -eq 0 ]
	echo next | mqpub t
	[ "$(mqsub -e -f '%o %s\n' t)" = '10 next' ]
	run -0 --separate-stderr mqd topic purge -y -v t
	[ -z "$output" ]
	[ "$stderr" = "mqd: 1 message of topic 't' removed" ]
	run -0 --separate-stderr mqd topic purge --yes --verbose t
	[ "$stderr" = "mqd: 0 messages of topic 't' removed" ]
}

@test "purge: a subscriber steps over what was removed, and is not told that it missed it" {
	mqd topic create t
	seq 3 | mqpub t
	mqsub t >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	pid=$!
	poll_until 20 grep -qx 3 "$BATS_TEST_TMPDIR/out"
	kill -STOP "$pid"
	seq 4 6 | mqpub t
	mqd topic purge -y t
	seq 7 9 | mqpub t
	kill -CONT "$pid"
	poll_until 20 grep -qx 9 "$BATS_TEST_TMPDIR/out"
	[ "$(grep -c '[456]' "$BATS_TEST_TMPDIR/out")" -eq 0 ]
	[ ! -s "$BATS_TEST_TMPDIR/err" ]
}

@test "delete: those that have the topic open are told, 69; a new one has nothing of it" {
	seq 3 | mqpub -q t
	number=$(field number t)
	mqsub t >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	pid=$!
	poll_until 20 grep -qx 3 "$BATS_TEST_TMPDIR/out"
	run -0 mqd topic delete -y t
	[ -z "$output" ]
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 69 ]
	[[ $(cat "$BATS_TEST_TMPDIR/err") == "mqsub: "* ]]
	[ -z "$(mqd topic list)" ]
	run -69 mqsub -e t
	mqd topic create t
	[ "$(mqsub -e t | wc -l)" -eq 0 ]
	[ "$(field number t)" -gt "$number" ]
	[ "$(find "$MQ_DIR/t" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
}

@test "repair starts anew: options stay, messages go, offsets lie beyond every old one" {
	mqd topic create --partitions 2 --memory 1M --full reject t
	seq 10 | mqpub -p 0 t
	number=$(field number t)
	run -0 mqd topic repair -y t
	[ -z "$output" ]
	[ "$(field partitions t)/$(field memory-max t)/$(field full t)" = 2/1M/reject ]
	[ "$(field number t)" -gt "$number" ]
	[ "$(mqsub -e t | wc -l)" -eq 0 ]
	echo new | mqpub -p 0 t
	run -0 mqsub -e -f '%o %s\n' t
	[ "${output#* }" = new ]
	[ "${output% *}" -ge $((1 << 40)) ]
}

@test "repair mends a topic whose memory is damaged" {
	seq 10 | mqpub -q t
	printf 'garbage garbage ' | dd of="$(ls "$MQ_DIR"/t/*/bell)" conv=notrunc 2>/dev/null
	run -65 --separate-stderr mqd topic show t
	[[ $stderr == "mqd: topic 't': "* ]]
	run -0 --separate-stderr mqd topic repair -n t
	[ "$output" = "would start topic 't' anew without all messages" ]
	run -0 --separate-stderr mqd topic repair -y t
	run -0 --separate-stderr mqd topic show t
	echo after | mqpub t
	[ "$(mqsub -e t)" = after ]
}

@test "a topic whose options are lost can only be deleted, and repair says so" {
	seq 10 | mqpub -q t
	: >"$(ls "$MQ_DIR"/t/*/topic)"
	run -65 --separate-stderr mqd topic show t
	[[ $stderr == "mqd: topic 't': damaged: "*"'mqd topic repair t'"* ]]
	run -65 --separate-stderr mqd topic repair -y t
	[[ $stderr == "mqd: topic 't': cannot be repaired, its options are lost: "*"'mqd topic delete t'"* ]]
	run -0 --separate-stderr mqd topic delete -y t
	[ -z "$(mqd topic list)" ]
	mqd topic create t
}

@test "a damaged partition is an error, not an empty one" {
	mqd topic create --memory 1M t
	seq 10 | mqpub t
	log=$(ls "$MQ_DIR"/t/*/log.0.0)
	printf 'garbage garbage ' | dd of="$log" conv=notrunc 2>/dev/null
	for verb in 'show t' 'list -v' 'purge -y t'; do
		run -65 --separate-stderr mqd topic $verb
		[[ $stderr == "mqd: topic 't': "*damaged* ]]
	done
	run -0 --separate-stderr mqd topic repair -y t
	run -0 --separate-stderr mqd topic show t
}

# ---- a full filesystem ----

# on_small_tmpfs COMMANDS: with MQ_DIR on a tmpfs of 4 MiB, in a mount namespace of its own.
on_small_tmpfs() {
	local base=$BATS_TEST_TMPDIR/small

	mkdir -p "$base"
	unshare -m true 2>/dev/null || skip_unless_ci "needs root, for a small tmpfs"
	MQ_DIR=$base/broker base=$base timeout 60 unshare -m bash -e -o pipefail -c '
		mount -t tmpfs -o size=4m small "$base"
		fill() { cat /dev/zero >"$base/filler" 2>/dev/null || :; [ "$(df --output=avail "$base" | tail -1)" -eq 0 ]; }
		'"$1"
}

@test "a filesystem that is full to the last byte: looking, reading, purging and deleting go on" {
	run -0 --separate-stderr on_small_tmpfs '
		seq 100 | mqpub -q t
		seq 3 | mqpub -q u
		mqsub -e u >/dev/null
		fill
		mqd topic list
		mqd topic show t >/dev/null
		mqd topic purge -n t
		mqsub -e t | tail -1
		mqsub -e u | tail -1
		mqd topic purge -y u
		mqd topic delete -y t
		mqd topic list
		rm "$base/filler"
		echo after | mqpub -q u
		mqsub -e u'
	[ "$output" = "$(printf '%s\n' t u 'would remove 100 messages of topic '\''t'\' 100 3 u after)" ]
	[ -z "$stderr" ]
}

@test "a filesystem that is full: what needs memory says so, 73" {
	run -0 --separate-stderr on_small_tmpfs '
		seq 3 | mqpub -q t
		fill
		status=0
		mqd topic create v || status=$?
		echo $status
		mqd topic list'
	[ "$output" = $'73\nt' ]
	[[ $stderr == "mqd: topic 'v': "*"No space left on device"* ]]
}

@test "beyond the limit of ulimit -f: an error, not death by a signal" {
	mqd topic create t
	run -71 --separate-stderr bash -c 'ulimit -f 2; mqpub -m x t'
	[[ $stderr == "mqpub: "*"File too large"* ]]
	run -71 --separate-stderr bash -c 'ulimit -f 2; mqsub -e t'
	[[ $stderr == "mqsub: "*"File too large"* ]]
	[ "$(mqd topic list)" = t ]
}

# ---- what stands in the way ----

# patch FILE OFFSET OCTAL: one byte.
patch() {
	printf "\\$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

@test "another version of the memory format: 76, and it is named" {
	seq 3 | mqpub -q t
	cp -r "$MQ_DIR" "$MQ_DIR.whole"
	patch "$MQ_DIR/broker" 8 177
	for verb in list 'show t' 'create u' 'purge -y t' 'repair -y t' 'delete -y t'; do
		run -76 --separate-stderr mqd topic $verb
		[[ $stderr == "mqd: "*127* ]]
	done
	rm -r "$MQ_DIR"
	mv "$MQ_DIR.whole" "$MQ_DIR"
	patch "$(ls "$MQ_DIR"/t/*/bell)" 8 177
	run -76 --separate-stderr mqd topic show t
	[[ $stderr == "mqd: topic 't': "*127* ]]
}

@test "a runtime directory that one may not use: 77" {
	mqd topic create t
	chmod 777 "$MQ_DIR"
	for verb in list 'show t' 'create u' 'delete -y t'; do
		run -77 --separate-stderr mqd topic $verb
		[[ $stderr == "mqd: "*"$MQ_DIR"* ]]
	done
}

@test "a runtime directory left by another boot: 78" {
	# on tmpfs there is none: look for another filesystem
	for where in "$BATS_TEST_TMPDIR" "$BIN" /var/tmp; do
		[ "$(stat -f -c %T "$where")" = tmpfs ] || break
	done
	[ "$(stat -f -c %T "$where")" != tmpfs ] ||
		skip_unless_ci "every filesystem here is a tmpfs"
	MQ_DIR=$(mktemp -d -p "$where")/broker
	mqd topic create t
	printf 'another-boot' | dd of="$MQ_DIR/broker" bs=1 seek=64 conv=notrunc 2>/dev/null
	run -78 --separate-stderr mqd topic list
	rm -r "${MQ_DIR%/broker}"
	[[ $stderr == "mqd: cannot open the broker: "* ]]
}

@test "a name in the way of the runtime directory is an error" {
	echo >"$BATS_TEST_TMPDIR/file"
	for dir in "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/file/below" /proc/none "$(printf 'x%.0s' {1..5000})"; do
		for verb in list 'create t' 'delete -y t'; do
			MQ_DIR=$dir run --separate-stderr mqd topic $verb
			[ "$status" -ge 64 ]
			[ "$status" -le 78 ]
			[[ $stderr == "mqd: "* ]]
		done
	done
}

# Every file cut short, emptied, and filled with noise: mqd may say what it likes, but it must
# say it, in time and without a signal.
@test "damaged files are errors, never signals" {
	mqd topic create --partitions 2 --memory 1M --slots 64 t
	seq 1000 | mqpub -p 0 t
	cp -r "$MQ_DIR" "$BATS_TEST_TMPDIR/whole"
	cd "$BATS_TEST_TMPDIR/whole"
	find . -type f >"$BATS_TEST_TMPDIR/files"
	head -c 65536 /dev/urandom >"$BATS_TEST_TMPDIR/noise"
	while read -r file; do
		size=$(stat -c %s "$file")
		for damage in empty half page head middle; do
			for verb in list 'list -v' 'show t' 'create u' 'purge -y t' 'repair -y t' 'delete -y t'; do
				rm -rf "$MQ_DIR"
				cp -r . "$MQ_DIR"
				damage_file "$damage" "$MQ_DIR/$file" "$size"
				run --separate-stderr timeout 20 mqd topic $verb
				echo "$file $damage: $verb: $status $stderr"
				[ "$status" -le 78 ]
				[ "$status" -eq 0 ] || [[ $stderr == "mqd: "* ]]
			done
		done
	done <"$BATS_TEST_TMPDIR/files"
}

# ---- the manual ----

@test "the examples of the manual print what they should" {
	cd "$BATS_TEST_TMPDIR"
	run_examples "$BATS_TEST_DIRNAME/../man/mqd.8"
}
