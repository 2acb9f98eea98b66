# SPDX-License-Identifier: MIT
# mqd_group.bats - mqd group: every verb, every option, every error with its exit status.

load helpers

setup() {
	setup_broker
}

teardown() {
	teardown_broker
}

# work GROUP [OPTION...]: what the group has before it in topic t is done.
work() {
	mqsub -q -e -g "$1" "${@:2}" t
}

# fail GROUP [OPTION...]: the same, with a command that fails.
fail() {
	local status=0

	mqsub -q -e -g "$1" "${@:2}" t -- false || status=$?
	[ "$status" -eq 123 ]
}

# of GROUP KEY: a value of list -J.
of() {
	mqd group list -J t | jq -c "select(.group == \"$1\") | .$2"
}

# ---- the command line ----

@test "the number of operands: 64" {
	for verb in alter seek pause resume delete; do
		run -64 --separate-stderr mqd group "$verb"
		[ "$stderr" = "mqd: the name of a topic is missing, try 'mqd group $verb --help'" ]
		run -64 --separate-stderr mqd group "$verb" t
		[ "$stderr" = "mqd: the name of a group is missing, try 'mqd group $verb --help'" ]
	done
}

@test "names that no topic and no group can have: 64, and nothing is done" {
	for name in '' . .. a/b 'a b' $'a\nb' ä "$(printf 'x%.0s' {1..250})"; do
		for verb in 'alter --retries 3' 'seek -o 0 -y' pause resume 'delete -y'; do
			# shellcheck disable=SC2086
			run -64 --separate-stderr mqd group $verb "$name" g
			[[ $stderr == "mqd: '${name/$'\n'/'\n'}' cannot be a topic's name: "* ]]
			run -64 --separate-stderr mqd group $verb t g "$name"
			[[ $stderr == "mqd: '${name/$'\n'/'\n'}' cannot be a group's name: "* ]]
		done
		run -64 --separate-stderr mqd group list "$name"
	done
	[ ! -e "$MQ_DIR" ]
}

@test "an option that the verb does not take is refused, before it and behind it: 64" {
	run -64 --separate-stderr mqd group pause --lease 1s t g
	[ "$stderr" = "mqd: unknown option '--lease', try 'mqd group pause --help'" ]
	run -64 --separate-stderr mqd --lease 1s group pause t g
	[ "$stderr" = "mqd: option '--lease' does not belong to 'mqd group pause', try 'mqd --help'" ]
	run -64 --separate-stderr mqd topic create --retries 1 t
	[ "$stderr" = "mqd: unknown option '--retries', try 'mqd topic create --help'" ]
	run -64 --separate-stderr mqd group alter --slots 8 t g
	[ "$stderr" = "mqd: unknown option '--slots', try 'mqd group alter --help'" ]
}

@test "values that an option does not take: 64, the option and the value are named" {
	for bad in --mode={'',x,SHARED} --lease={'',x,99ms,25h} --retries={'',0,251,x,-1} \
		--backoff={'',x,0,1s:2s,2s\,1s,1s\,x,31d,1s\,31d,1us} --key={'a*','#x.y'} \
		--expire={'',x,999ms,Never} --dead-letters={'',x,dropped}; do
		run -64 --separate-stderr mqd group alter "$bad" t g
		echo "$bad: $stderr"
		[[ $stderr == "mqd: option '${bad%%=*}': '${bad#*=}' is not "*", try 'mqd group alter --help'" ]]
	done
	for bad in '' x 1:2 1: :1 : @x +1; do
		run -64 --separate-stderr mqd group seek "--offset=$bad" t g
		[[ $stderr == "mqd: option '--offset': '$bad' is not a place (as beginning, "* ]]
	done
	run -64 --separate-stderr mqd group alter t g
	[[ $stderr == "mqd: nothing to alter: give --mode, "* ]]
	run -64 --separate-stderr mqd group seek -y t g
	[[ $stderr == "mqd: say where to: -o (--offset) "* ]]
	[ ! -e "$MQ_DIR" ]
}

