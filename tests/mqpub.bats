# SPDX-License-Identifier: MIT
# mqpub.bats - every option, framing, exit status and error of mqpub.

load helpers
load manual_examples

setup() {
	setup_broker
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	teardown_broker
}

# What is in a topic, "key value" a line, with "-" for no key. mqsub's own tests hold the rest.
keyed() {
	mqsub -e -f '%K %k: %s\n' "$@"
}

# The sum over the partitions of a figure that mqd knows of a topic.
figure() {
	mqd topic show -J "$2" | grep -oE "\"$1\":[0-9]+" | cut -d: -f2 |
		awk '{ sum += $1 } END { print sum + 0 }'
}

holds() { # N TOPIC: so many messages are in it
	[ "$(figure end_offset "$2")" -eq "$1" ]
}

holds_nothing() {
	! mqd topic show "$1" >shown 2>&1 || holds 0 "$1"
}

# Frames or memory for very few: what a publisher meets when it is full is near.
small_topic() {
	mqd topic create --slots 8 --memory 1M "$@"
}

# Starts mqpub with the FIFO "in" as its input, open as descriptor 9, and stderr in "err"; its
# process is $pid.
start_mqpub() {
	rm -f in out err # what an earlier one said must not be taken for this one's
	mkfifo in
	exec 9<>in # for reading too: opening it waits for nobody
	env --default-signal=INT,PIPE mqpub "$@" <in >out 2>err 3>&- 9>&- &
	pid=$!
}

# ---- what is published ----

@test "a line is a message, in order" {
	seq 1000 | mqpub -q t
	mqsub -e t | cmp - <(seq 1000)
}

@test "a topic that is not there is made, with one line on stderr" {
	run -0 --separate-stderr mqpub -m x t
	[ -z "$output" ]
	[ "$stderr" = "mqpub: created topic t in memory" ]
	run -0 --separate-stderr mqpub -m y t
	[ -z "$output$stderr" ]
	run -0 --separate-stderr mqpub --quiet -m y u
	[ -z "$output$stderr" ]
}

@test "empty lines, CR, NUL and an unterminated end stay what they are" {
	printf 'a\r\n\n\0\377\n\nend' | mqpub t
	holds 5 t
	mqsub -e t | cmp - <(printf 'a\r\n\n\0\377\n\nend\n')
}

@test "no input is no message" {
	mqpub t </dev/null
	holds 0 t
	for option in -0 -L -J -B -1 -T; do
		run -0 mqpub $option t </dev/null
		[ -z "$output" ]
		holds 0 t
	done
}

@test "a record is published while the input stays open" {
	start_mqpub t
	echo one >&9
	poll_until 10 holds 1 t
	printf 'two\nthr' >&9
	poll_until 10 holds 2 t
	echo ee >&9
	poll_until 10 holds 3 t
	exec 9>&-
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	mqsub -e t | cmp - <(printf 'one\ntwo\nthree\n')
}

@test "the same for records that are looked at one by one" {
	start_mqpub -K = t
	echo a=one >&9
	poll_until 10 holds 1 t
	printf 'b=two\nc=thr' >&9
	poll_until 10 holds 2 t
	echo ee >&9
	exec 9>&-
	wait_for_end "$pid"
	[ "$(keyed t)" = $'1 a: one\n1 b: two\n1 c: three' ]
}

@test "large records through every way in" {
	perl -e 'print map({ chr($_ % 251 + 1) } 1 .. 1 << 20), "\0"' | tr '\n' ' ' >large
	tr '\0' '\n' <large >line
	mqpub line <line
	mqsub -e line | cmp - line
	mqpub -k x keyed <line
	mqsub -e keyed | cmp - line
	mqpub -0 null <large
	mqsub -e -0 null | cmp - large
	mqpub -s single <large
	mqsub -e -D '' single | cmp - large
	{ printf '\0\20\0\1'; cat large; } >len32
	mqpub -L len32 <len32
	mqsub -e -L len32 | cmp - len32
	cat line line | mqpub -1 batch
	mqsub -e batch | cmp - <(cat line line)
}

@test "input that comes in pieces of any size is the same input" {
	perl -e 'print map { $_ x ($_ % 97), "\n" } 1 .. 3000' >lines
	for size in 1 7 4095 65537; do
		perl -e 'local $/ = \shift; $| = 1; print while <STDIN>' $size <lines | mqpub t$size
		mqsub -e t$size | cmp - lines
	done
}

# ---- FILEs ----

@test "files are read one after the other, - is stdin" {
	printf 'a\n' >a
	printf 'b\n' >b
	printf 'x\n' | mqpub t a - b
	[ "$(mqsub -e t)" = $'a\nx\nb' ]
}

@test "as with cat, a line may go on in the next file" {
	printf 'a\nhalf' >a
	printf ' and half\nb' >b
	mqpub t a b
	[ "$(mqsub -e t)" = $'a\nhalf and half\nb' ]
	mqpub -k x u a b
	[ "$(mqsub -e u)" = $'a\nhalf and half\nb' ]
}

@test "a file that cannot be read is named, the others are published: 66" {
	printf 'a\n' >a
	printf 'b\n' >b
	mkdir folder
	for options in "" "-k x" "-s -q"; do
		rm -rf broker
		run -66 --separate-stderr mqpub -q $options t a missing folder b
		[ "$stderr" = $'mqpub: missing: No such file or directory\nmqpub: folder: Is a directory' ]
		holds 2 t
	done
	run -66 --separate-stderr mqpub t missing
	[ "$stderr" = "mqpub: missing: No such file or directory" ]
	run -66 --separate-stderr mqpub t folder
	[ "$stderr" = "mqpub: folder: Is a directory" ]
}

@test "a FIFO as FILE is waited for, with what came before published" {
	mkfifo in
	echo a >a
	for options in "" "-k x"; do
		# shellcheck disable=SC2086
		mqpub -q $options t a in 3>&- &
		poll_until 10 holds 1 t
		timeout 20 bash -c 'echo b >in'
		wait_for_end $!
		[ "$status" -eq 0 ]
		[ "$(mqsub -e t)" = $'a\nb' ]
		mqd topic delete -y t
	done
}

@test "input that fails while it is read: 74" {
	# reading one's own memory from address 0 is an input/output error
	run -74 --separate-stderr mqpub -q t /proc/self/mem
	[ "$stderr" = "mqpub: /proc/self/mem: Input/output error" ]
	holds 0 t
}

@test "a closed stdin is no input: 66" {
	run -66 --separate-stderr bash -c 'mqpub t <&-'
	[ "$stderr" = "mqpub: standard input is closed" ]
	run -66 --separate-stderr bash -c 'mqpub t - <&-'
	[ "$stderr" = "mqpub: standard input is closed" ]
	bash -c 'mqpub -m x t <&-'
	holds 1 t
}

@test "closed stdout and stderr do not fall into the broker's files" {
	for closed in "2>&-" ">&- 2>&-" "<&- 2>&-" "<&- >&- 2>&-"; do
		bash -c "mqpub -v -m x t $closed"
		bash -c "mqpub -v -m x t/t $closed" || true
		bash -c "mqpub -W 0 --progress -m x t $closed"
		run -1 grep -rla "mqpub: " "$MQ_DIR"
	done
	[ "$(mqsub -e t | wc -l)" -eq 8 ]
}

