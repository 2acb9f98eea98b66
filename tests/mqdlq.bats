# SPDX-License-Identifier: MIT
# mqdlq.bats - dead letters: looking at them, and each way out.

load helpers

setup() {
	setup_broker
}

teardown() {
	teardown_broker
}

# consume OPTION... t -- COMMAND...: works on what a group has before it. That commands fail (123) is what
# is wanted here.
consume() {
	local status=0

	mqsub -q -e "$@" 2>/dev/null || status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq 123 ]
}

# bury GROUP STATUS [OPTION...]: whatever the group has before it in topic t becomes a dead letter, of a
# command that ends with this status.
bury() {
	consume -g "$1" --retries 1 "${@:3}" t -- sh -c "echo 'gave up' >&2; exit $2"
}

# three GROUP: the letters one, two, three.
three() {
	printf '%s\n' one two three | mqpub -q t
	bury "$1" 3
}

# values [OPTION...]: the values of the letters that these options choose, in one line.
values() {
	mqdlq show -J "$@" t | jq -r .payload | tr '\n' ' '
}

# ids [OPTION...]
ids() {
	mqdlq list -J "$@" t | jq -r .id
}

# ---- the command line ----

@test "verbs and operands: 64" {
	run -64 --separate-stderr mqdlq
	[ "$stderr" = "mqdlq: a verb is missing: list, show, count, stats, requeue, drop, export, import, try 'mqdlq --help'" ]
	run -64 --separate-stderr mqdlq remove t
	[[ $stderr == "mqdlq: unknown verb 'remove': there are list, show, "* ]]
	for verb in list show count stats 'requeue --all -y' 'drop --all -y' export import; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr mqdlq $verb </dev/null
		[ "$stderr" = "mqdlq: the name of a topic is missing, try 'mqdlq ${verb%% *} --help'" ]
		run -64 --separate-stderr mqdlq $verb a b </dev/null
		[[ $stderr == "mqdlq: 'b': only one topic is expected, "* ]]
		run -64 --separate-stderr mqdlq $verb a/b </dev/null
		[[ $stderr == "mqdlq: 'a/b' cannot be a topic's name: "* ]]
	done
	[ ! -e "$MQ_DIR" ]
}

@test "an option that the verb does not take is refused, before it and behind it: 64" {
	run -64 --separate-stderr mqdlq list --force t
	[ "$stderr" = "mqdlq: unknown option '--force', try 'mqdlq list --help'" ]
	run -64 --separate-stderr mqdlq --force list t
	[ "$stderr" = "mqdlq: option '--force' does not belong to 'mqdlq list', try 'mqdlq --help'" ]
	run -64 --separate-stderr mqdlq drop --to u --all -y t
	[ "$stderr" = "mqdlq: unknown option '--to', try 'mqdlq drop --help'" ]
	run -64 --separate-stderr mqdlq import -g g t
	[ "$stderr" = "mqdlq: unknown option '-g', try 'mqdlq import --help'" ]
}

@test "values that an option does not take: 64, the option and the value are named" {
	for bad in --group={'',a/b} --key={a*,'#b.c'} --reason={'',dead,'expired,x'} \
		--since={'',x,2026} --until=yesterday --attempts={x,'',:,3:2,-1} --offset={a:b,1:x,-3} \
		--exit={256,-1,SIGFOO,'',x} --grep={'(','*['} --partition={256,x,''} --id={x,''} \
		--count={0,x}; do
		run -64 --separate-stderr mqdlq list "$bad" t
		echo "$bad: $stderr"
		[[ $stderr == "mqdlq: option '${bad%%=*}': '"*"' is not "*", try 'mqdlq list --help'" ]]
	done
	for bad in --to={'',a/b} --delay={x,31d} --rate={0,x} --wait=x; do
		run -64 --separate-stderr mqdlq requeue "$bad" --all -y t
		[[ $stderr == "mqdlq: option '${bad%%=*}': '${bad#*=}' is not "* ]]
	done
	[ ! -e "$MQ_DIR" ]
}

@test "requeue and drop want to know which, and off a terminal -y: 64, and nothing is done" {
	three g
	for verb in requeue drop; do
		run -64 --separate-stderr mqdlq $verb -y t
		[[ $stderr == "mqdlq: say which dead letters: "*"--all"* ]]
		run -64 --separate-stderr mqdlq $verb --all -g g -y t
		[[ $stderr == "mqdlq: option '--all' and options that choose exclude each other"* ]]
		run -64 --separate-stderr mqdlq $verb --all t </dev/null
		[[ $stderr == "mqdlq: there is no terminal to ask on: give -y (--yes) "* ]]
		run -64 --separate-stderr bash -c "yes | mqdlq $verb --all t"
		run -64 --separate-stderr mqdlq $verb -q -v --all -y t
		[[ $stderr == "mqdlq: options '--quiet' and '--verbose' exclude each other"* ]]
	done
	run -64 --separate-stderr mqdlq requeue --to u --delay 1s --all -y t
	[[ $stderr == "mqdlq: options '--to' and '--delay' exclude each other"* ]]
	run -64 --separate-stderr mqdlq requeue -W 1s --all -y t
	[[ $stderr == "mqdlq: option '--wait' belongs to '--to'"* ]]
	[ "$(mqdlq count t)" = 3 ]
}