@test "no broker, no topic, no group: 69, and the others are served" {
	for verb in list\ t 'alter --retries 3 t g' 'seek -o 0 -y t g' 'pause t g' 'resume t g' 'delete -y t g'; do
		# shellcheck disable=SC2086
		run -69 --separate-stderr mqd group $verb
		[[ $stderr == "mqd: "*"$MQ_DIR"* ]]
	done
	[ ! -e "$MQ_DIR" ]
	mqpub -q -m x t
	work g >/dev/null
	for verb in 'alter --retries 3' 'alter -n --retries 3' 'seek -o 0' 'seek -y -o 0' pause resume 'delete -n' 'delete -y'; do
		# shellcheck disable=SC2086
		run -69 --separate-stderr mqd group $verb t none g
		[ "$stderr_lines" = "mqd: group 'none' of topic 't': not there in $MQ_DIR ('mqd group list t' says what is)" ]
		run -69 --separate-stderr mqd group $verb none g
		[[ $stderr == "mqd: topic 'none': not there in $MQ_DIR "* ]]
	done
	run -69 --separate-stderr mqd group list t none
	[ "$stderr" = "mqd: topic 'none': not there in $MQ_DIR ('mqd topic list' says what is)" ]
	[ -z "$(mqd group list -J t)" ] # it was deleted beside none
}

@test "-b comes before MQ_DIR, in both places" {
	mqpub -q -m x t
	work g >/dev/null
	[ "$(MQ_DIR=/nonexistent/broker mqd group list -J -b "$MQ_DIR" | jq -r .group)" = g ]
	[ "$(MQ_DIR=/nonexistent/broker mqd -b "$MQ_DIR" group list -J | jq -r .group)" = g ]
	[ "$(MQ_DIR=/nonexistent/broker mqd group -b "$MQ_DIR" list -J | jq -r .group)" = g ]
}

# ---- list ----

@test "list: of no groups the heading; -J nothing" {
	mqd topic create t
	run -0 --separate-stderr mqd group list
	[ "$(tr -s ' ' <<<"$output")" = 'GROUP TOPIC MODE CONSUMERS LAG IN-FLIGHT RETRY DEAD PAUSED' ]
	[ -z "$stderr" ]
	run -0 --separate-stderr mqd group list -J
	[ -z "$output$stderr" ]
}

@test "list: a row for each group, sorted by topic and name; of the topics that are named" {
	for topic in u t; do
		seq 3 | mqpub -q $topic
		for group in b a-group-with-a-long-name; do
			mqsub -q -e -c 1 -g $group $topic >/dev/null
		done
	done
	run -0 --separate-stderr mqd group list
	[ "$(tr -s ' ' <<<"$output" | sed 's/ $//')" = "$(printf '%s\n' \
		'GROUP TOPIC MODE CONSUMERS LAG IN-FLIGHT RETRY DEAD PAUSED' \
		'a-group-with-a-long-name t shared 0 2 0 0 0 no' 'b t shared 0 2 0 0 0 no' \
		'a-group-with-a-long-name u shared 0 2 0 0 0 no' 'b u shared 0 2 0 0 0 no')" ]
	# the columns stand below each other
	[ "$(awk '{ print length }' <<<"$output" | sort -u | wc -l)" -eq 1 ]
	run -0 --separate-stderr mqd group list u
	[ "${#lines[@]}" -eq 3 ]
	run -0 --separate-stderr mqd group list u t
	[[ ${lines[1]} == *" u "* ]]
	[[ ${lines[3]} == *" t "* ]]
}