@test "bad data names the FILE where its record begins, when there are several" {
	printf '{"v":1,"payload":"x"}\n' >a
	: >empty
	printf '{"v":1,"payload":"y"}\nno\n' >b
	run -65 --separate-stderr mqpub -q -J t a empty b a
	[[ $stderr == "mqpub: record 3 (byte 44 of the input, in b) is not JSON: "* ]]
	holds 2 t
	printf no >c # goes on in the next one
	run -65 --separate-stderr mqpub -q -J t a c a
	[[ $stderr == "mqpub: record 2 (byte 22 of the input, in c) is not JSON: "* ]]
	{ echo one; head -c 300000 /dev/zero | tr '\0' x; } >large
	small_topic u
	for options in "" "-k x"; do
		# shellcheck disable=SC2086
		run -65 --separate-stderr mqpub $options u a large b
		[[ $stderr == "mqpub: record 3 (byte 26 of the input, in large) is too large: "* ]]
	done
}

@test "-T into its own input: refused" {
	seq 100000 >f
	run -66 --separate-stderr timeout 5 bash -c 'mqpub -q -T t f >>f'
	[ "$stderr" = "mqpub: f: input file is output file" ]
	run -66 --separate-stderr bash -c 'mqpub -q -T t <f >>f'
	[ ! -e "$MQ_DIR" ]
	seq 3 >g
	run -66 --separate-stderr bash -c 'mqpub -q -T t f g >>f'
	holds 3 t
	mqpub -T u g >>f # another one
}

# ---- -m ----

@test "-m: each is one message, and stdin is left alone" {
	printf 'a\nb\n' | {
		mqpub -m one --message $'two\nlines' -m '' t
		cat
	} >rest
	cmp rest <(printf 'a\nb\n')
	mqsub -e -0 t | cmp - <(printf 'one\0two\nlines\0\0')
}

@test "-m with keys, headers and a partition" {
	mqd topic create --partitions 3 t
	mqpub -K : -k other -H a=b -p 2 -m k:v -m w t
	run -0 mqsub -e -p 2 -f '%p %k %s %h\n' t
	[ "$output" = $'2 k v a=b\n2 other w a=b' ]
}

# ---- -s ----

@test "-s: the whole input is one message, of files each" {
	printf 'a\nb\n\0' | mqpub -s t
	mqsub -e -D '' t | cmp - <(printf 'a\nb\n\0')
	printf 'a\n' >a
	: >empty
	mqpub --single u a empty a
	mqsub -e -0 u | cmp - <(printf 'a\n\0\0a\n\0')
	mqpub -s v </dev/null
	holds 1 v
}

@test "-s with a key delimiter" {
	printf 'k\nv\nw\n' | mqpub -s -K '\n' t
	[ "$(keyed t)" = $'1 k: v\nw' ]
}

# ---- -1 ----

@test "-1: everything in one frame" {
	seq 10000 | mqpub -1 t
	mqsub -e t | cmp - <(seq 10000)
	[ "$(figure frames t)" -eq 1 ]
	mqpub --atomic -K = -H h=i -m a=1 -m a=2 t
	[ "$(figure frames t)" -eq 2 ]
	[ "$(mqsub -e -o 10000 -f '%k %s %h\n' t)" = $'a 1 h=i\na 2 h=i' ]
}

@test "-1 with every framing" {
	printf 'a\0b\0' | mqpub -1 -0 t
	printf '\0\0\0\1c' | mqpub -1 -L t
	mqpub -m d -H x=y -k k u
	mqsub -e -J u | mqpub -1 -J t
	mqsub -e -B u | mqpub -1 -B t
	printf 'e' | mqpub -1 -s t
	[ "$(mqsub -e -f '%k %s %h\n' t)" = $' a \n b \n c \nk d x=y\nk d x=y\n e ' ]
}

@test "-1: keys of several partitions are refused, nothing is published: 65" {
	mqd topic create --partitions 16 t
	run -65 --separate-stderr bash -c 'seq 100 | sed "s/.*/&=x/" | mqpub -1 -K = t'
	[[ $stderr == "mqpub: the batch cannot be published at once: message "*" belongs to partition "* ]]
	holds 0 t
	seq 100 | sed 's/.*/&=x/' | mqpub -1 -K = -p 5 t
	holds 100 t
}

@test "-1: a batch that is too large is refused: 65" {
	small_topic t
	run -65 --separate-stderr bash -c 'seq 100000 | mqpub -1 t'
	[[ $stderr == "mqpub: the batch is too large at record "*": topic t takes up to "*" bytes at once"* ]]
	holds 0 t
	seq 1000 | mqpub -1 t
	holds 1000 t
}

@test "-1: a bad record, or a file that is not there: nothing is published" {
	run -65 --separate-stderr mqpub -1 -J t <<<$'{"v":1,"payload":"x"}\nno'
	[[ $stderr == *"mqpub: record 2 (byte 22 of the input) is not JSON: "* ]]
	holds_nothing t
	echo a >a
	run -66 --separate-stderr mqpub -1 t a missing
	[[ $stderr == *"mqpub: missing: No such file or directory"* ]]
	holds_nothing t
}

@test "-1: a signal before the end of the input: nothing is published" {
	start_mqpub -1 t
	seq 10 >&9
	poll_until 10 grep -q created err
	kill -TERM "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 143 ]
	holds 0 t
}

@test "-1 -c N: the first N" {
	seq 100 | mqpub -1 -c 7 t
	mqsub -e t | cmp - <(seq 7)
	[ "$(figure frames t)" -eq 1 ]
}

@test "-1: empty records take memory, too: a batch of them has an end" {
	small_topic t
	run -65 --separate-stderr bash -c "yes '' | mqpub -1 t" # without one it would never end
	[[ $stderr == "mqpub: the batch is too large at record 65521 "* ]]
}

@test "-1: what a batch takes in its frame is known exactly" {
	small_topic t
	# 262,080 bytes: values with 4 bytes each, and a single one without
	mqpub -1 -s t < <(head -c 262080 /dev/zero)
	run -65 mqpub -1 -s t < <(head -c 262081 /dev/zero)
	mqpub -1 t < <(yes 1234567 | head -n 23825) # 11 bytes each
	run -65 --separate-stderr mqpub -1 t < <(yes 1234567 | head -n 23826)
	[[ $stderr == "mqpub: the batch is too large at record 23826 (byte 190600 of the input): "* ]]
	mqd topic purge -y t
	run -65 --separate-stderr mqpub -1 -k 1 t < <(yes | head -n 50000) # 1, 4, and 4 and 1 of the key
	[[ $stderr == "mqpub: the batch is too large at record 26209 "* ]]
	run -65 --separate-stderr mqpub -1 -H n=v t < <(yes | head -n 50000) # 1, 4, and 4, 8 and 2
	[[ $stderr == "mqpub: the batch is too large at record 13794 "* ]]
	holds 23826 t
}

# ---- framings ----

@test "-0" {
	printf 'a\n\0\0b' | mqpub -0 t
	mqsub -e --null t | cmp - <(printf 'a\n\0\0b\0')
	printf 'c\0' | mqpub --null t
	holds 4 t
}

@test "-D: one byte or several, escapes" {
	printf 'a;b\n;;' | mqpub -D ';' semicolon
	mqsub -e -0 semicolon | cmp - <(printf 'a\0b\n\0\0')
	printf 'a\tb' | mqpub --delim '\t' tab
	[ "$(mqsub -e tab)" = $'a\nb' ]
	printf 'a--b-->c-->' | mqpub -D '-->' arrow
	[ "$(mqsub -e arrow)" = $'a--b\nc' ]
	printf 'a\0\377\0b' | mqpub -D '\0\xff\x00' binary
	[ "$(mqsub -e binary)" = $'a\nb' ]
	printf 'a\r\nb\nc\r\n' | mqpub -D '\r\n' crlf
	mqsub -e -0 crlf | cmp - <(printf 'a\0b\nc\0')
}