@test "no broker, no topic, no group: 69, and nothing is made" {
	for verb in list show count stats 'requeue --all -y' 'drop --all -y' export import; do
		# shellcheck disable=SC2086
		run -69 --separate-stderr mqdlq $verb t </dev/null
		[ -z "$output" ]
		[[ $stderr == "mqdlq: "*"$MQ_DIR"* ]]
	done
	[ ! -e "$MQ_DIR" ]
	mqpub -q -m x t
	for verb in list show count stats 'requeue -y' 'drop -y' export; do
		# shellcheck disable=SC2086
		run -69 --separate-stderr mqdlq $verb -g none t
		[ "$stderr" = "mqdlq: group 'none' of topic 't': not there in $MQ_DIR ('mqd group list t' says what is)" ]
		run -69 --separate-stderr mqdlq $verb -g g none
		[[ $stderr == "mqdlq: topic 'none': not there in $MQ_DIR "* ]]
	done
	run -69 --separate-stderr mqdlq import none </dev/null
	[[ $stderr == "mqdlq: topic 'none': not there in $MQ_DIR "* ]]
	[ "$(mqd topic list)" = t ]
}

@test "-b comes before MQ_DIR, in both places" {
	three g
	MQ_DIR=/nonexistent/broker run -0 mqdlq count -b "$MQ_DIR" t
	[ "$output" = 3 ]
	MQ_DIR=/nonexistent/broker run -0 mqdlq --broker "$MQ_DIR" count t
	[ "$output" = 3 ]
}

# ---- looking ----

@test "nothing chosen: 1 and no output; count says 0, and 0" {
	mqpub -q -m x t
	mqsub -q -e -g g --retries 1 t >/dev/null
	for verb in list show stats export 'requeue --all -y' 'drop --all -y' 'requeue -n --all'; do
		# shellcheck disable=SC2086
		run -1 --separate-stderr mqdlq $verb t
		[ -z "$output$stderr" ]
	done
	run -0 --separate-stderr mqdlq count t
	[ "$output" = 0 ]
	three g
	run -1 --separate-stderr mqdlq drop -y --reason expired t
	[ "$(mqdlq count t)" = 3 ]
}

@test "list: a heading and a line for each, oldest first, group by group" {
	three zeta
	bury alpha 3
	run -0 --separate-stderr mqdlq list t
	[ "${#lines[@]}" -eq 7 ]
	[ "$(tr -s ' ' <<<"${lines[0]}")" = ' ID GROUP PART:OFFSET KEY REASON ATTEMPTS EXIT DEAD-SINCE VALUE' ]
	[[ $(tr -s ' ' <<<"${lines[1]}") =~ ^\ [0-9]+\ alpha\ 0:0\ -\ max-deliver\ 1\ 3\ 20[0-9TZ:.-]+\ one$ ]]
	[ "$(mqdlq list -g zeta t | awk 'NR > 1 { print $NF }' | tr '\n' ' ')" = 'one two three ' ]
	[ "$(mqdlq list t | awk 'NR > 1 { print $2 }' | uniq | tr '\n' ' ')" = 'alpha zeta ' ]
}

@test "list: whatever the bytes are, a letter is a line; long values are cut between characters" {
	mqpub -q -k $'a\nb\e[31m' -m $'x\ny\ez\001' t
	mqpub -q -m "x$(printf 'ä%.0s' {1..30})" t
	bury g 1
	run -0 --separate-stderr mqdlq list t
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[1]} == *' a\nb\e[31m '*' x\ny\ez\x01' ]]
	[[ ${lines[2]} == *" x$(printf 'ä%.0s' {1..19})..." ]]
}

@test "list -J: one object a line" {
	mqd topic create --partitions 2 t
	mqpub -q -p 1 -m skipped t
	mqpub -q -p 1 -k eu.de -m hello t
	before=$(date -u +%FT%T)
	bury g 7 --retries 2 --backoff 1ms
	run -0 --separate-stderr mqdlq list -J -o 1 t
	[ "$(jq -r 'keys_unsorted | join(" ")' <<<"$output")" = \
		'group id reason attempts requeues exit signal first at topic partition offset key bytes' ]
	[ "$(jq -c '[.group,.reason,.attempts,.requeues,.exit,.signal,.topic,.partition,.offset,.key,.bytes]' <<<"$output")" = \
		'["g","max-deliver",2,0,7,null,"t",1,1,"eu.de",5]' ]
	[[ ! $(jq -r .first <<<"$output") < $before ]]
	[[ ! $(jq -r .at <<<"$output") < $(jq -r .first <<<"$output") ]]
}

@test "show: everything, the value and the last words too" {
	mqpub -q -k eu.de -H trace=42 -H 'x=a b' -m $'first line\nsecond' t
	consume -g g --retries 1 t -- sh -c 'printf "no\nluck\n" >&2; kill -9 $$'
	run -0 --separate-stderr mqdlq show t
	id=$(ids)
	diff -u - <(sed -E 's/(published|first-returned|dead-since): 20[0-9TZ:.-]+$/\1: TIME/' <<<"$output") <<END
id: $id
group: g
topic: t
partition: 0
offset: 0
published: TIME
key: eu.de
header: trace=42
header: x=a b
reason: max-deliver
attempts: 1
requeues: 0
exit: SIGKILL
first-returned: TIME
dead-since: TIME
stderr: 8 bytes
  no
  luck
value: 17 bytes
  first line
  second
END
}

