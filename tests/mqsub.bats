# SPDX-License-Identifier: MIT
# mqsub.bats - what mqsub prints, where it begins and stops, and how it ends.

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

# Standard input as hexadecimal digits.
hex() {
	od -An -v -tx1 | tr -d ' \n'
}

lines_of() {
	wc -l <"$1"
}

# has_lines N FILE
has_lines() {
	[ -f "$2" ] && [ "$(lines_of "$2")" -ge "$1" ]
}

# Starts mqsub with output and errors in files; its process is $pid.
start_mqsub() {
	env --default-signal=INT,PIPE mqsub "$@" >"$OUT" 2>"$ERR" 3>&- &
	pid=$!
}

subscribed() { # TOPIC: somebody reads it
	[ "$(mqd topic list -J -v | jq -r "select(.name == \"$1\").readers")" -gt 0 ]
}

# on_terminal FILE COMMAND...: runs it with a terminal as standard output, into FILE.
on_terminal() {
	local file=$1

	shift
	script -qec "$*" /dev/null >"$file" </dev/null
}

# The sizes of the writes of COMMAND, a line each: a socket that keeps them apart is its output.
writes_of() {
	perl -MSocket -e '
	socketpair(my $in, my $out, AF_UNIX, SOCK_SEQPACKET, 0) or die $!;
	defined(my $pid = fork) or die $!;
	if (!$pid) {
		close $in;
		open STDOUT, ">&", $out or die $!;
		exec @ARGV or die $!;
	}
	close $out;
	while ((my $n = sysread $in, my $data, 1 << 22) > 0) { print "$n\n" }
	waitpid $pid, 0;
	exit($? >> 8);' "$@"
}

# ---- what is printed ----

@test "prints what is there, in order, a line each" {
	seq 1000 | mqpub t
	mqsub -e t >"$OUT"
	seq 1000 | cmp - "$OUT"
}

@test "empty messages, carriage returns and an unterminated last record are lines" {
	printf '\na\r\n\nlast' | mqpub t
	[ "$(mqsub -e t | hex)" = 0a610d0a0a6c6173740a ]
}

@test "goes on with what comes, and holds nothing back while it waits" {
	echo first | mqpub t
	start_mqsub t
	poll_until 10 has_lines 1 "$OUT"
	for i in 2 3 4; do
		echo "$i" | mqpub t
		poll_until 10 has_lines "$i" "$OUT"
	done
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	[ "$(cat "$OUT")" = $'first\n2\n3\n4' ]
	[ ! -s "$ERR" ]
}

@test "every subscriber is given everything" {
	mqd topic create t
	mqsub -c 500 t >"$OUT.1" 3>&- &
	first=$!
	mqsub -c 500 t >"$OUT.2" 3>&- &
	second=$!
	seq 500 | mqpub -u t
	wait $first $second
	seq 500 | cmp - "$OUT.1"
	seq 500 | cmp - "$OUT.2"
}

@test "several topics at once" {
	seq 3 | mqpub a
	seq 11 13 | mqpub b
	mqd topic create empty
	run -0 --separate-stderr mqsub -e -f '%t:%s\n' a b empty
	[ "$(grep ^a: <<<"$output")" = $'a:1\na:2\na:3' ]
	[ "$(grep ^b: <<<"$output")" = $'b:11\nb:12\nb:13' ]
	[ "$(wc -l <<<"$output")" -eq 6 ]
}

@test "several topics: what comes to any of them is printed" {
	mqd topic create a
	mqd topic create b
	start_mqsub -c 4 a b
	poll_until 10 subscribed a
	poll_until 10 subscribed b
	echo 1 | mqpub b
	poll_until 10 has_lines 1 "$OUT"
	echo 2 | mqpub a
	poll_until 10 has_lines 2 "$OUT"
	echo 3 | mqpub b
	poll_until 10 has_lines 3 "$OUT"
	echo 4 | mqpub a
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	[ "$(cat "$OUT")" = $'1\n2\n3\n4' ]
}

@test "128 topics at once, and not one more: 64" {
	mapfile -t names < <(seq -f t%g 128)
	for name in "${names[@]}"; do echo "$name"; done >"$OUT.all"
	mqd topic create "${names[@]}"
	for name in t1 t64 t128; do echo "of $name" | mqpub "$name"; done
	run -0 --separate-stderr mqsub -e "${names[@]}"
	[ "$(sort <<<"$output")" = $'of t1\nof t128\nof t64' ]
	run -64 --separate-stderr mqsub -e "${names[@]}" t129
	[[ $stderr == "mqsub: 129 topics given: one mqsub reads at most 128 at once"* ]]
}

@test "a large message is whole" {
	head -c 9000000 /dev/zero | tr '\0' x | mqpub -s t
	[ "$(mqsub -e t | wc -c)" -eq 9000001 ]
	[ "$(mqsub -e -f '%S' t)" = 9000000 ]
	[ "$(mqsub -e -D '' t | tr -d x | wc -c)" -eq 0 ]
}

@test "-b names the broker" {
	MQ_DIR=$BATS_TEST_TMPDIR/other mqpub -m there t
	mqpub -m here t
	run -0 --separate-stderr mqsub -e -b "$BATS_TEST_TMPDIR/other" t
	[ "$output" = there ]
	run -0 --separate-stderr mqsub -e --broker="$MQ_DIR" t
	[ "$output" = here ]
}

# ---- framings ----

@test "-D: any delimiter, with escapes, or none" {
	printf 'a\nb\n' | mqpub t
	[ "$(mqsub -e -D '<>' t)" = 'a<>b<>' ]
	[ "$(mqsub -e -D '\0\n\t\r\\\e\x7f' t | hex)" = 61000a090d5c1b7f62000a090d5c1b7f ]
	[ "$(mqsub -e -D '' t)" = ab ]
	[ "$(mqsub -e --delim=, t)" = a,b, ]
	[ "$(mqsub -e -D x -D y t)" = ayby ]
	run -64 --separate-stderr mqsub -e -D 'a\q' t
	[[ $stderr == "mqsub: option '--delim': unknown escape '\\q' in 'a\\q'"* ]]
}

@test "-0: NUL bytes, fit for xargs" {
	printf 'a b\0c\nd\0' | mqpub -0 t
	[ "$(mqsub -e -0 t | hex)" = 61206200630a6400 ]
	[ "$(mqsub -e --null t | xargs -0 -n 1 printf '[%s]')" = $'[a b][c\nd]' ]
}

@test "the delimiter of the input is not in the way of that of the output" {
	printf 'a\nb\n' | mqpub t
	printf 'c\nd;e;' | mqpub -D ';' t
	printf 'f\0' | mqpub -0 t
	[ "$(mqsub -e -D ';' t)" = $'a;b;c\nd;e;f;' ]
	[ "$(mqsub -e -0 t | hex)" = 61006200630a640065006600 ]
	[ "$(mqsub -e t)" = $'a\nb\nc\nd\ne\nf' ]
}

@test "-L: the length in four bytes, big-endian, then the value" {
	printf 'abc\0\0' | mqpub -0 t
	[ "$(mqsub -e -L t | hex)" = 0000000361626300000000 ]
	head -c 70000 /dev/zero | mqpub -s big
	[ "$(mqsub -e --len32 big | head -c 4 | hex)" = 00011170 ]
}

@test "-K: key and delimiter before the value; only the delimiter without a key" {
	printf 'k1:v1\nk2:\n:v3\n' | mqpub -K : t
	mqpub -m v4 t
	[ "$(mqsub -e -K : t)" = $'k1:v1\nk2:\n:v3\n:v4' ]
	[ "$(mqsub -e -K '\t' -0 t | hex)" = 6b31097631006b3209000976330009763400 ]
	[ "$(mqsub -e -c 1 -K = -L t | hex)" = 000000056b313d7631 ]
}

@test "-f with -D or -0: the delimiter follows" {
	printf 'a\nb\n' | mqpub t
	[ "$(mqsub -e -f '%o' -D , t)" = 0,1, ]
	[ "$(mqsub -e -f '%s' -0 t | hex)" = 61006200 ]
	[ "$(mqsub -e -f '%s' t)" = ab ]
}

@test "framings exclude each other: 64, both are named" {
	for pair in '-D x -0' '-0 -L' '-L -J' '-J -B' '-D x -B' '-f %s -J' '-f %s -L' '-f %s -B' \
		'-K : -f %s' '-K : -J' '-K : -B' '--hold --browse' '-q -v'; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr mqsub -e $pair t
		[[ $stderr =~ ^mqsub:\ options\ \'--[a-z0-9-]+\'\ and\ \'--[a-z0-9-]+\'\ exclude\ each\ other ]]
		[ -z "$output" ]
	done
}

@test "long options are the short ones" {
	printf 'a=1\nb=2\n' | mqpub -q -K = t
	while read -r short long; do
		# shellcheck disable=SC2086
		diff <(mqsub -e $short t 2>&1) <(mqsub --exit-at-end $long t 2>&1)
	done <<-'END'
		-J --json
		-B --records
		-K: --key-delim=:
		-k#.a --key=#.a
		-u --unbuffered
		-q --quiet
		-v --verbose
		-o1 --offset=1
		-c1 --count=1
		-f%o --format=%o
		-p0 --partition=0
		-W1s --wait=1s
		-R100 --rate=100
	END
}

# ---- -f ----

@test "-f: every token" {
	mqd topic create --partitions 2 t
	before=$(date +%s%3N)
	mqpub -p 1 -k key -H a=1 -H b=2 -H a=3 -m 'va%s' t
	after=$(date +%s%3N)
	[ "$(mqsub -e -f '%s %S %k %K %t %p %o %h %%' t)" = 'va%s 4 key 3 t 1 0 a=1,b=2,a=3 %' ]
	[ "$(mqsub -e -f '[%h{a}] [%h{b}] [%h{c}]' t)" = '[1] [2] []' ]
	[ "$(mqsub -e -f '%P %d [%g] [%x]' t)" = '0 1 [] []' ]
	[ "$(mqsub -e -f '%R' t | hex)" = 00000004 ]
	ms=$(mqsub -e -f '%T' t)
	[ "$ms" -ge "$before" ] && [ "$ms" -le "$after" ]
	text=$(mqsub -e -f '%F' t)
	[[ $text =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$ ]]
	[ "$(date -d "$text" +%s%3N)" = "$ms" ]
	[[ $(mqsub -e -f '%a' t) =~ ^[0-9]+\.[0-9]{3}$ ]]
}

@test "-f: a message without key and headers" {
	mqpub -m v t
	[ "$(mqsub -e -f '[%k] %K [%h] [%h{a}] %k{json}\n' t)" = '[] -1 [] [] null' ]
}

@test "-f: modifiers" {
	printf 'k:\377\0a' | mqpub -s -K : -H n=x t
	[ "$(mqsub -e -f '%s{hex} %k{hex} %h{n}{hex}' t)" = 'ff0061 6b 78' ]
	[ "$(mqsub -e -f '%s{base64}' t)" = /wBh ]
	[ "$(mqsub -e -f '%k{json} %s{json} %o{json} %h{n}{json} %h{no}{json}' t)" = \
		'"k" {"b64":"/wBh"} 0 "x" null' ]
	[ "$(mqsub -e -f '%S{be32}' t | hex)" = 00000003 ]
	seconds=$(($(mqsub -e -f %T t) / 1000))
	for zone in UTC EST5 CET-1; do
		[ "$(TZ=$zone mqsub -e -f '%T{strftime:%F %T}' t)" = \
			"$(TZ=$zone date -d @$seconds '+%F %T')" ]
	done
}

@test "-f: escapes, NUL among them" {
	mqpub -m v t
	[ "$(mqsub -e -f '\0%s\0\n\t\r\\\e\xfF\x7b' t | hex)" = 0076000a090d5c1bff7b ]
}

@test "-f: what is wrong is named: 64" {
	while IFS='|' read -r format complaint; do
		run -64 --separate-stderr mqsub -e -f "$format" t
		[[ $stderr == "mqsub: option '--format': $complaint"* ]]
	done <<-'EOT'
		%z|unknown token '%z'
		%s %|unknown token '%'
		%s{rot13}|unknown modifier '{rot13}'
		%s{hex|'%s{hex' in the format has no closing brace
		%h{a|'%h{a' in the format has no closing brace
		%T{strftime:%F|'%T{strftime:%F' in the format has no closing brace
		%s{be32}|'%s{be32}' in the format: token '%s' does not take this modifier
		%s{strftime:%F}|'%s{strftime:%F}' in the format: token '%s' does not take this modifier
		a\q|unknown escape '\q'
		a\x4|unknown escape '\x'
	EOT
}

@test "-f: a modifier more, no brace and an empty format" {
	mqpub -q -H a=b -m v t
	run -64 --separate-stderr mqsub -e -f '%s{hex}{json}' t
	[[ $stderr == "mqsub: option '--format': '%s{hex}{' in the format: a token takes one modifier"* ]]
	run -64 --separate-stderr mqsub -e -f '%s{}' t
	[[ $stderr == *"unknown modifier '{}'"* ]]
	run -64 --separate-stderr mqsub -e -f '%h{a}{strftime:%F}' t
	run -64 --separate-stderr mqsub -e -f '\' t
	[ "$(mqsub -e -f '' t | wc -c)" -eq 0 ]
	[ "$(mqsub -e -f '' -0 t | wc -c)" -eq 1 ]
	[ "$(mqsub -e -f '%F{strftime:}|%%{s}|%R{hex}|%g{json}|%x{json}|%P{be32}%d{be32}' t | od -An -c | tr -d ' \n')" = \
		'|%{s}|00000001|null|null|\0\0\0\0\0\0\0001' ]
}

# ---- -J ----

@test "-J: one stable envelope a line" {
	mqpub -k k -H a=b -m 'say "hi"' t
	run -0 --separate-stderr mqsub -e -J t
	ts=$(mqsub -e -f %F t)
	[ "$output" = '{"v":1,"topic":"t","partition":0,"offset":0,"ts":"'"$ts"'","key":"k","priority":0,"expires":null,"headers":[["a","b"]],"attempt":1,"payload":"say \"hi\""}' ]
	mqpub -m '' u
	[[ $(mqsub -e -J u) == *'"key":null,"priority":0,"expires":null,"headers":[],"attempt":1,"payload":""}' ]]
}

@test "-J: binary payloads, keys and headers stay valid JSON" {
	command -v jq >/dev/null || skip_unless_ci "jq is not installed"
	# every byte, surrogates, overlong forms, a lone tail, a cut character
	for bytes in '\0\001\002\037 "\\/\177' '\200' '\355\240\200' '\300\200' '\360\237\230' \
		'\364\220\200\200' '\303\244\342\202\254\360\237\230\200' '\302\205' '\357\277\277'; do
		printf '%b' "${bytes//\\/\\0}" | mqpub -s t
		printf 'k%b:v' "${bytes//\\/\\0}" | mqpub -s -K : t
	done
	perl -e 'print pack "C*", 0..255' | mqpub -s t
	n=$(mqsub -e -J t | wc -l)
	[ "$n" -eq 19 ]
	[ "$(mqsub -e -J t | jq -c 'select(.v == 1 and .topic == "t")' | wc -l)" -eq 19 ]
	# decoded they are the bytes that -f prints
	mqsub -e -f '%s{base64}\n' t >"$OUT"
	mqsub -e -J t | jq -r '.payload_b64 // (.payload | @base64)' | cmp - "$OUT"
	mqsub -e -f '%k{base64}\n' t >"$OUT"
	mqsub -e -J t | jq -r '.key_b64 // ((.key // "") | @base64)' | cmp - "$OUT"
	# and nothing in it is a control byte
	[ -z "$(mqsub -e -J t | LC_ALL=C tr -d '\n' | LC_ALL=C grep -a '[[:cntrl:]]')" ]
}

# ---- where it begins and ends ----

@test "-o: beginning, N, -N and beyond" {
	seq 0 9 | mqpub t
	[ "$(mqsub -e -o beginning t | head -n 1)" = 0 ]
	[ "$(mqsub -e -o 7 t)" = $'7\n8\n9' ]
	[ "$(mqsub -e -o -2 t)" = $'8\n9' ]
	[ "$(mqsub -e -o -99 t | wc -l)" -eq 10 ]
	run -0 --separate-stderr mqsub -e -o end t
	[ -z "$output" ]
	run -0 --separate-stderr mqsub -e -o 99 t
	[ -z "$output" ]
}

@test "-o end: only what comes from now on" {
	echo old | mqpub t
	start_mqsub -o end -c 1 t
	poll_until 10 subscribed t
	echo new | mqpub t
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	[ "$(cat "$OUT")" = new ]
}

@test "-o: ranges are half-open and end by themselves" {
	seq 0 9 | mqpub t
	seq 10 19 | mqpub t
	[ "$(mqsub -o 3:6 t)" = $'3\n4\n5' ]
	[ "$(mqsub -o 8:12 t)" = $'8\n9\n10\n11' ]
	[ "$(mqsub -o :2 t)" = $'0\n1' ]
	[ "$(mqsub -e -o 18: t)" = $'18\n19' ]
	[ "$(mqsub -o -3:end t)" = $'17\n18\n19' ]
	[ "$(mqsub -o beginning:-18 t)" = $'0\n1' ]
	run -0 --separate-stderr mqsub -o 5:5 t
	[ -z "$output" ]
}

@test "-o: a range that reaches beyond the end waits for it" {
	seq 0 4 | mqpub t
	start_mqsub -o 3:7 t
	poll_until 10 has_lines 2 "$OUT"
	seq 5 9 | mqpub t
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	[ "$(cat "$OUT")" = $'3\n4\n5\n6' ]
	[ "$(mqsub -e -o 8:99 t)" = $'8\n9' ]
}

@test "-o @TIME: the first message published then or later" {
	echo a | mqpub t
	echo b | mqpub t
	echo c | mqpub t
	of_b=$(mqsub -e -o 1:2 -f %F t)
	[ "$(mqsub -e -o "@$of_b" t)" = $'b\nc' ]
	[ "$(mqsub -o ":@$of_b" t)" = a ]
	[ "$(mqsub -e -o @-1h t | wc -l)" -eq 3 ]
	[ "$(mqsub -e -o @0 t | wc -l)" -eq 3 ]
	run -0 --separate-stderr mqsub -e -o @+1h t
	[ -z "$output" ]
}

@test "-o: what is no offset is named: 64" {
	for spec in x '' 1x @ @yesterday 1:2:3 --5; do
		run -64 --separate-stderr mqsub -e --offset="$spec" t
		[[ $stderr == "mqsub: option '--offset': '$spec' is not an offset"* ]]
	done
}

@test "-e: stops at the end that was there at the start" {
	seq 3 | mqpub t
	start_mqsub -e -R 2 t
	poll_until 10 has_lines 1 "$OUT"
	seq 4 9 | mqpub t
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	[ "$(cat "$OUT")" = $'1\n2\n3' ]
}

@test "-e: ends on an empty topic, on one that was purged, and with a filter that matches nothing" {
	mqd topic create t
	run -0 --separate-stderr mqsub -e t
	[ -z "$output$stderr" ]
	seq 10 | mqpub t
	run -0 --separate-stderr mqsub -e -k no.such.key t
	[ -z "$output$stderr" ]
	mqd topic purge -y t
	run -0 --separate-stderr mqsub -e t
	[ -z "$output$stderr" ]
	seq 10 | mqpub t
	[ "$(mqsub -e t | wc -l)" -eq 10 ]
}

@test "-e: every partition has its own end" {
	mqd topic create --partitions 3 t
	seq 5 | mqpub -p 0 t
	seq 11 12 | mqpub -p 2 t
	[ "$(mqsub -e t | sort -n | tr '\n' ' ')" = '1 2 3 4 5 11 12 ' ]
}

@test "-c: in the middle of a frame, at its end, and over several topics" {
	seq 100 | mqpub a
	seq 100 | mqpub b
	[ "$(mqsub -c 7 a | tail -n 1)" = 7 ]
	[ "$(mqsub -c 100 a | wc -l)" -eq 100 ]
	[ "$(mqsub -c 150 a b | wc -l)" -eq 150 ]
	[ "$(mqsub -e -c 150 a | wc -l)" -eq 100 ]
	for n in 0 x -1 ''; do
		run -64 --separate-stderr mqsub --count="$n" a
		[[ $stderr == "mqsub: option '--count': '$n' is not a number"* ]]
	done
}

@test "-k: words, * and #" {
	for key in eu.de eu.fr eu.de.by us.ny eu; do mqpub -k $key -m $key t; done
	mqpub -m none t
	[ "$(mqsub -e -k eu.de t)" = eu.de ]
	[ "$(mqsub -e -k 'eu.*' t)" = $'eu.de\neu.fr' ]
	[ "$(mqsub -e -k 'eu.#' t)" = $'eu.de\neu.fr\neu.de.by\neu' ]
	[ "$(mqsub -e -k '*.ny' t)" = us.ny ]
	[ "$(mqsub -e -k '#' t | wc -l)" -eq 6 ]
	[ "$(mqsub -c 2 -k 'eu.*' t)" = $'eu.de\neu.fr' ]
}

@test "-p: only these partitions" {
	mqd topic create --partitions 4 t
	for p in 0 1 2 3; do mqpub -p $p -m "of $p" t; done
	[ "$(mqsub -e -p 2 t)" = 'of 2' ]
	[ "$(mqsub -e -p 0,3 t | sort)" = $'of 0\nof 3' ]
	[ "$(mqsub -e -p 0 -p 3 t)" = 'of 3' ]
	[ "$(mqsub -e -f '%p %o %s\n' -p 1 t)" = '1 0 of 1' ]
	for list in x '' , 1, ,1 1,,2 256 -1 12345678901 1:2; do
		run -64 --separate-stderr mqsub -e --partition="$list" t
		[[ $stderr == "mqsub: option '--partition': "* ]]
	done
	run -64 --separate-stderr mqsub -e -p 1,9 t
	[ "$stderr" = "mqsub: option '--partition': topic 't' has no partition 9: they are 0 to 3" ]
}

@test "-o: where messages are no more, it begins at the oldest" {
	seq 0 9 | mqpub -q -u t
	mqd topic purge -y t
	seq 10 12 | mqpub -q t
	[ "$(mqsub -e -o 3 t)" = $'10\n11\n12' ]
	run -0 --separate-stderr mqsub -o 3:10 t
	[ -z "$output" ]
	run -0 --separate-stderr mqsub -o 9:5 t
	[ -z "$output" ]
}

@test "-p: a list that is too long, a partition twice, one that is not there: 64" {
	mqpub -q -m x t
	run -64 --separate-stderr mqsub -e -p "$(seq -s, 0 255),0" t
	[[ $stderr == "mqsub: option '--partition': more than 256 partitions"* ]]
	run -64 --separate-stderr mqsub -e -p 0,0 t
	[[ $stderr == "mqsub: option '--partition': 0 is named twice, try 'mqsub --help'" ]]
	run -64 --separate-stderr mqsub -e -p 1 t
	[[ $stderr == "mqsub: option '--partition': topic 't' has no partition 1: they are 0 to 0" ]]
}

@test "-k: a pattern whose * or # is no word: 64; an empty one is the empty key" {
	mqpub -q -k '' -m empty t
	mqpub -q -k a -m a t
	mqpub -q -m none t
	for pattern in 'a*' '#a' 'a.b#.c'; do
		run -64 --separate-stderr mqsub -e -k "$pattern" t
		[[ $stderr == "mqsub: option '--key': '$pattern' is not a pattern: * and # stand for whole words between dots, try 'mqsub --help'" ]]
	done
	[ "$(mqsub -e -k '' t)" = empty ]
}

# ---- waiting ----

@test "-W: when nothing comes in time: 75" {
	mqd topic create t
	run -75 --separate-stderr mqsub -W 50ms t
	[ "$stderr" = "mqsub: no message came within the wait that was asked for (-W)" ]
	run -75 --separate-stderr mqsub -q -W 50ms t
	[ -z "$stderr" ]
	seq 3 | mqpub t
	run -75 --separate-stderr mqsub -W 50ms t
	[ "$output" = $'1\n2\n3' ]
	run -75 --separate-stderr mqsub -W 50ms -c 5 t
	[ "$output" = $'1\n2\n3' ]
	run -0 --separate-stderr mqsub -W 50ms -c 3 t
	run -75 --separate-stderr mqsub -W 0 t
	[ "$output" = $'1\n2\n3' ]
	run -64 --separate-stderr mqsub -W soon t
	[[ $stderr == "mqsub: option '--wait': 'soon' is not a duration"* ]]
}

@test "-W: messages that do not match the filter do not count as messages" {
	mqd topic create t
	yes 3>&- | mqpub -R 100 -k no t 3>&- &
	run -75 --separate-stderr mqsub -W 300ms -k yes t
	[ -z "$output" ]
}

@test "-W: each message starts the wait anew" {
	mqd topic create t
	seq 7 | mqpub -R 2 t 3>&- & # all in all longer than the wait
	run -0 --separate-stderr mqsub -W 2s -c 7 t
	[ "$(wc -l <<<"$output")" -eq 7 ]
}

@test "a topic that is not there: 69, with what to do" {
	mqpub -m x other
	run -69 --separate-stderr mqsub t
	[ "$stderr" = "mqsub: topic 't' is not there in $MQ_DIR: publish to it ('mqpub t'), create it ('mqd topic create t'), or wait for it (-W)" ]
	run -69 --separate-stderr mqsub -e other t
	[ -z "$output" ]
	[ "$(mqd topic list)" = other ]
}

@test "a broker that is not there: 69, and it is not made" {
	run -69 --separate-stderr mqsub t
	[ "$stderr" = "mqsub: no broker in $MQ_DIR: publish something ('mqpub TOPIC'), name another directory (-b, MQ_DIR), or wait for it (-W)" ]
	[ ! -e "$MQ_DIR" ]
}

@test "-W: waits for the broker and the topic, but not longer" {
	run -75 --separate-stderr mqsub -W 50ms t
	[ "$stderr" = "mqsub: the broker is still not there in $MQ_DIR after the wait that was asked for (-W)" ]
	[ ! -e "$MQ_DIR" ]
	start_mqsub -W 30s -c 1 t
	poll_until 10 grep -q "waiting for the broker in $MQ_DIR" "$ERR"
	mqpub -m other other
	mqpub -m hello t
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	[ "$(cat "$OUT")" = hello ]
	start_mqsub -W 30s -c 1 later
	poll_until 10 grep -q "waiting for topic 'later' in $MQ_DIR" "$ERR"
	mqpub -m hi later
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	[ "$(cat "$OUT")" = hi ]
	run -75 --separate-stderr mqsub -W 50ms never
	[ "$stderr" = "mqsub: topic 'never' is still not there in $MQ_DIR after the wait that was asked for (-W)" ]
}

@test "a topic that is not there: the others stay unread" {
	seq 3 | mqpub -q t
	run -69 mqsub -e t nosuch
	[ "$(mqd topic show -J t | jq .unread)" = true ]
	[ "$(mqd topic show -J t | jq .readers)" -eq 0 ]
}

@test "-W: while it waits for one topic, it holds up and misses nothing of the others" {
	mqd topic create --slots 8 t
	start_mqsub -W 30s -c 4 t later
	poll_until 10 grep -q waiting "$ERR"
	# a subscriber that stood still would be left behind in this time
	run -75 timeout 10 mqpub -W 2s -u t < <(seq 20)
	mqpub -q -m hi later
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	[ "$(lines_of "$OUT")" -eq 4 ]
}

@test "-W: the reader of the output ends while a topic is waited for: it notices" {
	mqpub -q -m x other
	# shellcheck disable=SC2016
	run -141 --separate-stderr timeout 20 bash -c 'mqsub -W 60s nosuch | true; exit ${PIPESTATUS[0]}'
	[ -z "$stderr" ]
}

# ---- patterns of topics ----

# Its topics, each with a message that is its name.
topics_with_names() {
	local name

	for name in "$@"; do mqpub -q -m "$name" "$name"; done
}

# What mqsub prints at once, in order, on one line.
sorted() {
	mqsub -q -e "$@" | LC_ALL=C sort | tr '\n' ' '
}

@test "a pattern: * is a word, # the rest; what is named as well or matches twice is read once" {
	topics_with_names orders orders.eu orders.us orders.eu.de other
	[ "$(sorted 'orders.*')" = "orders.eu orders.us " ]
	[ "$(sorted 'orders.#')" = "orders orders.eu orders.eu.de orders.us " ]
	[ "$(sorted '*.eu.#')" = "orders.eu orders.eu.de " ]
	[ "$(sorted '#')" = "orders orders.eu orders.eu.de orders.us other " ]
	[ "$(sorted orders.eu 'orders.*')" = "orders.eu orders.us " ]
	[ "$(sorted 'orders.*' orders.eu other)" = "orders.eu orders.us other " ]
	[ "$(sorted 'orders.*' '#.eu' '*.us')" = "orders.eu orders.us " ]
	run -0 --separate-stderr mqsub -e -c 1 -o -1 -J '*.*.de'
	[ "$(jq -r .topic <<<"$output")" = orders.eu.de ]
	[ -z "$stderr" ]
}

@test "a pattern that is none: 64, and only mqsub takes them" {
	for pattern in 'a*' '##' 'x.*#' 'a.b#.c'; do
		run -64 --separate-stderr mqsub -e "$pattern"
		[[ $stderr == "mqsub: '$pattern' is not a pattern of topics: * and # stand for whole words"* ]]
	done
	for pattern in 'a/b.*' '*. ' "$(printf '%0250d' 0).*"; do
		run -64 --separate-stderr mqsub -e "$pattern"
		[[ $stderr == "mqsub: '$pattern' is not a pattern of topics: 1 to 249"* ]]
	done
	run -64 --separate-stderr mqpub -m x 'orders.*'
	run -64 --separate-stderr mqd topic create '#'
	[ ! -e "$MQ_DIR/t/1" ]
}

@test "a pattern that nothing matches: 69, and others stay unread; -W waits for a topic that matches" {
	run -69 --separate-stderr mqsub 'orders.*'
	[[ $stderr == "mqsub: no broker in $MQ_DIR: "* ]]
	mqpub -q -m x other
	run -69 --separate-stderr mqsub -e other 'orders.*'
	[ "$stderr" = "mqsub: no topic matches 'orders.*' in $MQ_DIR: publish to one, create one ('mqd topic create'), or wait for one (-W)" ]
	[ "$(mqd topic show -J other | jq .unread)" = true ]
	run -75 --separate-stderr mqsub -W 50ms 'orders.*'
	[ "$stderr" = "mqsub: a topic that matches 'orders.*' is still not there in $MQ_DIR after the wait that was asked for (-W)" ]
	start_mqsub -W 30s -c 2 'orders.*'
	poll_until 10 grep -q "waiting for a topic that matches 'orders.\*' in $MQ_DIR" "$ERR"
	mqpub -q -m no orders
	seq 2 | mqpub -q orders.eu
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	[ "$(cat "$OUT")" = $'1\n2' ]
}

@test "a topic that appears and matches while mqsub sleeps is read from its first message on" {
	seq 3 | mqpub -q o.old
	start_mqsub -v -o end -f '%t %s\n' 'o.*'
	poll_until 10 subscribed o.old
	seq 3 | mqpub -q o.new
	mqpub -q -m x other
	poll_until 10 has_lines 3 "$OUT"
	topics_with_names o.three o.four
	poll_until 10 has_lines 5 "$OUT"
	mqpub -q -m 4 o.new
	mqpub -q -m 4 o.old
	poll_until 10 has_lines 7 "$OUT"
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	[ "$(grep -v ' o\.' "$OUT" | sort)" = $'o.new 1\no.new 2\no.new 3\no.new 4\no.old 4' ]
	[ "$(grep ' o\.' "$OUT" | sort)" = $'o.four o.four\no.three o.three' ]
	[ "$(grep -c "reading topic 'o\.[a-z]*' of $MQ_DIR" "$ERR")" -eq 4 ]
}

@test "a topic that appears while others are read without a pause is read, too" {
	mqpub -q -m x o.old
	start_mqsub -f '%t\n' 'o.*'
	poll_until 10 has_lines 1 "$OUT"
	yes | mqpub -q o.old 3>&- &
	poll_until 10 has_lines 100000 "$OUT"
	mqpub -q -m x o.new
	poll_until 10 grep -q '^o.new$' "$OUT"
	[ "$(grep -c '^o.new$' "$OUT")" -eq 1 ]
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
}

@test "a topic of a pattern is deleted: one line, the others are read on; one that is named ends all: 69" {
	topics_with_names o.a o.b
	start_mqsub 'o.*'
	poll_until 10 has_lines 2 "$OUT"
	mqd topic delete -y o.a
	poll_until 10 grep -q "^mqsub: topic 'o.a' was deleted: the others are read on" "$ERR"
	mqpub -q -m again o.b
	poll_until 10 has_lines 3 "$OUT"
	mqd topic delete -y o.b
	poll_until 10 has_lines 2 "$ERR"
	seq 2 | mqpub -q o.a
	poll_until 10 has_lines 5 "$OUT"
	alive "$pid"
	[ "$(tail -n 3 "$OUT")" = $'again\n1\n2' ]
	[ "$(lines_of "$ERR")" -eq 2 ]
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]

	start_mqsub -q o.a 'o.*'
	poll_until 10 has_lines 2 "$OUT"
	mqpub -q -m b o.b
	poll_until 10 has_lines 3 "$OUT"
	mqd topic delete -y o.b
	mqpub -q -m c o.c
	poll_until 10 has_lines 4 "$OUT"
	[ ! -s "$ERR" ]
	mqd topic delete -y o.a
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
	[[ $(cat "$ERR") == "mqsub: topic o.a was deleted"* ]]
}

@test "a topic of a pattern is deleted and made anew at once: the new one is read from its beginning" {
	mqpub -q -m first o.a
	start_mqsub -q 'o.*'
	poll_until 10 has_lines 1 "$OUT"
	for i in 2 3 4 5; do
		mqd topic delete -y o.a
		mqpub -q -m "$i" o.a
		poll_until 10 has_lines "$i" "$OUT"
	done
	[ "$(cat "$OUT")" = $'first\n2\n3\n4\n5' ]
}

@test "the runtime directory is removed: 69, also when no topic of the pattern is left" {
	mqpub -q -m x o.a
	start_mqsub 'o.*'
	poll_until 10 has_lines 1 "$OUT"
	mqd topic delete -y o.a
	poll_until 10 has_lines 1 "$ERR"
	rm -r "$MQ_DIR"
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
	[[ $(tail -n 1 "$ERR") == *" removed "*"$MQ_DIR"* ]]
}

@test "-e and ranges with a pattern: the topics that were there at the start, and their ends" {
	seq 10 | mqpub -q o.old
	start_mqsub -e -R 10 'o.*'
	poll_until 10 has_lines 1 "$OUT"
	mqpub -q -m new o.new
	mqd topic create o.empty
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	[ "$(cat "$OUT")" = "$(seq 10)" ]
	[ "$(sorted 'o.*')" = "1 10 2 3 4 5 6 7 8 9 new " ]
	[ "$(mqsub -o 1:3 '*.old')" = $'2\n3' ]
}

@test "-W with a pattern: a topic that appears is no message" {
	mqpub -q -m x o.a
	run -75 --separate-stderr mqsub -W 1s 'o.*'
	start_mqsub -W 2s 'o.*'
	poll_until 10 has_lines 1 "$OUT"
	mqd topic create o.b
	poll_until 10 subscribed o.b
	wait_for_end "$pid"
	[ "$status" -eq 75 ]
}

@test "more topics match than one mqsub reads: 64 at the start, later a line, and a place that is free is taken" {
	mapfile -t names < <(seq -f t.%g 129)
	mqd topic create "${names[@]}"
	run -64 --separate-stderr mqsub -e 't.*'
	[ "$stderr" = "mqsub: 129 topics are named or match: one mqsub reads at most 128 at once, start several, with a narrower pattern each" ]
	mqd topic delete -y t.128
	mqd topic delete -y t.129
	start_mqsub 't.*'
	poll_until 10 subscribed t.99
	mqpub -q -m a t.a
	poll_until 10 has_lines 1 "$OUT"
	kill -STOP "$pid" # so that it finds both at once
	mqpub -q -m b t.b
	mqpub -q -m c t.c
	kill -CONT "$pid"
	poll_until 10 grep -q "^mqsub: topic 't.b', which is new, is not read, nor are others" "$ERR"
	mqpub -q -m 99 t.99
	poll_until 10 has_lines 2 "$OUT"
	[ "$(lines_of "$ERR")" -eq 1 ]
	mqd topic delete -y t.5
	poll_until 10 has_lines 3 "$OUT"
	[ "$(cat "$OUT")" = $'a\n99\nb' ]
	mqd topic delete -y t.6
	poll_until 10 has_lines 4 "$OUT"
	[ "$(tail -n 1 "$OUT")" = c ]
}

@test "a topic that appears and does not fit the options is told, once, and the others are read on" {
	mqd topic create --partitions 2 o.a
	start_mqsub -p 1 'o.*'
	poll_until 10 subscribed o.a
	mqpub -q -m b o.b
	poll_until 10 grep -q "^mqsub: topic 'o.b', which is new, is not read: option '--partition': topic 'o.b' has no partition 1" "$ERR"
	mqd topic create --partitions 2 o.c
	mqpub -q -p 1 -m c o.c
	poll_until 10 has_lines 1 "$OUT"
	[ "$(cat "$OUT")" = c ]
	[ "$(lines_of "$ERR")" -eq 1 ]
	run -64 --separate-stderr mqsub -e -p 1 'o.*'
	[[ $stderr == "mqsub: option '--partition': topic 'o.b' has no partition 1"* ]]
}

# ---- pace and writes ----

@test "-R: not faster than asked" {
	seq 9 | mqpub t
	before=$(date +%s%N)
	mqsub -e -R 20/s t >"$OUT"
	after=$(date +%s%N)
	[ "$(lines_of "$OUT")" -eq 9 ]
	# 8 pauses of 50 ms, of which 50 ms may be caught up
	[ $((after - before)) -ge 350000000 ]
	for rate in 0 x 5/d -1 1.5; do
		run -64 --separate-stderr mqsub --rate="$rate" t
		[[ $stderr == "mqsub: option '--rate': '$rate' is not a rate"* ]]
	done
}

@test "-u: a write for each message; without it one for all that is there" {
	printf 'a\nbcd\n\n' | mqpub t
	[ "$(writes_of mqsub -e t | tr '\n' ' ')" = '7 ' ]
	[ "$(writes_of mqsub -e -u t | tr '\n' ' ')" = '2 4 1 ' ]
	[ "$(writes_of mqsub -e -f '%s,' t | tr '\n' ' ')" = '7 ' ]
	[ "$(writes_of mqsub -e -u -f '%s,' t | tr '\n' ' ')" = '2 4 1 ' ]
}

@test "many small frames are written together" {
	seq 1000 9999 | mqpub -u t
	[ "$(writes_of mqsub -e t | wc -l)" -lt 20 ]
}

# ---- how it ends ----

@test "the reader of the output ends: no word, SIGPIPE" {
	seq 1000000 | mqpub t # more than a pipe holds
	for options in '' -J '-R 1000000'; do
		run -141 --separate-stderr bash -c "mqsub $options t | head -n 1 >/dev/null; exit \${PIPESTATUS[0]}"
		[ -z "$stderr" ]
	done
}

@test "the reader of the output ends while mqsub waits: it notices" {
	mqd topic create t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 9<>"$BATS_TEST_TMPDIR/fifo"
	env --default-signal=PIPE mqsub t >"$BATS_TEST_TMPDIR/fifo" 2>"$ERR" 3>&- 9<&- &
	pid=$!
	poll_until 10 subscribed t
	exec 9<&-
	wait_for_end "$pid"
	[ "$status" -eq 141 ]
	[ ! -s "$ERR" ]
	[ "$(mqd topic list -J -v | jq -r .readers)" -eq 0 ]
}

@test "INT and TERM: what was read is written, then it dies of the signal" {
	seq 5000 | mqpub t
	for signal in INT TERM; do
		start_mqsub t
		poll_until 10 has_lines 5000 "$OUT"
		kill -$signal "$pid"
		wait_for_end "$pid"
		[ "$status" -eq $((128 + $(kill -l $signal))) ]
		seq 5000 | cmp - "$OUT"
		[ ! -s "$ERR" ]
	done
	[ "$(mqd topic list -J -v | jq -r .readers)" -eq 0 ]
}

@test "TERM while it waits for a topic" {
	mqpub -m x other
	start_mqsub -W 60s t
	poll_until 10 grep -q waiting "$ERR"
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
}

@test "TERM with -R: the message in hand is the last" {
	seq 1000 | mqpub t
	start_mqsub -R 2 t
	poll_until 10 has_lines 2 "$OUT"
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	[ "$(lines_of "$OUT")" -lt 1000 ]
	seq "$(lines_of "$OUT")" | cmp - "$OUT"
}

@test "a reader that stands still does not stop the first signal from waiting, nor the second" {
	head -c 3000000 /dev/zero | tr '\0' x | mqpub -s t
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 9<>"$BATS_TEST_TMPDIR/fifo"
	env mqsub t >"$BATS_TEST_TMPDIR/fifo" 3>&- 9<&- &
	pid=$!
	poll_until 10 grep -q pipe "/proc/$pid/wchan"
	kill -TERM "$pid"
	poll_until 10 grep -q pipe "/proc/$pid/wchan"
	run ! ended "$pid"
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	exec 9<&-
}

@test "standard output that cannot be written: 74, never 0" {
	seq 10 | mqpub t
	for options in '' -J -u '-f %s' '-c 3'; do
		# shellcheck disable=SC2086
		run -74 --separate-stderr bash -c "mqsub -e $options t >/dev/full"
		[ "$stderr" = "mqsub: standard output: No space left on device" ]
	done
	head -c 3000000 /dev/zero | mqpub -s big
	run -74 --separate-stderr bash -c "mqsub -e big >/dev/full"
	run -74 --separate-stderr bash -c "mqsub -e t >&-"
	[[ $stderr == "mqsub: standard output is closed: "* ]]
	[ "$(mqsub -e t | wc -l)" -eq 10 ]
}

@test "a pipe that somebody made non-blocking loses nothing" {
	seq 1000000 >"$BATS_TEST_TMPDIR/want"
	mqpub t <"$BATS_TEST_TMPDIR/want"
	perl -MFcntl -e 'fcntl(STDOUT, F_SETFL, O_WRONLY | O_NONBLOCK) or die $!; exec @ARGV' \
		mqsub -e t | cmp - "$BATS_TEST_TMPDIR/want"
}

@test "the topic is deleted while it is read: 69" {
	echo x | mqpub t
	start_mqsub t
	poll_until 10 has_lines 1 "$OUT"
	mqd topic delete -y t
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
	[[ $(cat "$ERR") == "mqsub: topic t was deleted"*"$MQ_DIR"* ]]
	[ "$(lines_of "$ERR")" -eq 1 ]
	[ "$(cat "$OUT")" = x ]
}

@test "the runtime directory is removed: 69" {
	echo x | mqpub t
	start_mqsub t
	poll_until 10 has_lines 1 "$OUT"
	rm -r "$MQ_DIR"
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
	[[ $(cat "$ERR") == *" removed "*"$MQ_DIR"* ]]
}

# The one file of the topic's log that holds the text, damaged there.
damage() {
	local file at

	file=$(grep -rlaF -- "$1" "$MQ_DIR")
	at=$(grep -obaF -- "$1" "$file" | head -n 1 | cut -d: -f1)
	printf X | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
}

@test "a damaged message is named and skipped, the others are printed, and the end is 65" {
	printf 'first\nneedle\nlast\n' | mqpub -u t
	damage needle
	run -65 --separate-stderr mqsub -e t
	[ "$output" = $'first\nlast' ]
	[[ $stderr == "mqsub: topic 't': "* ]]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	run -65 --separate-stderr mqsub -c 2 -f '%o %s\n' t
	[ "$output" = $'0 first\n2 last' ]
}

@test "SIGPIPE that was ignored: it dies of it all the same" {
	seq 1000000 | mqpub -q t
	# shellcheck disable=SC2016
	run -141 --separate-stderr bash -c 'trap "" PIPE; mqsub t | head -n 1 >/dev/null; exit ${PIPESTATUS[0]}'
	[ -z "$stderr" ]
}

@test "standard input, output and error that are closed" {
	mqpub -q -m x t
	[ "$(bash -c 'mqsub -e t <&-')" = x ]
	[ "$(bash -c 'mqsub -e t 2>&-')" = x ]
	run -74 bash -c 'mqsub -e t <&- >&- 2>&-'
	run -69 bash -c 'mqsub -e nosuch <&- 2>&-'
	run -74 --separate-stderr bash -c 'mqsub -e t 1</dev/null'
	[ "$stderr" = "mqsub: standard output: Bad file descriptor" ]
	run -1 grep -rla "mqsub: " "$MQ_DIR"
}

@test "several topics: the one that is gone ends all, what the others have is printed" {
	mqpub -q -m a a
	mqpub -q -m b b
	start_mqsub a b
	poll_until 10 has_lines 2 "$OUT"
	mqd topic delete -y b
	wait_for_end "$pid"
	[ "$status" -eq 69 ]
	grep -q '^mqsub: topic b was deleted' "$ERR"
}

@test "a damaged topic: 65" {
	mqpub -q -m x t
	: >"$MQ_DIR/t/1/topic"
	run -65 --separate-stderr mqsub -e t
	[[ $stderr == "mqsub: topic 't': "*truncated* ]]
}

@test "the permissions of broker and topic: 77" {
	mqpub -q -m x t
	[ "$(id -u)" -eq 0 ] || skip "only root can show it"
	chmod 711 "$BATS_TEST_TMPDIR" && chmod 700 "$MQ_DIR"
	run -77 --separate-stderr setpriv --reuid=65534 --clear-groups mqsub -b "$MQ_DIR" -e t ||
		skip_unless_ci "another user cannot come here"
	[[ $stderr == "mqsub: cannot open the broker: "*"Permission denied"* ]]
}

# ---- overrun and --hold ----

# A subscriber whose output nobody takes, until take_output.
stalled_mqsub() {
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 9<>"$BATS_TEST_TMPDIR/fifo"
	env mqsub "$@" >"$BATS_TEST_TMPDIR/fifo" 2>"$ERR" 3>&- 9<&- &
	pid=$!
	poll_until 10 subscribed t
}

take_output() {
	exec 8<"$BATS_TEST_TMPDIR/fifo"
	cat <&8 >"$OUT" 3>&- 9<&- &
	taker=$!
	exec 8<&- 9<&-
}

@test "an overrun subscriber says how many it missed, prints the others, and exits 75" {
	mqd topic create --memory 1M t
	stalled_mqsub t
	seq -f '%0100.0f' 100000 | mqpub -q t # 10 MB: far more than topic and pipe
	take_output
	wait_for_end "$pid"
	[ "$status" -eq 75 ]
	[[ $(cat "$ERR") =~ ^mqsub:\ topic\ \'t\':\ ([0-9]+)\ messages\ were\ missed ]]
	missed=${BASH_REMATCH[1]}
	[ "$missed" -gt 0 ]
	wait $taker
	# what was printed is the beginning, with no gap and whole
	printed=$(lines_of "$OUT")
	[ "$printed" -gt 0 ]
	seq -f '%0100.0f' "$printed" | cmp - "$OUT"
	[ $((printed + missed)) -le 100000 ]
}

@test "--hold: publishers wait for this subscriber, and nothing is missed" {
	mqd topic create --memory 1M t
	stalled_mqsub --hold -c 100000 t
	seq -f '%0100.0f' 100000 | mqpub t 2>"$ERR.pub" 3>&- 9<&- &
	publisher=$!
	poll_until 20 test -s "$ERR.pub" # a second blocked: it says for whom it waits
	command sleep 1.5                # longer than a subscriber without --hold may stand still
	run ! ended "$publisher"
	take_output
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	wait $taker $publisher
	seq -f '%0100.0f' 100000 | cmp - "$OUT"
}

@test "--browse: the topic stays unread, and publishers do not wait" {
	command -v jq >/dev/null || skip_unless_ci "jq is not installed"
	mqd topic create t
	seq 3 | mqpub t
	[ "$(mqd topic show -J t | jq .unread)" = true ]
	[ "$(mqsub -e --browse t)" = $'1\n2\n3' ]
	[ "$(mqd topic show -J t | jq .unread)" = true ]
	mqsub -e t >/dev/null
	[ "$(mqd topic show -J t | jq .unread)" = false ]
}

@test "a --hold subscriber is named to the publisher that waits for it; a dead one is not waited for" {
	mqd topic create --slots 8 t
	start_mqsub --hold t
	poll_until 10 subscribed t
	kill -STOP "$pid"
	seq 20 | mqpub -u t 2>"$ERR.pub" 3>&- &
	publisher=$!
	poll_until 20 grep -q "waiting for subscriber mqsub (pid $pid)" "$ERR.pub"
	kill -KILL "$pid"
	wait_for_end "$publisher"
	[ "$status" -eq 0 ]
}

@test "an overrun subscriber of a topic that drops its oldest messages is not told to use --hold" {
	mqd topic create --memory 1M --full drop-old t
	for options in "" --hold; do
		rm -f "$BATS_TEST_TMPDIR/fifo"
		# shellcheck disable=SC2086
		stalled_mqsub $options t
		seq -f '%0100.0f' 100000 | mqpub -q t
		take_output
		wait_for_end "$pid"
		[ "$status" -eq 75 ]
		grep -q "messages were missed: the topic drops its oldest messages when it is full" "$ERR"
		wait $taker
	done
}

# ---- command line, terminal, stdin ----

@test "no topic, or a name that is none: 64" {
	run -64 --separate-stderr mqsub -e
	[[ $stderr == "mqsub: no topic given, try 'mqsub --help'" ]]
	for name in '' . .. a/b 'a b' $'a\n' "$(printf '%0250d' 0)"; do
		run -64 --separate-stderr mqsub -e -- "$name"
		[[ $stderr == "mqsub: '${name/$'\n'/'\n'}' is not the name of a topic"* ]]
	done
	run -64 --separate-stderr mqsub -e -- -x
	[[ $stderr == "mqsub: '-x' is not the name of a topic"* ]]
}

@test "standard input is left alone" {
	echo v | mqpub t
	[ "$(printf 'a\nb\n' | while read -r line; do mqsub -e t >/dev/null && echo "$line"; done)" = $'a\nb' ]
}

@test "-v says what was read, -q nothing" {
	seq 3 | mqpub t
	run -0 --separate-stderr mqsub -v -e t
	[ "$stderr" = "mqsub: reading topic 't' of $MQ_DIR"$'\n'"mqsub: 3 messages printed" ]
	run -0 --separate-stderr mqsub -e t
	[ -z "$stderr" ]
}

@test "on a terminal, control bytes of messages are escaped, newlines of the framing are not" {
	command -v script >/dev/null || skip_unless_ci "script is not installed"
	printf 'a\033[2Jb\007\tc\0d\302\233\377\303\244\n' | mqpub t
	on_terminal "$OUT" mqsub -e t
	[ "$(tr -d '\r' <"$OUT")" = 'a\e[2Jb\x07\tc\0d\xc2\x9b\xffä' ]
	on_terminal "$OUT" "mqsub -e -f '\\e[1m%s\\e[0m\\n' t"
	[ "$(tr -d '\r' <"$OUT")" = $'\e[1ma\\e[2Jb\\x07\\tc\\0d\\xc2\\x9b\\xffä\e[0m' ]
	# elsewhere they are what they are
	[ "$(mqsub -e t | hex)" = 611b5b324a620709630064c29bffc3a40a ]
}

@test "binary framings are not for terminals: 64" {
	command -v script >/dev/null || skip_unless_ci "script is not installed"
	mqpub -m x t
	for option in -L -B; do
		status=0
		on_terminal "$OUT" mqsub -e $option t || status=$?
		[ "$status" -eq 64 ]
		grep -q "prints binary data, which a terminal cannot show" "$OUT"
	done
}

# Each example of the manual is followed by nothing but what its "prints" lines say.
@test "the examples of the manual work as they stand there" {
	awk -v dir="$BATS_TEST_TMPDIR" '
	/^\.Sh / { in_examples = ($2 == "EXAMPLES") }
	!in_examples { next }
	/^\.\\" prints: / { sub(/^\.\\" prints: /, ""); print >(dir "/want." n + 1); next }
	/^\.Bd / { n++; inside = 1; next }
	/^\.Ed/ { inside = 0; next }
	inside { gsub(/\\e/, "\\"); print >(dir "/example." n) }
	END { print n }' "$BATS_TEST_DIRNAME/../man/mqsub.1" >"$OUT"
	n=$(cat "$OUT")
	[ "$n" -ge 6 ]
	for ((i = 1; i <= n; i++)); do
		MQ_DIR=$BATS_TEST_TMPDIR/broker.$i timeout 30 bash -e -o pipefail \
			"$BATS_TEST_TMPDIR/example.$i" >"$BATS_TEST_TMPDIR/got.$i" 3>&-
		diff -u "$BATS_TEST_TMPDIR/want.$i" "$BATS_TEST_TMPDIR/got.$i"
	done
}