@test "-D: a delimiter may come in pieces" {
	start_mqpub -D '<=>' t
	for piece in 'a<' '=' '>b' '<=' '=c<=>'; do
		printf %s "$piece" >&9
		# read before the next one comes: nothing is left in the pipe
		poll_until 10 perl -e 'open my $f, "<", shift; my $n = pack "i", 0;
			ioctl $f, 0x541b, $n; exit(unpack("i", $n) != 0)' "/proc/$pid/fd/0"
	done
	exec 9>&-
	wait_for_end "$pid"
	[ "$(mqsub -e t)" = $'a\nb<==c' ]
}

@test "-L, and what is no such input: 65" {
	printf '\0\0\0\3a\nb\0\0\0\0\0\0\0\1\377' | mqpub -L t
	mqsub -e -0 t | cmp - <(printf 'a\nb\0\0\377\0')
	run -65 --separate-stderr mqpub --len32 t < <(printf '\0\0\0\1x\0\0\0\5abc')
	[ "$stderr" = "mqpub: record 2 (byte 5 of the input) is cut short: the input ends after 7 of its 9 bytes" ]
	holds 4 t
	run -65 --separate-stderr mqpub -L t < <(printf '\0\0\0')
	[ "$stderr" = "mqpub: record 1 (byte 0 of the input) is cut short: the input ends before it says its length" ]
	run -65 --separate-stderr mqpub -L t <<<hello
	[[ $stderr == "mqpub: record 1 (byte 0 of the input) is too large: topic t takes up to "* ]]
}

@test "-J" {
	mqpub -J t <<-'END'
		{"v":1,"topic":"s","partition":7,"offset":3,"ts":"2026-01-31T12:00:00Z","key":"k","priority":0,"expires":null,"headers":[["a","b"],["c",{"b64":"/w=="}]],"attempt":2,"payload":"x\u0000\u00e9"}
		{"payload_b64":"AP8=","key_b64":"","v":1,"new":[{}]}
	END
	mqsub -e -f '%K %k %s{hex} %h\n' t |
		cmp - <(printf '1 k 7800c3a9 a=b,c=\377\n0  00ff \n')
}

@test "-J: what is no envelope is named by number and byte: 65" {
	run -65 --separate-stderr mqpub --json t <<<$'{"v":1,"payload":"x"}\n{"v":2,"payload":"y"}\n{"v":1,"payload":"z"}'
	[[ $stderr == *"mqpub: record 2 (byte 22 of the input) has another \"v\" than 1, the version that can be read" ]]
	[ "$(mqsub -e t)" = x ]
	run -65 --separate-stderr mqpub -J t <<<hello
	[[ $stderr == "mqpub: record 1 (byte 0 of the input) is not JSON: "* ]]
}

@test "-B" {
	perl "$BATS_TEST_DIRNAME/records.pl" make 1 500 >in
	mqpub -B t <in
	mqsub -e -B t | perl "$BATS_TEST_DIRNAME/records.pl" show >got
	perl "$BATS_TEST_DIRNAME/records.pl" show <in | cmp - got
}

@test "-B: what is no record is named by number and byte: 65" {
	run -65 --separate-stderr mqpub -q --records t <<<hello
	[ "$stderr" = "mqpub: record 1 (byte 0 of the input) does not begin as a record does (its first byte is not 0xB7)" ]
	perl "$BATS_TEST_DIRNAME/records.pl" make 1 2 >in
	first=$(perl "$BATS_TEST_DIRNAME/records.pl" make 1 1 | wc -c)
	run -65 --separate-stderr mqpub -B t < <(head -c -1 in)
	[[ $stderr == "mqpub: record 2 (byte $first of the input) is cut short: "* ]]
	holds 1 t
}

@test "-J: every way of being no envelope is named: 65" {
	while IFS='|' read -r text complaint; do
		run -65 --separate-stderr mqpub -q -J t <<<"$text"
		[[ $stderr == "mqpub: record 1 (byte 0 of the input) $complaint"* ]]
	done <<-'END'
		[]|is not a JSON object
		|is not JSON: 
		{"v":1,"payload":"a","v":1}|is not JSON: duplicate object key
		{"v":1,"payload":"\ud800"}|is not JSON: invalid Unicode
		{"payload":"a"}|has no "v": it is not an envelope of mqsub -J
		{"v":"1","payload":"a"}|has another "v" than 1
		{"v":1}|has neither "payload" nor "payload_b64"
		{"v":1,"payload":null}|has neither "payload" nor "payload_b64"
		{"v":1,"payload":"a","payload_b64":"YQ=="}|has both "payload" and "payload_b64"
		{"v":1,"payload":1}|has a payload that is not a string
		{"v":1,"payload_b64":{}}|has a payload_b64 that is not a string
		{"v":1,"payload_b64":"YQ"}|has a payload_b64 that is not base64
		{"v":1,"payload_b64":"Y*=="}|has a payload_b64 that is not base64
		{"v":1,"payload_b64":"YR=="}|has a payload_b64 that is not base64
		{"v":1,"payload":"a","key":1}|has a key that is not a string
		{"v":1,"payload":"a","headers":{}}|has headers that are not an array
		{"v":1,"payload":"a","headers":[["a"]]}|has a header that is not [name, value]
		{"v":1,"payload":"a","headers":[["a",1]]}|has a header that is not a pair of strings
		{"v":1,"payload":"a","headers":[["a",{"b64":1}]]}|has a b64 of a header that is not a string
		{"v":1,"payload":"a","headers":[["a",{"b64":"?"}]]}|has a b64 of a header that is not base64
	END
	holds 0 t
	# what is an envelope all the same
	printf '%s\r\n' '{"v":1,"payload":"a","payload_b64":null,"key":null,"headers":null,"partition":null}' \
		'{"v":1.0,"payload":"b","partition":256}' '{"v":1,"payload":"c","partition":"x"}' |
		mqpub -J t
	holds 3 t
}

@test "-J: numbers that are ignored may be of any size" {
	mqpub -q -J t <<<'{"v":1,"payload":"x","id":123456789012345678901234567890,"y":1e999}'
	[ "$(mqsub -e t)" = x ]
}

# binary VERSION FLAGS KEY-BYTES HEADERS HEADER-BYTES BODY [PARTITION]: a record of -B with a value of
# one byte.
binary() {
	perl -e 'my ($v, $f, $k, $c, $h, $body, $p) = @ARGV;
		print pack("CCCCVQ<Q<VVVV", 0xb7, $v, $f, 0, $p, 0, 0, $k, $c, $h, 1), $body' "$@"
}

@test "-B: every way of being no record is named: 65" {
	binary 1 0 0 0 0 x | mqpub -q -B t
	holds 1 t
	while IFS='|' read -r head complaint; do
		# shellcheck disable=SC2086
		run -65 --separate-stderr mqpub -B t < <(binary $head abcdefghijklmnopqrstuvwxyz)
		[[ $stderr == "mqpub: record 1 (byte 0 of the input) $complaint"* ]]
	done <<-'END'
		2 0 0 0 0|is of another version of the record format
		1 2 0 0 0|has flags that this version does not know
		1 0 1 0 0|has the bytes of a key, but says that it has no key
		1 0 0 1 7|has more headers than fit into the bytes that it says they take
		1 0 0 1 8|has headers of other lengths than it says
		1 0 0 0 8|has headers of other lengths than it says
	END
	run -65 --separate-stderr mqpub -B t < <(binary 1 0 0 0 0 x | head -c 20)
	[ "$stderr" = "mqpub: record 1 (byte 0 of the input) is cut short: the input ends before it says its length" ]
	run -65 --separate-stderr mqpub -B t < <(binary 1 1 4000000000 0 0 x)
	[[ $stderr == "mqpub: record 1 (byte 0 of the input) is too large: "* ]]
	holds 1 t
}