@test "show: letters are apart; control bytes are escaped on a terminal only" {
	mqpub -q -m $'red \e[31m' -m next t
	bury g 1
	run -0 mqdlq show t
	[[ $output == *$'\n  red \e[31m\n\nid: '* ]]
	script -qfec 'mqdlq show t' /dev/null </dev/null >"$BATS_TEST_TMPDIR/screen"
	grep -qF 'red \e[31m' "$BATS_TEST_TMPDIR/screen"
	[ "$(grep -c $'\e\\[31m' "$BATS_TEST_TMPDIR/screen")" -eq 0 ]
}

@test "show -J and export: the envelope of mqsub -J, and a dead object" {
	mqpub -q -k eu.de -H trace=42 -m hello t
	printf 'bad \377 value' | mqpub -q -s t
	consume -g g t -- sh -c 'printf "no \377 luck" >&2; exit 65'
	run -0 --separate-stderr mqdlq export t
	[ "${#lines[@]}" -eq 2 ]
	[ "$output" = "$(mqdlq show -J t)" ]
	[ "$output" = "$(mqdlq export -J t)" ]
	[ "$(jq -c 'del(.dead, .attempt)' <<<"$output")" = "$(mqsub -e -J t | jq -c 'del(.attempt)')" ]
	[ "$(jq -r '.dead | keys_unsorted | join(" ")' <<<"${lines[0]}")" = \
		'group id reason attempts requeues exit signal first at stderr_b64' ]
	[ "$(jq -c '.dead | [.group,.reason,.attempts,.requeues,.exit,.signal]' <<<"${lines[0]}")" = \
		'["g","rejected",1,0,65,null]' ]
	[ "$(jq -r .dead.stderr_b64 <<<"${lines[0]}" | base64 -d | od -An -c)" = "$(printf 'no \377 luck' | od -An -c)" ]
	[ "$(jq -r .payload_b64 <<<"${lines[1]}" | base64 -d | od -An -c)" = "$(printf 'bad \377 value' | od -An -c)" ]
	mqdlq export t | mqpub -q -J copy
	[ "$(mqsub -e -J copy | jq -c '[.key,.headers,.payload,.payload_b64]')" = \
		"$(mqsub -e -J t | jq -c '[.key,.headers,.payload,.payload_b64]')" ]
}

@test "of the last words the last 4 KiB are kept" {
	mqpub -q -m x t
	consume -g g --retries 1 t -- sh -c 'seq 5000 >&2; exit 1'
	run -0 mqdlq show -J t
	[ "$(jq -r .dead.stderr <<<"$output" | tail -n 1)" = 5000 ] ||
		[ "$(jq -r .dead.stderr <<<"$output" | tail -n 2 | head -n 1)" = 5000 ]
	[ "$(jq '.dead.stderr | length' <<<"$output")" -eq 4096 ]
}

@test "stats: by group, reason and exit status" {
	printf '%s\n' 1 2 3 | mqpub -q t
	consume -g a --retries 1 t -- sh -c 'read -r n; exit $((n / 3 + 1))'
	bury b 65
	run -0 --separate-stderr mqdlq stats t
	[ "$(awk '{ print $1, $2, $3, $4 }' <<<"$output")" = "$(printf '%s\n' \
		'GROUP REASON EXIT COUNT' 'a max-deliver 1 2' 'a max-deliver 2 1' 'b rejected 65 3')" ]
	[ "$(mqdlq stats -J t | jq -c '[.group,.reason,.exit,.signal,.count]')" = "$(printf '%s\n' \
		'["a","max-deliver",1,null,2]' '["a","max-deliver",2,null,1]' '["b","rejected",65,null,3]')" ]
	[ "$(mqdlq stats -J t | jq -r .oldest | head -n 1)" = "$(mqdlq list -J --exit 1 t | jq -r .at | sort | head -n 1)" ]
	[ "$(mqdlq stats -J t | jq -r .newest | head -n 1)" = "$(mqdlq list -J --exit 1 t | jq -r .at | sort | tail -n 1)" ]
	[ "$(mqdlq stats -J -g b t | jq .count)" = 3 ]
}