@test "list -v: options and partitions" {
	mqd topic create --partitions 2 t
	seq 5 | mqpub -q -p 1 t
	mqsub -q -e -c 2 -g g --ordered --lease 10s --retries 7 --backoff 2s,1m -k '#' t >/dev/null
	run -0 --separate-stderr mqd group list -v t
	[ "$(tr -s ' ' <<<"${lines[0]}")" = 'GROUP TOPIC MODE CONSUMERS LAG IN-FLIGHT RETRY DEAD PAUSED LEASE RETRIES BACKOFF EXPIRE DEAD-LETTERS FILTER' ]
	[ "$(tr -s ' ' <<<"${lines[1]}")" = 'g t ordered 0 3 0 0 0 no 10s 7 2s,1m 7d keep #' ]
	[ "${lines[2]}" = '  partition 0: offset 0, end 0, lag 0, in flight 0, waiting 0, oldest -' ]
	[[ ${lines[3]} == '  partition 1: offset 2, end 5, lag 3, in flight 0, waiting 0, oldest 20'* ]]
	[ "${#lines[@]}" -eq 4 ]
}

@test "list -J: one object a line" {
	mqd topic create --partitions 2 t
	seq 5 | mqpub -q -p 1 t
	before=$(date -u +%FT%T)
	mqsub -q -e -c 2 -g g --lease 1500ms -k 'eu.#' t >/dev/null
	run -0 --separate-stderr mqd group list -J t
	[ "${#lines[@]}" -eq 1 ]
	[ "$(jq -r 'keys_unsorted | join(" ")' <<<"$output")" = 'group topic mode consumers lag in_flight retry dead paused filter lease retries backoff backoff_max expire dead_letters returns_rows returns_memory window number incarnation created used returns_full delivered acked redelivered dead_lettered dropped filtered logs' ]
	[ "$(jq -c '[.group,.topic,.mode,.consumers,.filter,.lease,.retries,.backoff,.backoff_max,.expire,.dead_letters,.paused]' <<<"$output")" = \
		'["g","t","shared",0,"eu.#",1.5,5,1,300,604800,"keep",false]' ]
	[ "$(jq -c '.logs | map([.partition,.end_offset])' <<<"$output")" = '[[0,0],[1,5]]' ]
	[[ ! $(jq -r .created <<<"$output") < $before ]]
	[[ ! $(jq -r .used <<<"$output") < $before ]] # to a millisecond: not always behind its creation
}

@test "list: what consumers have in hand, what waits, and what is dead" {
	seq 4 | mqpub -q t
	mqsub -q -g g --retries 2 --backoff 10m t -- \
		sh -c 'case $(cat) in 1) exit 65 ;; 2) exit 1 ;; 3) exec sleep 60 ;; esac' 3>&- 2>/dev/null &
	poll_until 20 bash -c '[ "$(mqd group list -J t | jq -c "[.consumers,.in_flight,.retry,.dead]")" = "[1,1,1,1]" ]' ||
		{ mqd group list -v t && false; }
	[ "$(of g lag)" = 3 ] # 2, 3 and 4
	[ "$(of g dead_lettered)" = 1 ]
	# the first signal lets a command end, the second does not
	poll_until 20 bash -c "kill $!; "'[ "$(mqd group list -J t | jq -c "[.consumers,.in_flight]")" = "[0,0]" ]'
}

@test "list: what waits for a short time does so in its partition, and is counted as a retry" {
	mqd topic create t
	mqsub -q -g g --retries 250 --backoff 900ms t -- false 3>&- 2>/dev/null &
	# with new ones, because none stays there for long
	poll_until 20 bash -c 'mqpub -q -m x t; [ "$(mqd group list -J t |
		jq ".logs[0].waiting >= 1 and .lag == .retry + .in_flight")" = true ]'
}

@test "list reads only" {
	seq 4 | mqpub -q t
	work g >/dev/null
	before=$(broker_sum)
	for options in '' -v -J; do
		mqd group list $options >/dev/null
		mqd group list $options t >/dev/null
	done
	mqd group seek -n -o 0 t g >/dev/null
	mqd group seek -o 0 t g >/dev/null 2>&1
	mqd group alter -n --retries 2 t g >/dev/null
	mqd group delete -n t g >/dev/null
	[ "$(broker_sum)" = "$before" ]
}