@test "-K: an escape that is none: 64" {
	run -64 --separate-stderr mqpub -K 'a\q' -m x t
	[[ $stderr == "mqpub: option '--key-delim': unknown escape '\\q' in 'a\\q': "* ]]
}

# ---- keys, partitions, headers ----

@test "-k and -K" {
	printf 'a=1\n=2\n3\nb=4=5\n' >in
	mqpub -K = t <in
	[ "$(keyed t)" = $'1 a: 1\n0 : 2\n-1 : 3\n1 b: 4=5' ]
	mqpub --key-delim = --key none u <in
	[ "$(keyed u)" = $'1 a: 1\n0 : 2\n4 none: 3\n1 b: 4=5' ]
	mqpub -k '' v <<<x
	[ "$(keyed v)" = "0 : x" ]
	mqpub -K '=>\t' w < <(printf 'k=v=>\tx')
	[ "$(keyed w)" = "3 k=v: x" ]
}

@test "-k is for those that bring none: -J" {
	printf '%s\n' '{"v":1,"payload":"x"}' '{"v":1,"key":"own","payload":"y"}' | mqpub -k mine -J t
	[ "$(keyed t)" = $'4 mine: x\n3 own: y' ]
}

@test "the same key goes to the same partition" {
	mqd topic create --partitions 8 t
	for n in 1 2 3; do seq 50 | sed 's/.*/k&=v/' | mqpub -K = t; done
	[ "$(mqsub -e -f '%k %p\n' t | sort -u | wc -l)" -eq 50 ]
	[ "$(mqsub -e -f '%p\n' t | sort -u | wc -l)" -gt 1 ]
}

@test "-p" {
	mqd topic create --partitions 4 t
	seq 100 | mqpub -p 3 t
	seq 100 | mqpub --partition 0 -k x t
	[ "$(mqsub -e -p 3 t | wc -l)" -eq 100 ]
	[ "$(mqsub -e -p 0 t | wc -l)" -eq 100 ]
	run -64 --separate-stderr mqpub -p 4 -m x t
	[ "$stderr" = "mqpub: topic t has no partition 4: they are 0 to 3" ]
}

@test "-p same: a partition that is not there is bad data, 65" {
	printf '%s\n' '{"v":1,"partition":0,"payload":"x"}' '{"v":1,"partition":1,"payload":"x"}' >in
	run -65 --separate-stderr mqpub -q -J -p same t <in
	[ "$stderr" = "mqpub: record 2 (byte 36 of the input) came from partition 1, but topic t has only 1: leave '-p same' out, or create the topic with more" ]
	holds 1 t
}

@test "-H: added behind those that are there" {
	mqpub -H a=1 --header b= -H a=2=3 -m x t
	[ "$(mqsub -e -f '%h\n' t)" = "a=1,b=,a=2=3" ]
	mqsub -e -J t | mqpub -J -H c=4 u
	[ "$(mqsub -e -f '%h\n' u)" = "a=1,b=,a=2=3,c=4" ]
}

@test "-p with -B takes no notice of where a record came from" {
	mqd topic create --partitions 3 from
	mqd topic create --partitions 3 to
	mqpub -p 2 -m x from
	mqsub -e -B from | mqpub -B -p 1 to
	[ "$(mqsub -e -f '%p' to)" = 1 ]
}

@test "-p same: a record that does not say its partition, 65" {
	mqd topic create --partitions 4 t
	for partition in -1 1.5 null '"1"'; do
		run -65 --separate-stderr mqpub -J -p same t <<<"{\"v\":1,\"payload\":\"x\",\"partition\":$partition}"
		[ "$stderr" = "mqpub: record 1 (byte 0 of the input) does not say its partition, which '-p same' asks for: leave that out" ]
	done
	run -65 --separate-stderr mqpub -J -p same t <<<'{"v":1,"payload":"x"}'
	run -65 --separate-stderr mqpub -J -p same t <<<'{"v":1,"payload":"x","partition":256}'
	[[ $stderr == "mqpub: record 1 (byte 0 of the input) came from partition 256, but topic t has only 4: "* ]]
	for partition in 4 256 65536 4294967295; do
		run -65 --separate-stderr mqpub -B -p same t < <(binary 1 0 0 0 0 x $partition)
		[[ $stderr == "mqpub: record 1 (byte 0 of the input) came from partition "* ]]
	done
	holds 0 t
}

@test "-p N that a new topic would not have: 64, and no topic is made" {
	mqd topic create other
	run -64 --separate-stderr mqpub -p 3 -m x t
	[ "$stderr" = "mqpub: topic t is not there, and would be made without partition 3: 'mqd topic create --partitions 4 t' makes it with that" ]
	[ "$(mqd topic list)" = other ]
	run -64 mqpub -b "$PWD/none" -p 1 -m x t
	[ ! -e none ]
	run -69 mqpub --no-create -p 1 -m x t
	mqpub -q -p 0 -m x t
	holds 1 t
}

# ---- -T ----

@test "-T: the input of what was accepted, to the byte, in every framing" {
	printf 'a\r\n\n\0\377\nend' >lines
	mqpub -T t <lines | cmp - lines
	mqpub --tee -0 t <lines | cmp - lines
	mqpub -T -D '\r\n' t <lines | cmp - lines
	mqpub -T -s t <lines | cmp - lines
	mqpub -T -1 t <lines | cmp - lines
	mqpub -T -u t <lines | cmp - lines
	mqpub -T -K = t <lines | cmp - lines
	mqsub -e -J t >json
	mqpub -T -J u <json | cmp - json
	mqsub -e -B t >records
	mqpub -T -B u <records | cmp - records
	mqsub -e -L t >len32
	mqpub -T -L u <len32 | cmp - len32
	mqpub -T -m one -m two u | cmp - <(printf 'one\ntwo\n')
	mqpub -T -0 -m one u | cmp - <(printf 'one\0')
}

@test "-T: only what was accepted, when the topic is full" {
	small_topic one
	small_topic many
	mqd topic create --slots 8 --memory 1M --full reject refuses
	seq 300000 >lines
	run -75 --separate-stderr bash -c "mqpub -W 0 -u -T one <lines >copied"
	cmp copied <(seq 8)
	holds 8 one
	run -75 --separate-stderr bash -c "mqpub -W 0 -T many <lines >copied"
	mqsub -e many | cmp - copied
	cmp copied <(seq "$(wc -l <copied)")
	run -75 --separate-stderr bash -c "mqpub -T refuses <lines >copied"
	[ "$stderr" = "mqpub: topic refuses is full and refuses what finds no room: 8 records were published before" ]
	cmp copied <(seq 8)
	holds 8 refuses
}

@test "-T -a none: what was dropped is not copied" {
	small_topic t
	seq 100 >in
	mqpub -T -a none t <in >copied 2>err
	mqsub -e t | cmp - copied
	[ "$(wc -l <copied)" -lt 100 ]
	[ -s copied ]
	[ "$(cat err)" = "mqpub: dropped $((100 - $(wc -l <copied))) of 100 records: topic t had no room" ]
}

@test "-T: a copy is there while the input stays open" {
	start_mqpub -T t
	echo one >&9
	poll_until 10 grep -qx one out
	holds 1 t
}