@test "each selector, and all of them together" {
	mqd topic create --partitions 2 t
	mqpub -q -p 0 -k eu.de -m 'one 1' -m 'two 22' t
	mqpub -q -p 1 -k us.ny -m 'three 333' t
	mqpub -q -p 1 -m $'no key\nlast' t
	consume -g g --retries 3 --backoff 1ms t -- sh -c '
		case $(cat) in
		one*) exit 65 ;;
		two*) exit 7 ;;
		three*) kill -9 $$ ;;
		*) exit 0
		esac'
	bury h 1
	[ "$(mqdlq count -g h t)" = 4 ]
	count() { # the values of group g that these options choose, sorted
		mqdlq show -J -g g "$@" t | jq -r .payload | sort | tr '\n' ';'
	}
	[ "$(count)" = 'one 1;three 333;two 22;' ]
	[ "$(count -k 'eu.*')" = 'one 1;two 22;' ]
	[ "$(count -k '*')" = '' ]
	[ "$(mqdlq count -k '#' t)" = 7 ]
	[ "$(count --reason rejected)" = 'one 1;' ]
	[ "$(count --reason rejected,max-deliver)" = 'one 1;three 333;two 22;' ]
	[ "$(count --reason timeout,expired)" = '' ]
	[ "$(count --attempts 1)" = 'one 1;' ]
	[ "$(count --attempts 3)" = 'three 333;two 22;' ]
	[ "$(count --attempts 2:)" = 'three 333;two 22;' ]
	[ "$(count --attempts :3)" = 'one 1;' ]
	[ "$(count --attempts 1:4)" = 'one 1;three 333;two 22;' ]
	[ "$(count --exit 7)" = 'two 22;' ]
	[ "$(count --exit 7,65)" = 'one 1;two 22;' ]
	for word in SIGKILL kill KILL SIG9 sigkill; do
		[ "$(count --exit "$word")" = 'three 333;' ]
	done
	[ "$(count --exit TERM)" = '' ]
	[ "$(count --grep '[0-9]{2,}')" = 'three 333;two 22;' ]
	[ "$(mqdlq count --grep '^last$' t)" = 1 ]
	[ "$(mqdlq count --grep 'key.last' t)" = 0 ]
	[ "$(count -o 0)" = 'one 1;three 333;' ]
	[ "$(count -o 1:)" = 'two 22;' ]
	[ "$(count -o 0:1)" = 'one 1;three 333;' ]
	[ "$(count -p 1)" = 'three 333;' ]
	[ "$(count -p 0,1)" = 'one 1;three 333;two 22;' ]
	[ "$(count --id "$(ids -g g -p 1)")" = 'three 333;' ]
	[ "$(count --id "$(ids -g g | paste -sd ,)")" = 'one 1;three 333;two 22;' ]
	[ "$(count -c 2 | tr ';' '\n' | grep -c .)" -eq 2 ]
	[ "$(mqdlq count -c 5 t)" = 5 ]
	[ "$(count -k 'eu.*' --exit 7 --grep 22 -p 0)" = 'two 22;' ]
	[ "$(count -k 'eu.*' --exit 7 --grep 23 -p 0)" = '' ]
}

@test "--since and --until: when it became dead" {
	mqpub -q -m old t
	bury g 1
	at=$(mqdlq list -J t | jq -r .at)
	poll_until 10 bash -c "mqpub -q -m new t; mqsub -q -e -g g t -- sh -c 'exit 65' 2>/dev/null; \
		[ \$(mqdlq list -J t | jq -r .at | sort -u | wc -l) -gt 1 ]"
	[ "$(mqdlq count --until "$at" t)" = 0 ]
	[ "$(values --since "$at" -c 1)" = 'old ' ]
	next=$(mqdlq list -J --grep new -c 1 t | jq -r .at)
	[ "$(values --until "$next")" = 'old ' ]
	[ "$(mqdlq count --since @-1h t)" = "$(mqdlq count t)" ]
	[ "$(mqdlq count --until @-1h t)" = 0 ]
}

@test "a value with NUL bytes is searched to its end" {
	printf 'before\0after' | mqpub -q -s t
	bury g 1
	[ "$(mqdlq count --grep after t)" = 1 ]
	[ "$(mqdlq count --grep 'after.' t)" = 0 ]
}

@test "looking changes nothing: every file has the bytes that it had" {
	three g
	bury h 1
	before=$(broker_sum)
	for verb in list 'list -J' show 'show -J' count stats 'stats -J' export \
		'requeue -n --all' 'requeue -n --all --to u' 'drop -n --all'; do
		# shellcheck disable=SC2086
		mqdlq $verb t >/dev/null
		[ "$(broker_sum)" = "$before" ]
	done
	mqdlq export t | jq -c '.payload = "other"' >"$BATS_TEST_TMPDIR/edited"
	mqdlq import -n t <"$BATS_TEST_TMPDIR/edited" >/dev/null
	[ "$(broker_sum)" = "$before" ]
	mqdlq drop -y -c 1 t
	[ "$(broker_sum)" != "$before" ]
}

@test "output that cannot be written is 74; a reader that left is SIGPIPE, in silence" {
	three g
	for verb in list show count stats export 'requeue -n --all'; do
		run -74 --separate-stderr bash -c "mqdlq $verb t >/dev/full"
		[[ $stderr == 'mqdlq: standard output: '* ]]
	done
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	run -141 --separate-stderr bash -c 'exec 5<>"$1" 6>"$1" 5<&-; mqdlq list t >&6' - \
		"$BATS_TEST_TMPDIR/pipe"
	[ -z "$stderr" ]
}

# ---- requeue ----