@test "output that cannot be written is 74" {
	seq 4 | mqpub -q t
	work g >/dev/null
	for verb in list 'list -J' 'seek -n -o 0 t g' 'delete -n t g' 'alter -n --retries 2 t g'; do
		run -74 --separate-stderr bash -c "mqd group $verb >/dev/full"
		[[ $stderr == 'mqd: standard output: '* ]]
	done
}

# ---- alter ----

@test "alter changes what is named, and only that" {
	mqpub -q -m x t
	work g >/dev/null
	work h >/dev/null
	get='[.mode,.lease,.retries,.backoff,.backoff_max,.filter,.expire,.dead_letters]'
	for step in '--mode ordered|["ordered",30,5,1,300,null,604800,"keep"]' \
		'--lease 500ms|["ordered",0.5,5,1,300,null,604800,"keep"]' \
		'--retries 250|["ordered",0.5,250,1,300,null,604800,"keep"]' \
		'--backoff 2s,3s|["ordered",0.5,250,2,3,null,604800,"keep"]' \
		'--backoff 10m|["ordered",0.5,250,600,600,null,604800,"keep"]' \
		'--backoff 1ms|["ordered",0.5,250,0.001,300,null,604800,"keep"]' \
		'-k eu.*|["ordered",0.5,250,0.001,300,"eu.*",604800,"keep"]' \
		'--expire 1h|["ordered",0.5,250,0.001,300,"eu.*",3600,"keep"]' \
		'--expire never|["ordered",0.5,250,0.001,300,"eu.*",null,"keep"]' \
		'--dead-letters drop|["ordered",0.5,250,0.001,300,"eu.*",null,"drop"]' \
		'--mode shared --retries 5 --key=|["shared",0.5,5,0.001,300,null,null,"drop"]'; do
		set -f
		# shellcheck disable=SC2086
		run -0 --separate-stderr mqd group alter ${step%|*} t g
		set +f
		[ -z "$output$stderr" ]
		echo "$step"
		[ "$(mqd group list -J t | jq -c "select(.group == \"g\") | $get")" = "${step#*|}" ]
	done
	[ "$(mqd group list -J t | jq -c "select(.group == \"h\") | $get")" = \
		'["shared",30,5,1,300,null,604800,"keep"]' ]
}

@test "alter of several groups; -n says what would be done" {
	mqpub -q -m x t
	work g >/dev/null
	work h >/dev/null
	run -0 --separate-stderr mqd group alter -n --mode ordered --lease 90s --retries 3 --backoff 1s -k 'a.#' \
		--expire never --dead-letters drop t g h
	[ "$output" = "$(for g in g h; do echo "would alter group '$g' of topic 't': --mode ordered --lease 1m30s --retries 3 --backoff 1s,5m --key 'a.#' --expire never --dead-letters drop"; done)" ]
	run -0 --separate-stderr mqd group alter -n --lease 1500ms --backoff 90061001ms t g
	[ "$output" = "would alter group 'g' of topic 't': --lease 1s500ms --backoff 1d1h1m1s1ms,1d1h1m1s1ms" ]
	[ "$(of g retries)$(of h retries)" = 55 ]
	mqd group alter --retries 2 t g h
	[ "$(of g retries)$(of h retries)" = 22 ]
}

@test "altered options are at work: filter, retries, dead letters" {
	mqpub -q -k eu.de -m one -m two t
	mqpub -q -k us.ny -m three t
	work g -c 1 >/dev/null
	mqd group alter -k 'us.#' t g
	[ "$(work g)" = three ]
	mqpub -q -k us.ny -m four t
	mqd group alter --retries 1 --dead-letters drop t g
	fail g
	[ "$(of g dead)" = 0 ]
	[ "$(of g dropped)" = 1 ]
	mqpub -q -k us.ny -m five t
	mqd group alter --dead-letters keep --retries 2 --backoff 1ms t g
	fail g
	[ "$(mqdlq list -J t | jq .attempts)" = 2 ]
}

# ---- seek ----

@test "seek is a dry run unless -y; it says from where to where" {
	mqd topic create --partitions 2 t
	seq 5 | mqpub -q -p 0 t
	seq 3 | mqpub -q -p 1 t
	work g >/dev/null
	run -0 --separate-stderr mqd group seek -o beginning t g
	[ "$output" = "$(printf '%s\n' "would move group 'g' of topic 't', partition 0: 5 -> 0" \
		"would move group 'g' of topic 't', partition 1: 3 -> 0")" ]
	[ "$stderr" = 'mqd: nothing was moved: give -y (--yes) to do it' ]
	run -0 --separate-stderr mqd group seek -ny -o beginning t g
	[[ $output == "would move "* ]]
	[ -z "$stderr" ]
	[ "$(of g lag)" = 0 ]
	run -0 --separate-stderr mqd group seek -y -o 2 t g
	[ "$output" = "$(printf '%s\n' "moved group 'g' of topic 't', partition 0: 5 -> 2" \
		"moved group 'g' of topic 't', partition 1: 3 -> 2")" ]
	[ -z "$stderr" ]
	[ "$(of g lag)" = 4 ]
	[ "$(work g | sort | tr '\n' ' ')" = '3 3 4 5 ' ]
}

@test "seek to each kind of place" {
	seq 10 | mqpub -q t
	time=$(mqsub -e -f '%F\n' -o -1 t)
	work g >/dev/null
	for step in beginning:0 end:10 7:7 -3:7 @-1h:0; do
		run -0 --separate-stderr mqd group seek -y "-o${step%:*}" t g
		echo "$step: $output"
		[ "${output##*-> }" = "${step##*:}" ]
		[ "$(of g 'logs[0].offset')" = "${step##*:}" ]
	done
	run -0 --separate-stderr mqd group seek -y "-o@$time" t g
	[ "${output##*-> }" -le 9 ]
	mqpub -q -m next t
	mqd group seek -y -o end t g >/dev/null
	[ "$(work g | wc -l)" -eq 0 ]
}

@test "seek: dead letters stay" {
	seq 3 | mqpub -q t
	fail g --retries 1
	mqd group seek -y -o beginning t g >/dev/null
	[ "$(of g dead)" = 3 ]
	[ "$(work g | tr '\n' ' ')" = '1 2 3 ' ]
	[ "$(of g dead)" = 3 ]
}

@test "seek: a running consumer goes on at the new place" {
	seq 3 | mqpub -q t
	mqsub -q -g g t >"$BATS_TEST_TMPDIR/out" 3>&- &
	poll_until 20 grep -qx 3 "$BATS_TEST_TMPDIR/out"
	poll_until 20 bash -c '[ "$(mqd group list -J t | jq .lag)" = 0 ]'
	mqd group seek -y -o beginning t g >/dev/null
	poll_until 20 bash -c "[ \"\$(wc -l <'$BATS_TEST_TMPDIR/out')\" -ge 6 ]"
	[ "$(sort "$BATS_TEST_TMPDIR/out" | uniq -c | tr -s ' ' | tr '\n' ';')" = ' 2 1; 2 2; 2 3;' ]
}

# ---- pause, resume ----

@test "pause: consumers get nothing new, until resume" {
	seq 3 | mqpub -q t
	work g -c 1 >/dev/null
	run -0 --separate-stderr mqd group pause t g
	[ -z "$output$stderr" ]
	[ "$(of g paused)" = true ]
	[[ $(mqd group list t) == *' yes'* ]]
	run -75 --separate-stderr mqsub -q -W 300ms -g g t
	[ -z "$output" ]
	run -0 --separate-stderr mqd group pause t g # once more
	mqsub -q -g g t >"$BATS_TEST_TMPDIR/out" 3>&- &
	poll_until 20 bash -c '[ "$(mqd group list -J t | jq .consumers)" = 1 ]'
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
	run -0 --separate-stderr mqd group resume t g
	[ -z "$output$stderr" ]
	poll_until 20 grep -qx 3 "$BATS_TEST_TMPDIR/out"
	[ "$(of g paused)" = false ]
}

@test "pause: what is in hand is finished" {
	seq 2 | mqpub -q t
	mkfifo "$BATS_TEST_TMPDIR/go"
	mqsub -q -g g t -- sh -c "cat >>'$BATS_TEST_TMPDIR/out'; read -r _ <'$BATS_TEST_TMPDIR/go'" 3>&- &
	poll_until 20 grep -qx 1 "$BATS_TEST_TMPDIR/out"
	mqd group pause t g
	echo >"$BATS_TEST_TMPDIR/go"
	poll_until 20 bash -c '[ "$(mqd group list -J t | jq -c "[.in_flight,.acked]")" = "[0,1]" ]'
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = 1 ]
	[ "$(of g lag)" = 1 ]
}

# ---- delete ----

@test "delete: off a terminal only with -y; on one it asks; -n says" {
	seq 3 | mqpub -q t
	fail g --retries 1
	work h >/dev/null
	run -64 --separate-stderr mqd group delete t g </dev/null
	[[ $stderr == "mqd: the group's place and its dead letters would be lost, and there is no terminal to ask on: give -y "* ]]
	run -64 --separate-stderr bash -c "yes | mqd group delete t g"
	run -0 --separate-stderr mqd group delete -n t g h
	[ "$output" = "$(printf '%s\n' "would delete group 'g' of topic 't' with 3 dead letters" \
		"would delete group 'h' of topic 't' with 0 dead letters")" ]
	for answer in '' n no q; do
		run -1 typed "$answer" mqd group delete t g
		[[ $output == *"mqd: delete group 'g' of topic 't' with 3 dead letters? [y/N] "* ]]
	done
	run -130 typed $'\003' mqd group delete t g
	[ "$(mqd group list -J t | jq -r .group | tr '\n' ' ')" = 'g h ' ]
	run -0 typed y mqd group delete t g
	[ "$(mqd group list -J t | jq -r .group)" = h ]
	run -0 --separate-stderr mqd group delete -y t h
	[ -z "$output$stderr" ]
	[ -z "$(mqd group list -J t)" ]
}

@test "delete: consumers are told, 69; a new group of the name has nothing of it" {
	seq 3 | mqpub -q t
	fail g --retries 1
	number=$(of g number)
	mqsub -g g t >/dev/null 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	pid=$!
	poll_until 20 bash -c '[ "$(mqd group list -J t | jq .consumers)" = 1 ]'
	run -0 --separate-stderr mqd group delete -n t g
	[ "$output" = "would delete group 'g' of topic 't' with 3 dead letters, while it has 1 consumer" ]
	mqd group delete -y t g
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 69 ]
	[[ $(tail -n 1 "$BATS_TEST_TMPDIR/err") == "mqsub: "* ]]
	[ "$(work g | tr '\n' ' ')" = '1 2 3 ' ]
	[ "$(of g dead)" = 0 ]
	[ "$(of g number)" -gt "$number" ]
}

@test "of many that delete at once exactly one succeeds" {
	mqpub -q -m x t
	work g >/dev/null
	for i in {1..6}; do
		(
			status=0
			mqd group delete -y t g 2>/dev/null || status=$?
			echo "$status" >"$BATS_TEST_TMPDIR/status.$i"
		) 3>&- &
	done
	wait
	[ "$(sort "$BATS_TEST_TMPDIR"/status.* | uniq -c | tr -s ' \n' ' ')" = ' 1 0 5 69 ' ]
}