@test "-T: the reader that leaves ends it by SIGPIPE, without a word" {
	yes | head -n 1000000 >in
	bash -c 'env --default-signal=PIPE mqpub -q -T t <in 2>err; echo $? >rc' | head -n 1
	[ "$(cat rc)" -eq 141 ]
	[ ! -s err ]
}

@test "-T: stdout that cannot be written, 74; closed, 74" {
	run -74 --separate-stderr bash -c 'mqpub -q -T -m x t >/dev/full'
	[ "$stderr" = "mqpub: standard output: No space left on device" ]
	run -74 --separate-stderr bash -c 'mqpub -T -m x t >&-'
	[ "$stderr" = "mqpub: standard output is closed" ]
}

@test "-1 -T: a batch that is refused is not copied" {
	mqd topic create --partitions 16 t
	run -65 --separate-stderr bash -c 'seq 100 | sed "s/.*/&=x/" | mqpub -1 -T -K = t'
	[ -z "$output" ]
}

@test "-T: exactly what is published is copied, whichever partitions it went to" {
	for options in "" "-K =" "-k x" "-J"; do
		mqd topic create --partitions 4 --slots 8 --memory 1M t
		seq 100000 | sed 's/.*/{"v":1,"key":"&","payload":"&=x"}/' >lines
		[ "$options" = -J ] || { seq 300000 | sed 's/.*/&=&/' >lines; }
		# shellcheck disable=SC2086
		run -75 --separate-stderr bash -c "mqpub -W 0 -T $options t <lines >copied"
		n=$(figure end_offset t)
		[ "$n" -gt 8 ]
		[[ $stderr == *": $n records were published before" ]]
		cmp copied <(head -n "$n" lines)
		# shellcheck disable=SC2086
		mqpub -q $options u <copied
		cmp <(keyed t | sort) <(keyed u | sort)
		mqd topic delete -y t u
	done
}

@test "-T: a publisher that waits for room has copied what is published" {
	small_topic t
	seq 300000 >lines
	mqpub -T t <lines >copied 2>err 3>&- &
	pid=$!
	poll_until 20 grep -q 'waiting for' err
	[ -s copied ]
	mqsub -e --browse t | cmp - copied
	kill -TERM "$pid"
	wait_for_end "$pid"
	mqsub -e t | cmp - copied
}

# ---- -R, -c, -u ----

@test "-R: no more than so many in a time" {
	start=$(date +%s%N)
	seq 5 | mqpub -q -R 10 t
	end=$(date +%s%N)
	holds 5 t
	# sooner than its pauses is never right, later may be
	[ $(((end - start) / 1000000)) -ge 340 ]
	seq 1000 | mqpub -R 1000000/s t
	holds 1005 t
}

@test "-R: what was let through is published during the pause; a signal ends it there" {
	for rate in 1/h 10/h; do
		start_mqpub -R $rate t.${rate%/h}
		seq 100 >&9
		poll_until 10 holds 1 t.${rate%/h}
		kill -INT "$pid"
		wait_for_end "$pid"
		[ "$status" -eq 130 ]
		holds 1 t.${rate%/h}
	done
	start_mqpub --rate 1/m t
	seq 100 >&9
	poll_until 10 holds 1 t
	kill -INT "$pid"
	wait_for_end "$pid"
	[ "$status" -eq 130 ]
}

@test "-c: stops after so many, without waiting for more" {
	start_mqpub -c 3 t
	printf 'a\nb\nc\n' >&9
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
	holds 3 t
	seq 10 | mqpub --count 100 u
	holds 10 u
	mqpub -c 2 -m a -m b -m c v
	holds 2 v
}

@test "-c: the rest of a regular file is left to who reads on" {
	seq 10 >in
	{
		mqpub -c 3 t
		mqpub -c 2 -k x t
		cat >rest
	} <in
	cmp rest <(seq 6 10)
	mqsub -e t | cmp - <(seq 5)
}

@test "-u: each record is a frame" {
	seq 200 | mqpub -u t
	[ "$(figure frames t)" -eq 200 ]
	seq 200 >in
	mqpub u <in
	[ "$(figure frames u)" -eq 1 ]
	mqpub -k x v <in
	[ "$(figure frames v)" -eq 1 ]
	mqpub --unbuffered -m a -m b w
	[ "$(figure frames w)" -eq 2 ]
}

@test "-R and a pause: what was slept too long is caught up a little only" {
	start_mqpub -R 10 t
	command sleep 0.5
	before=$(date +%s%N)
	seq 5 >&9
	poll_until 10 holds 5 t
	after=$(date +%s%N)
	[ $(((after - before) / 1000000)) -ge 340 ]
	exec 9>&-
}

# ---- a full topic: -W, -a, signals ----

@test "a full topic: waits, and says for whom" {
	small_topic t
	seq 1000 >lines
	mqpub -u t <lines 2>err 3>&- &
	poll_until 20 grep -q 'waiting for' err
	grep -q '^mqpub: topic t partition 0 .*is full; waiting for its first subscriber: ' err
	holds 8 t
	timeout 60 mqsub -c 1000 t | cmp - lines
	wait_for_end $!
	[ "$status" -eq 0 ]
}

@test "what does not fit goes on when there is room, in every way of publishing" {
	perl -e 'print map { "$_=" . "x" x 100 . "\n" } 1 .. 30000' >lines
	for options in "" "-k x" "-K =" "-T" "-c 30000"; do
		small_topic t
		# shellcheck disable=SC2086
		mqpub $options t <lines >out 2>err 3>&- &
		if [ "$options" = "-K =" ]; then
			timeout 60 mqsub -K = -c 30000 t | cmp - lines
		else
			timeout 60 mqsub -c 30000 t | cmp - lines
		fi
		wait_for_end $!
		[ "$status" -eq 0 ]
		[ "$options" != -T ] || cmp out lines
		mqd topic delete -y t
	done
}

@test "-W: no room in time, 75" {
	small_topic t
	seq 8 | mqpub -u t
	for options in "" "-k x" "-1" "-u" "-T" "--wait 0"; do
		# shellcheck disable=SC2086
		run -75 --separate-stderr timeout 20 mqpub -W 50ms $options t <<<more
		[ -z "$output" ]
		[[ $stderr == "mqpub: topic t is full; waited for its first subscriber: nobody has read it yet; no room within "*": no"* ]]
	done
	holds 8 t
	small_topic u
	run -75 --separate-stderr timeout 20 mqpub -u -W 0 u < <(seq 100)
	[[ $stderr == *"; no room within 0: 8 records were published before" ]]
	holds 8 u
}

@test "-W: there is room in time" {
	small_topic t
	seq 8 | mqpub -u t
	mqpub -W 60s -m more t 3>&- &
	mqsub -c 9 t >got
	wait_for_end $!
	[ "$status" -eq 0 ]
	cmp got <(seq 8; echo more)
}