@test "requeue: delivered again, to its own group only, as if for the first time" {
	printf '%s\n' four five | mqpub -q t
	bury g 3 --retries 2 --backoff 1ms
	bury h 3
	run -0 --separate-stderr mqdlq requeue -y -g g t
	[ -z "$output$stderr" ]
	[ "$(mqdlq count -g g t)" = 0 ]
	[ "$(mqdlq count -g h t)" = 2 ]
	[ "$(mqsub -q -e -g h t | wc -l)" -eq 0 ]
	mqsub -q -e -g g t -- sh -c 'echo "$(cat) $MQ_ATTEMPT $MQ_PARTITION:$MQ_OFFSET"' |
		sort >"$BATS_TEST_TMPDIR/out"
	diff -u - "$BATS_TEST_TMPDIR/out" < <(mqsub -e -f '%s 1 0:%o\n' t | sort)
}

@test "requeue -v and drop -v say how many" {
	three g
	run -0 --separate-stderr mqdlq requeue -vy -c 1 t
	[ "$stderr" = 'mqdlq: 1 dead letter requeued' ]
	run -0 --separate-stderr mqdlq drop -vy --all t
	[ "$stderr" = 'mqdlq: 2 dead letters dropped' ]
	run -1 --separate-stderr mqdlq drop -vy --all t
	[ "$stderr" = 'mqdlq: 0 dead letters dropped' ]
	[ "$(mqsub -q -e -g g t)" = one ]
}

@test "requeue --delay: not before" {
	three g
	start=$(date +%s%N)
	mqdlq requeue -y --delay 400ms --all t
	[ "$(mqdlq count t)" = 0 ]
	[ "$(mqd group list -J t | jq .retry)" = 3 ]
	[ "$(mqsub -q -g g -c 3 t | sort | tr '\n' ' ')" = 'one three two ' ]
	[ $(($(date +%s%N) - start)) -ge 400000000 ]
}

@test "requeue --to: published to another topic with key and headers, and no dead letter any more" {
	mqpub -q -k eu.de -H trace=42 -m hello t
	printf 'bad \377 \0 value' | mqpub -q -s t
	bury g 1
	run -0 --separate-stderr mqdlq requeue -y --to parked --all t
	[ "$stderr" = "mqdlq: created topic parked in memory" ]
	[ "$(mqdlq count t)" = 0 ]
	[ "$(mqsub -e -J parked | jq -c '[.key,.headers,.payload,.payload_b64]')" = \
		"$(mqsub -e -J t | jq -c '[.key,.headers,.payload,.payload_b64]')" ]
	[ "$(mqsub -q -e -g g t | wc -c)" -eq 0 ]
	three g
	run -0 --separate-stderr mqdlq requeue -qy --to new --all t
	[ -z "$stderr" ]
}

@test "requeue --to: no room is 75 and the letter stays; too large is 65 and the others go on" {
	three g
	mqd topic create --memory 1M --slots 8 --full reject small
	seq 8 | mqpub -q -u small 2>/dev/null || :
	run -75 --separate-stderr mqdlq requeue -y --to small --all t
	[[ $stderr == "mqdlq: topic 'small' has no room for dead letter "* ]]
	[ "$(mqdlq count t)" = 3 ]
	mqd topic create --memory 1M --slots 8 waits
	seq 8 | mqpub -q -W 100ms -u waits 2>/dev/null || :
	run -75 --separate-stderr mqdlq requeue -y -W 100ms --to waits --all t
	[[ $stderr == "mqdlq: topic 'waits' has no room for dead letter "*"-W"* ]]
	[ "$(mqdlq count t)" = 3 ]
	mqdlq drop -y --all t
	mqd topic create --memory 1M little
	{
		echo small
		head -c 400000 /dev/zero | tr '\0' x
		echo
		echo last
	} | mqpub -q t
	bury g 1
	run -65 --separate-stderr mqdlq requeue -vy --to little --all t
	[[ ${stderr_lines[0]} == "mqdlq: dead letter "*" of group 'g': cannot be requeued: "* ]]
	[ "${stderr_lines[1]}" = "mqdlq: 2 dead letters requeued" ]
	[ "$(mqsub -e little | tr '\n' ' ')" = 'small last ' ]
	[ "$(mqdlq count t)" = 1 ]
}

@test "requeue -R: not faster" {
	three g
	start=$(date +%s%N)
	mqdlq requeue -y -R 5/s --all t
	[ $(($(date +%s%N) - start)) -ge 350000000 ]
	[ "$(mqdlq count t)" = 0 ]
}

@test "the loop guard: three times, then only with --force" {
	mqpub -q -m loop t
	bury g 1
	for i in 0 1 2; do
		[ "$(mqdlq list -J t | jq .requeues)" = $i ]
		mqdlq requeue -y --all t
		bury g 1
	done
	mqpub -q -m fresh t
	bury g 1
	id=$(ids --grep loop)
	run -0 --separate-stderr mqdlq requeue -vy --all t
	[ "${stderr_lines[0]}" = "mqdlq: dead letter $id of group 'g': requeued 3 times already, skipped (--force requeues it all the same, --to TOPIC puts it elsewhere)" ]
	[ "${stderr_lines[1]}" = 'mqdlq: 1 dead letter requeued' ]
	[ "$(values)" = 'loop ' ]
	run -1 --separate-stderr mqdlq requeue -qy --all t
	[ -z "$stderr" ]
	run -0 --separate-stderr mqdlq requeue -n --force --all t
	[ "$output" = "would requeue dead letter $id of group 'g' of topic 't'" ]
	run -0 --separate-stderr mqdlq requeue -y --force --all t
	bury g 1
	[ "$(mqdlq list -J --grep loop t | jq .requeues)" = 4 ]
	run -0 --separate-stderr mqdlq requeue -qy --to elsewhere --grep loop t
	[ "$(mqsub -e elsewhere)" = loop ]
}

@test "with -c the guard does not count what it skips" {
	mqpub -q -m loop t
	bury g 1
	for _ in 0 1 2; do
		mqdlq requeue -y --all t
		bury g 1
	done
	mqpub -q -m fresh t
	bury g 1
	run -0 --separate-stderr mqdlq requeue -qy -c 1 t
	[ "$(values)" = 'loop ' ]
}

@test "a consumer that fails at once meets a requeued letter once, not for ever" {
	three g
	mqsub -q -g g t -- false 3>&- 2>/dev/null &
	run -0 --separate-stderr timeout 20 mqdlq requeue -vy --all t
	[ "$stderr" = 'mqdlq: 3 dead letters requeued' ]
	poll_until 20 bash -c '[ "$(mqdlq list -J t | jq "select(.requeues == 1)" | jq -s length)" = 3 ]'
}

# ---- drop ----

@test "drop: gone for good, and only what was meant" {
	three g
	run -0 --separate-stderr mqdlq drop -y --grep two t
	[ -z "$output$stderr" ]
	[ "$(values)" = 'one three ' ]
	mqdlq drop -y --all t
	[ "$(mqdlq count t)" = 0 ]
	[ "$(mqsub -q -e -g g t | wc -l)" -eq 0 ]
	[ "$(mqsub -e t | wc -l)" -eq 3 ]
	[ "$(mqd group list -J t | jq .dead)" = 0 ]
}

@test "-n says what would be done, asks nothing" {
	three g
	id=$(ids --grep one)
	run -0 --separate-stderr mqdlq drop -n --grep one t
	[ "$output" = "would drop dead letter $id of group 'g' of topic 't'" ]
	run -0 --separate-stderr mqdlq requeue --dry-run --to u --grep one t
	[ "$output" = "would requeue dead letter $id of group 'g' of topic 't' to topic 'u'" ]
	[ "$(mqd topic list)" = t ]
	run -0 --separate-stderr mqdlq drop -n --all t
	[ "${#lines[@]}" -eq 3 ]
	[ "$(mqdlq count t)" = 3 ]
}

@test "on a terminal they ask; only yes is a yes" {
	three g
	for answer in '' n no; do
		run -1 typed "$answer" mqdlq drop --all t
		[[ $output == *"mqdlq: drop 3 dead letters of topic 't'? [y/N] "* ]]
		run -1 typed "$answer" mqdlq requeue --grep one t
		[[ $output == *"mqdlq: requeue 1 dead letter of topic 't'? [y/N] "* ]]
		run -1 typed "$answer" mqdlq requeue --to u --all t
		[[ $output == *"mqdlq: requeue 3 dead letters of topic 't' to topic 'u'? [y/N] "* ]]
	done
	run -130 typed $'\003' mqdlq drop --all t
	[ "$(mqdlq count t)" = 3 ]
	run -0 typed y mqdlq requeue --grep one t
	run -0 typed yes mqdlq drop --all t
	[ "$(mqdlq count t)" = 0 ]
	[ "$(mqsub -q -e -g g t)" = one ]
}

# ---- others at the same time ----

# many A B: the numbers from A to B are dead letters.
many() {
	seq "$1" "$2" | mqpub -q t
	consume -g g --worker t -- sed -u 's/.*/dead/'
}

# What came to the sink; nobody reads it, so that it keeps everything.
sunk() {
	mqsub -e --browse sink
}

# kill_one: starts moving everything to the sink, and kills it in the middle; fails when it was done before.
kill_one() {
	local before pid status=0

	before=$(sunk | wc -l)
	mqdlq requeue -y -q --to sink --all t 3>&- 2>/dev/null &
	pid=$!
	until [ "$(sunk | wc -l)" -gt "$before" ] || ! kill -0 "$pid" 2>/dev/null; do :; done
	kill -KILL "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || status=$?
	[ "$status" -eq 137 ]
}

@test "several that requeue the same letters: each goes once" {
	many 1 3000
	mqd topic create sink
	for i in 1 2 3; do
		mqdlq requeue -y -q --to sink --all t 3>&- 2>"$BATS_TEST_TMPDIR/err.$i" &
	done
	wait
	[ "$(cat "$BATS_TEST_TMPDIR"/err.*)" = '' ]
	[ "$(mqdlq count t)" = 0 ]
	diff <(seq 3000) <(mqsub -e sink | sort -n)
}

@test "killed at any moment: each letter is in one place, and the next run does the rest" {
	mqd topic create sink
	total=0 kills=0
	while [ "$kills" -lt 5 ]; do # it is fast: some are done before they are killed
		[ "$total" -lt 60000 ]
		many $((total + 1)) $((total += 4000))
		until [ "$(mqdlq count t)" = 0 ]; do
			if kill_one; then
				kills=$((kills + 1))
			fi
			[ "$(($(mqdlq count t) + $(sunk | wc -l)))" -ge $((total - 1)) ] # one may be on its way
		done
	done
	consume -g g t -- true # what was on its way is settled now
	mqdlq requeue -y -q --to sink --all t || [ "$(mqdlq count t)" = 0 ]
	diff <(seq "$total") <(mqsub -e sink | sort -n)
}