@test "-a none: never waits, says what it dropped, 0" {
	small_topic t
	seq 8 | mqpub -u t
	for options in "-u" "" "-1" "-k x"; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr mqpub -a none $options t < <(seq 5)
		[ "$stderr" = "mqpub: dropped 5 of 5 records: topic t had no room" ]
		[ -z "$output" ]
	done
	holds 8 t
	run -0 --separate-stderr mqpub -q --ack none -m x t
	[ -z "$stderr" ]
	small_topic u
	run -0 --separate-stderr mqpub -v -u -a none u < <(seq 100)
	[ "$stderr" = "mqpub: publishing to topic u of $MQ_DIR
mqpub: dropped 92 of 100 records: topic u had no room
mqpub: published 8 records" ]
	[ "$(mqsub -e u)" = "$(seq 8)" ]
	# large frames: what was accepted first and dropped later counts too
	small_topic v
	mqpub -v -a none v < <(seq 300000) 2>err
	dropped=$(sed -n 's/^mqpub: dropped \([0-9]*\) of 300000 records.*/\1/p' err)
	[ "$dropped" -gt 0 ]
	holds $((300000 - dropped)) v
	grep -qx "mqpub: published $((300000 - dropped)) records" err
}

@test "a topic in memory: -a shm is the default, and disk is refused" {
	run -0 --separate-stderr mqpub -q -a shm -m x t
	[ -z "$output$stderr" ]
	holds 1 t
	run -64 --separate-stderr mqpub -a disk -m x t
	[[ $stderr == "mqpub: topic t is in memory: nothing of it is ever on disk ('--ack disk'); "* ]]
	holds 1 t
}

@test "a topic that refuses when it is full: 75" {
	mqd topic create --slots 8 --memory 1M --full reject t
	seq 8 | mqpub -u t
	for options in "" "-k x" "-1"; do
		run -75 --separate-stderr mqpub $options t <<<more
		[[ $stderr == "mqpub: topic t is full and refuses what finds no room: no"* ]]
	done
	holds 8 t
}

@test "INT and TERM: what was read completely is published, and the signal is the end" {
	for signal in INT TERM; do
		for options in "" "-k x" "-T"; do
			start_mqpub $options t
			printf 'a\nb\nhalf' >&9
			poll_until 10 holds 2 t
			kill -$signal "$pid"
			wait_for_end "$pid"
			[ "$status" -eq $((128 + $(kill -l $signal))) ]
			exec 9>&-
			[ "$(mqsub -e t)" = $'a\nb' ]
			mqd topic delete -y t
		done
	done
}

@test "INT while it waits for room ends it, and is told" {
	small_topic t
	seq 8 | mqpub -u t
	for options in "" "-k x" "-1"; do
		start_mqpub -v $options t
		echo more >&9
		exec 9>&-
		poll_until 10 grep -q 'waiting for' err
		kill -INT "$pid"
		wait_for_end "$pid"
		[ "$status" -eq 130 ]
		grep -q '^mqpub: stopped while it waited for room in topic t: ' err
		holds 8 t
	done
}

# The library cannot notice a signal that comes while it does not sleep. Here it comes while the
# line that says for whom it waits cannot be written.
@test "INT between two sleeps of a wait for room is not lost" {
	small_topic t
	seq 8 | mqpub -u t
	for options in "" "-k x"; do
		rm -f full
		mkfifo full
		exec 8<>full
		perl -MFcntl -e 'sysopen my $f, "full", O_WRONLY | O_NONBLOCK or die $!;
			for my $size (4096, 1) { 1 while syswrite $f, "\n" x $size }'
		# shellcheck disable=SC2086
		env --default-signal=INT mqpub $options t <<<more 2>full 3>&- 8>&- &
		pid=$!
		poll_until 20 grep -q pipe_write "/proc/$pid/wchan"
		kill -INT "$pid"
		cat full >err 3>&- 8>&- &
		exec 8>&-
		wait_for_end "$pid"
		[ "$status" -eq 130 ]
		poll_until 10 grep -q '^mqpub: stopped while it waited for room in topic t: ' err
	done
}

@test "publishers that wait for input hold no memory" {
	mqd topic create --memory 1M t
	for n in 1 2 3 4 5 6 7 8; do
		mkfifo in$n
		eval "exec 2$n<>in$n"
		mqpub -k x t <in$n 3>&- &
		echo $n >in$n
	done
	poll_until 10 holds 8 t
	# they would have taken all of its four extents
	head -c 200000 /dev/zero | tr '\0' x >in
	mqpub -W 20s -s t in
	for n in 1 2 3 4 5 6 7 8; do eval "exec 2$n>&-"; done
	holds 9 t
}

@test "no room: how many were published is known exactly" {
	seq 300000 >in
	for options in "" "-k x" "-T"; do
		small_topic t
		# shellcheck disable=SC2086
		run -75 --separate-stderr mqpub -v -W 0 $options t in
		n=$(figure end_offset t)
		[[ $stderr == *": $n records were published before"* ]]
		[[ $stderr == *"mqpub: published $n records" ]]
		[ "$options" != -T ] || [ "$(wc -l <<<"$output")" -eq "$n" ]
		mqd topic delete -y t
	done
}

@test "the second INT or TERM ends it at once" {
	mkfifo full
	for signal in INT TERM; do
		exec 8<>full
		seq 300000 >lines
		env --default-signal=INT mqpub -q -T t <lines >full 3>&- 8>&- &
		pid=$!
		poll_until 20 grep -q pipe "/proc/$pid/wchan" # nobody takes the copies
		kill -$signal "$pid"
		poll_until 10 grep -q '^ShdPnd:.0*$' "/proc/$pid/status" # it has been taken
		poll_until 10 grep -q pipe "/proc/$pid/wchan"
		kill -$signal "$pid"
		wait_for_end "$pid"
		[ "$status" -eq $((128 + $(kill -l $signal))) ]
		exec 8>&-
	done
}

@test "INT that was ignored when it started stays ignored" {
	rm -f in && mkfifo in
	exec 9<>in
	(trap '' INT && exec mqpub -q t) <in 3>&- 9>&- &
	pid=$!
	echo a >&9
	poll_until 10 holds 1 t
	kill -INT "$pid"
	echo b >&9
	poll_until 10 holds 2 t
	exec 9>&-
	wait_for_end "$pid"
	[ "$status" -eq 0 ]
}

@test "an alarm that was set before ends it" {
	mkfifo in
	exec 9<>in
	run -142 timeout 10 perl -e 'alarm 1; exec @ARGV' mqpub -q t <in
}

# ---- the broker and the topic ----

@test "-b names the broker" {
	mqpub -b "$PWD/other" -m x t
	[ ! -e "$MQ_DIR" ]
	[ "$(mqsub -b "$PWD/other" -e t)" = x ]
	MQ_DIR=$PWD/third mqpub -m y t
	mqpub --broker "$PWD/third" -m z t
	[ "$(MQ_DIR=$PWD/third mqsub -e t)" = $'y\nz' ]
}

@test "--no-create: a topic or a broker that is not there, 69" {
	run -69 --separate-stderr mqpub --no-create -m x t
	[[ $stderr == "mqpub: cannot open the broker: "* ]]
	[ ! -e "$MQ_DIR" ]
	mqd topic create there
	run -69 --separate-stderr mqpub --no-create -m x t
	[[ $stderr == "mqpub: t: "* ]]
	mqpub --no-create -m x there
	holds 1 there
}

@test "a topic that is deleted while the input stays open: 69" {
	for options in "" "-k x"; do
		start_mqpub $options t
		echo one >&9
		poll_until 10 holds 1 t
		mqd topic delete -y t
		echo two >&9
		wait_for_end "$pid"
		[ "$status" -eq 69 ]
		tail -n 1 err | grep -qx 'mqpub: t: .* removed: 1 record was published before; what was published is lost, start again'
	done
}

@test "a runtime directory that may not be used: 77" {
	mqpub -m x t
	chmod 0 "$MQ_DIR"
	if [ "$(id -u)" -eq 0 ]; then
		chmod 711 "$BATS_TEST_TMPDIR"
		run -77 --separate-stderr setpriv --reuid=65534 --clear-groups mqpub -b "$MQ_DIR" -m x t ||
			skip_unless_ci "another user cannot come here"
	else
		run -77 --separate-stderr mqpub -m x t
	fi
	chmod 700 "$MQ_DIR"
	[[ $stderr == "mqpub: "* ]]
	[ "$(mqsub -e t)" = x ]
}

@test "a name that can be no topic's: 64" {
	for name in '' . .. a/b -x "$(printf 'x%.0s' {1..250})"; do
		run -64 --separate-stderr mqpub -m x -- "$name"
		[[ $stderr == "mqpub: "* ]]
	done
}

@test "the broker is of another version: 76; damaged: 65; cut short while in use: 74" {
	mqpub -q -m x t
	cp "$MQ_DIR/broker" kept
	for tool in "mqpub -m x" "mqsub -e"; do
		printf '\377' | dd of="$MQ_DIR/broker" bs=1 seek=8 conv=notrunc status=none
		# shellcheck disable=SC2086
		run -76 --separate-stderr $tool t
		[[ $stderr == *"$MQ_DIR: broker: memory format 255, this program has "*"; stop all programs that use the runtime directory and remove it" ]]
		printf 'X' | dd of="$MQ_DIR/broker" bs=1 seek=0 conv=notrunc status=none
		# shellcheck disable=SC2086
		run -65 --separate-stderr $tool t
		cat kept >"$MQ_DIR/broker"
	done
	mqsub t >out 2>err 3>&- &
	pid=$!
	poll_until 10 grep -q x out
	truncate -s 4096 "$MQ_DIR"/t/1/log.0.0
	wait_for_end "$pid"
	[ "$status" -eq 74 ]
	grep -q "^mqsub: memory of the broker $MQ_DIR was cut short" err
}

@test "a runtime directory of an earlier boot, not on a tmpfs: 78" {
	# the tests may run on a tmpfs, where that cannot be
	dir=$(mktemp -d /var/tmp/shmq-test.XXXXXX)
	if [ "$(stat -f -c %T "$dir")" = tmpfs ]; then
		rmdir "$dir"
		skip "/var/tmp is a tmpfs"
	fi
	mqpub -q -b "$dir/b" -m x t
	printf 0 | dd of="$dir/b/broker" bs=1 seek=64 conv=notrunc status=none
	run -78 --separate-stderr mqpub -b "$dir/b" -m x t
	[[ $stderr == *"$dir/b was left by an earlier boot of this machine (it is not on a tmpfs); remove it" ]]
	run -78 --separate-stderr mqsub -b "$dir/b" -e t
	rm -r "$dir"
}

@test "the filesystem of the runtime directory is full: 73" {
	unshare -rm true 2>/dev/null || skip "no user namespaces"
	mkdir small
	# shellcheck disable=SC2016
	run -73 --separate-stderr unshare -rm bash -c 'mount -t tmpfs -o size=4M none small &&
		seq 2000000 | MQ_DIR=small/b mqpub -q t'
	[[ $stderr == "mqpub: t: "*"No space left on device: "*" records were published before; make room ('mqd topic list -v' says which topic has how much), then publish the rest" ]]
}

@test "a runtime directory that cannot be made or is none names the directory" {
	for dir in /nonexistent/dir /dev/null "$PWD/$(printf 'x%.0s' {1..300})"; do
		run ! --separate-stderr mqpub -b "$dir" -m x t
		[[ $stderr == "mqpub: cannot open the broker: "*"$dir"* ]]
	done
	run -73 mqpub -b /nonexistent/dir -m x t
	for tool in "mqpub -m x" "mqsub -e" "mqd topic list"; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr $tool --broker= t
		[[ $stderr == "${tool%% *}: option '--broker': '' is not a directory, try '"* ]]
	done
	chmod 777 . && run -77 --separate-stderr mqpub -b . -m x t
	[[ $stderr == *"may be written by everybody"* ]]
}

@test "what is wrong with the command line is found before anything is made" {
	run -66 --separate-stderr mqpub t missing
	[ "$stderr" = "mqpub: missing: No such file or directory" ]
	mkdir folder
	run -66 mqpub t folder missing
	for name in -x a/b .. ''; do
		run -64 --separate-stderr mqpub -m x -- "$name"
		[[ $stderr == "mqpub: '$name' is not the name of a topic: "* ]]
	done
	run -64 mqpub -p 3 -m x t
	[ ! -e "$MQ_DIR" ]
}

# ---- usage ----

@test "no topic: 64" {
	run -64 --separate-stderr mqpub
	[ "$stderr" = "mqpub: the name of a topic is missing, try 'mqpub --help'" ]
	[ ! -e "$MQ_DIR" ]
}

# usage WORDS MESSAGE: refused, and nothing is made.
usage() {
	run -64 --separate-stderr bash -c "mqpub $1 </dev/null"
	[ "$stderr" = "mqpub: $2, try 'mqpub --help'" ]
	[ -z "$output" ]
	[ ! -e "$MQ_DIR" ]
}

@test "what excludes each other: 64" {
	usage "-0 -J t" "options '--null' and '--json' exclude each other"
	usage "-s -L t" "options '--single' and '--len32' exclude each other"
	usage "-B -D x t" "options '--delim' and '--records' exclude each other"
	usage "-m x -s t" "options '--message' and '--single' exclude each other"
	usage "-m x -J t" "options '--message' and '--json' exclude each other"
	usage "-m x -B t" "options '--message' and '--records' exclude each other"
	usage "-m x -L t" "options '--message' and '--len32' exclude each other"
	usage "-m x t file" "option '--message' and FILE 'file' exclude each other"
	usage "-K = -J t" "options '--key-delim' and '--json' exclude each other"
	usage "-K = -B t" "options '--key-delim' and '--records' exclude each other"
	usage "-1 -u t" "options '--atomic' and '--unbuffered' exclude each other"
	usage "-1 -R 5 t" "options '--atomic' and '--rate' exclude each other"
	usage "-q -v t" "options '--quiet' and '--verbose' exclude each other"
	usage "-a none -W 5 t" "options '--ack none' and '--wait' exclude each other"
	usage "-m x -0 t" "option '--null' does nothing for '--message', unless there is '--tee'"
	usage "-D x -m x t" "option '--delim' does nothing for '--message', unless there is '--tee'"
	usage "-p same t" "option '--partition': 'same' needs '--json' or '--records': other records do not say their partition"
}

@test "values that are none: 64" {
	usage "-D '' t" "option '--delim': it needs at least one byte"
	usage "-K '' t" "option '--key-delim': it needs at least one byte"
	usage "-D '\\q' t" "option '--delim': unknown escape '\\q' in '\\q': there are \\n, \\t, \\r, \\\\, \\0, \\e and \\xHH"
	usage "-p x t" "option '--partition': 'x' is not a number from 0 to 255"
	usage "-p 256 t" "option '--partition': '256' is not a number from 0 to 255"
	usage "-p 0,1 t" "option '--partition': '0,1' is not a number from 0 to 255"
	usage "-H x t" "option '--header': 'x' is not NAME=VALUE"
	usage "-H =x t" "option '--header': '=x' is not NAME=VALUE"
	usage "-c 0 t" "option '--count': '0' is not a number from 1 to 18446744073709551614"
	usage "-c -1 t" "option '--count': '-1' is not a number from 1 to 18446744073709551614"
	usage "-W x t" "option '--wait': 'x' is not a duration (as 500ms, 30s, 1h30m)"
	for rate in 0 x 5/d 1.5 ''; do
		usage "-R '$rate' t" "option '--rate': '$rate' is not a rate (as 100, 100/s, 6/m or 1/h)"
	done
	usage "-a all t" "option '--ack': 'all' is none of none, shm and disk"
}

@test "every two framings exclude each other: 64" {
	for a in -s '-D x' -0 -L -J -B; do
		for b in -s '-D x' -0 -L -J -B; do
			[ "$a" != "$b" ] || continue
			# shellcheck disable=SC2086
			run -64 --separate-stderr mqpub $a $b t </dev/null
			[[ $stderr =~ ^mqpub:\ options\ \'--[a-z0-9]+\'\ and\ \'--[a-z0-9]+\'\ exclude\ each\ other, ]]
		done
	done
	[ ! -e "$MQ_DIR" ]
}

@test "what the input holds does not command the terminal through an error" {
	run -65 --separate-stderr mqpub -J t < <(printf '\033[2J\n')
	[[ $stderr != *$'\033'* ]]
	[[ $stderr == *"near '\\e'"* ]]
	run -66 --separate-stderr mqpub t $'a\nb\033\xff'
	[ "$stderr" = 'mqpub: a\nb\e\xff: No such file or directory' ]
}

@test "a line is whole, however long what it quotes is" {
	long=$(printf '%05000d' 0)
	run -64 --separate-stderr mqpub -H "$long" -m x t
	[ "$stderr" = "mqpub: option '--header': '$long' is not NAME=VALUE, try 'mqpub --help'" ]
	run -66 --separate-stderr mqpub t "$long"
	[ "$stderr" = "mqpub: $long: File name too long" ]
}

# ---- -v, --progress ----

@test "-v says where it goes and how much went" {
	run -0 --separate-stderr mqpub --verbose t < <(seq 5)
	[ "$stderr" = "mqpub: created topic t in memory
mqpub: publishing to topic t of $MQ_DIR
mqpub: published 5 records" ]
	[ -z "$output" ]
}

@test "--progress: records, bytes and rate on stderr" {
	seq 1000 >in
	run -0 --separate-stderr mqpub -q --progress t in
	[[ $stderr =~ ^"mqpub: 1000 records, 3.89 kB, 100 %, "[0-9.]+" "[kMG]?/s$ ]]
	[ -z "$output" ]
	run -0 --separate-stderr bash -c 'cat in | mqpub -q --progress -k x t'
	[[ $stderr =~ ^"mqpub: 1000 records, 3.89 kB, "[0-9.]+" "[kMG]?/s$ ]]
	run -0 --separate-stderr mqpub t in
	[ -z "$stderr" ]
}

@test "progress shows itself on a terminal, and only there" {
	command -v script >/dev/null || skip_unless_ci "script is not installed"
	mkfifo in
	exec 9<>in
	script -qec 'mqpub t <in' /dev/null >shown </dev/null 3>&- 9>&- &
	more() {
		echo line >&9
		grep -q 'records, ' shown
	}
	poll_until 20 more
	exec 9>&-
	wait_for_end $!
	grep -q $'\rmqpub: .* records, ' shown
	# a run that is short, and one that is quiet, show nothing
	script -qec 'echo x | mqpub t' /dev/null >shown </dev/null
	[ ! -s shown ]
}

@test "-q: no progress on a terminal either" {
	command -v script >/dev/null || skip_unless_ci "script is not installed"
	mkfifo in
	exec 9<>in
	script -qec 'mqpub -q t <in' /dev/null >shown </dev/null 3>&- 9>&- &
	pid=$!
	for _ in 1 2 3 4 5 6; do # longer than it would have taken to show itself
		echo line >&9
		command sleep 0.5
	done
	exec 9>&-
	wait_for_end "$pid"
	[ ! -s shown ]
}

@test "--progress: the percentage counts what is to be read, and only that" {
	seq 1000 >in
	run -0 --separate-stderr bash -c '{ head -c 3000 >/dev/null; mqpub -q --progress t; } <in'
	[[ $stderr == "mqpub: "*" 100 %, "* ]]
	run -0 --separate-stderr bash -c 'mqpub -q --progress -k x t - in - <in'
	[[ $stderr == "mqpub: 2000 records, 7.79 kB, 100 %, "* ]]
	run -0 --separate-stderr bash -c 'mqpub -q --progress -m x -m yz t <in'
	[[ $stderr == "mqpub: 2 records, 3 B, "*"/s" ]]
	[[ $stderr != *%* ]]
}

@test "other lines take the place of the progress line" {
	command -v script >/dev/null || skip_unless_ci "script is not installed"
	mkfifo in
	exec 9<>in
	script -qec 'mqpub --progress -J t <in' /dev/null >shown </dev/null 3>&- 9>&- &
	more() {
		echo '{"v":1,"payload":""}' >&9
		grep -q 'records, ' shown
	}
	poll_until 20 more
	echo bad >&9
	wait_for_end $!
	[ "$status" -eq 65 ]
	grep -q $'\033\\[K\r\033\\[Kmqpub: record .* is not JSON' shown
}

# ---- records that are too large ----

@test "a record that is too large is named, with what helps: 65; those before it are published" {
	small_topic t
	max=262080
	{ echo one; head -c 300000 /dev/zero | tr '\0' x; echo; echo three; } >in
	for options in "" "-k x" "-0 -u" "-D ,,"; do
		mqd topic purge -y t
		was=$(figure end_offset t)
		case $options in
		-0*) tr '\n' '\0' <in >data ;;
		-D*) sed 's/$/,,/' in | tr -d '\n' >data ;;
		*) cp in data ;;
		esac
		byte=4
		[ "$options" != "-D ,," ] || byte=5
		run -65 --separate-stderr mqpub $options t <data
		[ "$stderr" = "mqpub: record 2 (byte $byte of the input) is too large: topic t takes up to $max bytes, a quarter of its memory; 'mqd topic create --memory SIZE NAME' makes one that takes more" ]
		holds $((was + 1)) t
	done
	run -65 --separate-stderr mqpub -s t in
	[[ $stderr == "mqpub: record 1 (byte 0 of the input) is too large: "* ]]
	head -c 260000 in >fits
	mqd topic purge -y t
	mqpub -s t fits
	mqsub -e -D '' t | cmp - fits
	# the key and the headers count too
	run -65 --separate-stderr mqpub -s -k "$(head -c 100000 /dev/zero | tr '\0' k)" t < <(head -c 200000 fits)
	[[ $stderr == "mqpub: record 1 (byte 0 of the input) is too large: "* ]]
}

@test "the largest record is taken, whatever ends it; with one byte more it is too large" {
	small_topic t
	mqd topic create --memory 1M --partitions 2 two
	max=262080
	head -c $max /dev/zero | tr '\0' x >largest
	for n in 1 2 3; do cat largest && echo; done | mqpub -W 0 t # each takes no more than a quarter
	for options in "t" "-0 t" "-u t" "-D ,, t" "-p 1 two" "two"; do
		end='\n'
		[[ $options != "-0 "* ]] || end='\0'
		[[ $options != "-D "* ]] || end=,,
		{ cat largest; printf '%bb%b' "$end" "$end"; } >in
		mqd topic purge -y t two
		# shellcheck disable=SC2086
		mqpub -W 10s $options <in
		[ "$(mqsub -e -f '%S\n' "${options##* }" | sort -n)" = $'1\n262080' ]
		# shellcheck disable=SC2086
		run -65 mqpub $options < <(printf x; cat in)
	done
}

# ---- the manual ----

@test "the examples of the manual work as they stand there" {
	check_manual_examples "$BATS_TEST_DIRNAME/../man/mqpub.1" 7
}