@test "a signal: the current letter is finished, the others stay" {
	three g
	timeout -k 5 30 mqdlq requeue -v -y -R 1/m --all t 3>&- 2>"$BATS_TEST_TMPDIR/err" &
	pid=$!
	poll_until 20 bash -c '[ "$(mqdlq count t)" = 2 ]'
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = 'mqdlq: 1 dead letter requeued' ]
	[ "$(values)" = 'two three ' ]
}

@test "a signal while there is no room in the topic: it ends, and the letters stay" {
	three g
	mqd topic create --memory 1M --slots 8 waits
	seq 8 | mqpub -q -W 100ms -u waits 2>/dev/null || :
	timeout -k 5 30 mqdlq requeue -v -y --to waits --all t 3>&- 2>"$BATS_TEST_TMPDIR/err" &
	pid=$!
	poll_until 20 grep -q waits "$BATS_TEST_TMPDIR/err" # who holds it up
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/err")" = 'mqdlq: 0 dead letters requeued' ]
	[ "$(mqdlq count t)" = 3 ]
}

# ---- export and import ----

@test "what was not edited is left alone" {
	three g
	mqdlq export t >"$BATS_TEST_TMPDIR/all"
	run -0 --separate-stderr mqdlq import -v t <"$BATS_TEST_TMPDIR/all"
	[ -z "$output" ]
	[ "$stderr" = 'mqdlq: 0 dead letters replaced, 3 unchanged' ]
	diff "$BATS_TEST_TMPDIR/all" <(mqdlq export t)
	run -0 --separate-stderr mqdlq import -J t </dev/null
	[ -z "$output$stderr" ]
}

@test "edited value, key and headers take the place of the original; its history stays" {
	mqpub -q -k eu.de -H trace=42 -m hello -m other t
	bury g 9
	before=$(mqdlq export --grep hello t)
	run -0 --separate-stderr mqdlq import -v t < <(mqdlq export t |
		jq -c 'if .payload == "hello" then .payload = "bye" | .key = "us.ny" | .headers += [["by","me"]] else . end')
	[ "$stderr" = 'mqdlq: 1 dead letter replaced, 1 unchanged' ]
	[ "$(values)" = 'other bye ' ] || [ "$(values)" = 'bye other ' ]
	after=$(mqdlq export --grep bye t)
	[ "$(jq -c '[.payload,.key,.headers]' <<<"$after")" = '["bye","us.ny",[["trace","42"],["by","me"]]]' ]
	[ "$(jq -c '[.partition,.offset,.ts,(.dead | del(.id))]' <<<"$after")" = \
		"$(jq -c '[.partition,.offset,.ts,(.dead | del(.id))]' <<<"$before")" ]
	mqdlq requeue -y --all t
	[ "$(mqsub -q -e -g g t | sort | tr '\n' ' ')" = 'bye other ' ]
}

@test "import: keys and values of any bytes, no key, no headers" {
	mqpub -q -k eu.de -H trace=42 -m hello t
	bury g 1
	mqdlq export t | jq -c 'del(.payload, .key, .headers) | .payload_b64 = "/wAB"' | mqdlq import t
	run -0 mqdlq export t
	[ "$(jq -c '[.payload_b64,.key,.headers]' <<<"$output")" = '["/wAB",null,[]]' ]
}

@test "a bad line: 65, named with its byte, and nothing is changed" {
	three g
	before=$(mqdlq export t)
	good=$(mqdlq export -c 1 t | jq -c '.payload = "edited"')
	byte=$((${#good} + 1))
	while read -r line why; do
		printf '%s\n%s\n' "$good" "$line" >"$BATS_TEST_TMPDIR/in"
		run -65 --separate-stderr mqdlq import t <"$BATS_TEST_TMPDIR/in"
		echo "$line: $stderr"
		[[ $stderr == "mqdlq: standard input, line 2 (byte $byte) $why"*"; nothing was changed" ]]
		[ "$(mqdlq export t)" = "$before" ]
	done <<'END'
nonsense is not JSON
{"v":1,"payload":"x"} has no "dead", so it takes no dead letter's place: a new message is published with 'mqpub -J t'
{"v":1,"payload":"x","dead":5} has a "dead" that is not an object
{"v":1,"payload":"x","dead":{"id":1}} has a "dead" without the name of its "group"
{"v":1,"payload":"x","dead":{"group":"a/b","id":1}} has a "dead" without the name of its "group"
{"v":1,"payload":"x","dead":{"group":"g"}} has a "dead" without its "id", a number
{"v":1,"payload":"x","dead":{"group":"g","id":-1}} has a "dead" without its "id", a number
{"v":1,"payload":"x","dead":{"group":"g","id":"1"}} has a "dead" without its "id", a number
{"v":1,"payload":"x","topic":"u","dead":{"group":"g","id":1}} is of topic 'u', not of 't'
{"v":1,"dead":{"group":"g","id":1}} has neither "payload" nor "payload_b64"
{"v":2,"payload":"x","dead":{"group":"g","id":1}} has another "v" than 1
END
}

@test "a letter that is none any more: said, 75, and the others are replaced" {
	three g
	mqdlq export t | jq -c '.payload += "!"' >"$BATS_TEST_TMPDIR/in"
	id=$(ids --grep two)
	mqdlq drop -y --grep two t
	run -75 --separate-stderr mqdlq import t <"$BATS_TEST_TMPDIR/in"
	[[ $stderr == "mqdlq: standard input, line 2 (byte "*"): dead letter $id of group 'g' is none any more: it was requeued, dropped or replaced meanwhile" ]]
	[ "$(values | tr ' ' '\n' | sort | tr '\n' ' ')" = 'one! three! ' ]
	run -75 --separate-stderr mqdlq import t <"$BATS_TEST_TMPDIR/in"
	[ "${#stderr_lines[@]}" -eq 3 ]
	[ "$(mqdlq count t)" = 2 ]
	run -75 --separate-stderr mqdlq import t < <(sed 's/"group":"g"/"group":"none"/' "$BATS_TEST_TMPDIR/in" | head -n 1)
	[[ $stderr == *"dead letter "*" of group 'none' is none any more"* ]]
}

@test "import -n says what would be replaced" {
	three g
	before=$(mqdlq export t)
	id=$(ids --grep two)
	mqdlq export t | jq -c 'if .payload == "two" then .payload = "2" else . end' >"$BATS_TEST_TMPDIR/in"
	run -0 --separate-stderr mqdlq import -n t <"$BATS_TEST_TMPDIR/in"
	[ "$output" = "would replace dead letter $id of group 'g'" ]
	[ "$(mqdlq export t)" = "$before" ]
}

@test "import: what is too large is 65, and the letter stays" {
	mqd topic create --memory 1M t
	three g
	mqdlq export t | jq -c 'if .payload == "two" then .payload = "x" * 20000000 else .payload += "!" end' >"$BATS_TEST_TMPDIR/in"
	run -65 --separate-stderr mqdlq import t <"$BATS_TEST_TMPDIR/in"
	[[ $stderr == "mqdlq: standard input, line 2 (byte "*" of group 'g' cannot be replaced: "* ]]
	[ "$(values | tr ' ' '\n' | sort | tr '\n' ' ')" = 'one! three! two ' ]
}

@test "import of what cannot be read: 66" {
	three g
	run -66 --separate-stderr bash -c 'mqdlq import t <"$BATS_TEST_TMPDIR"'
	[[ $stderr == "mqdlq: standard input: Is a directory" ]]
	run -66 --separate-stderr bash -c 'mqdlq import t <&-'
}

# ---- what stands in the way ----

@test "another version of the memory format: 76; a directory that one may not use: 77" {
	three g
	chmod 777 "$MQ_DIR"
	for verb in list 'drop -y --all' import; do
		# shellcheck disable=SC2086
		run -77 --separate-stderr mqdlq $verb t </dev/null
		[[ $stderr == "mqdlq: "*"$MQ_DIR"* ]]
	done
	chmod 700 "$MQ_DIR"
	printf '\177' | dd of="$MQ_DIR/broker" bs=1 seek=8 conv=notrunc 2>/dev/null
	for verb in list 'drop -y --all' import; do
		# shellcheck disable=SC2086
		run -76 --separate-stderr mqdlq $verb t </dev/null
	done
}

# Every file of the group cut short, emptied, and filled with noise: mqdlq may say what it likes, but it
# must say it, in time and without a signal.
@test "damaged files are errors, never signals" {
	mqd topic create --memory 1M --slots 64 t
	three g
	cp -r "$MQ_DIR" "$BATS_TEST_TMPDIR/whole"
	cd "$BATS_TEST_TMPDIR/whole"
	find . -type f -name '*group*' >"$BATS_TEST_TMPDIR/files"
	[ -s "$BATS_TEST_TMPDIR/files" ]
	mqdlq export t | jq -c '.payload = "x"' >"$BATS_TEST_TMPDIR/in"
	head -c 65536 /dev/urandom >"$BATS_TEST_TMPDIR/noise"
	while read -r file; do
		size=$(stat -c %s "$file")
		for damage in empty half page head middle; do
			for verb in list export 'requeue -y --all' 'requeue -y --to u --all' 'drop -y --all' import; do
				rm -rf "$MQ_DIR"
				cp -r . "$MQ_DIR"
				damage_file "$damage" "$MQ_DIR/$file" "$size"
				# shellcheck disable=SC2086
				run --separate-stderr timeout 20 mqdlq $verb t <"$BATS_TEST_TMPDIR/in"
				echo "$file $damage: $verb: $status $stderr"
				[ "$status" -le 78 ]
				[ "$status" -le 1 ] || [[ $stderr == "mqdlq: "* ]]
			done
		done
	done <"$BATS_TEST_TMPDIR/files"
}

# ---- the manual ----

@test "the examples of the manual print what they should" {
	run_examples "$BATS_TEST_DIRNAME/../man/mqdlq.1"
}
