# SPDX-License-Identifier: MIT
# options.bats - parser, --help and manual of every tool list what its option table says.

load helpers
load option_table

setup() {
	setup_broker
	ROOT=$BATS_TEST_DIRNAME/..
}

teardown() {
	teardown_broker
}

TOOLS='mqpub mqsub mqd mqdlq'

# The option table as --help prints it: an option's line begins with "  -b, --broker" or "      --hold".
help_table() {
	"$1" --help | sed -nE -e 's/^  (-.), (--[a-z0-9-]+)( ([^ ]+))?(  .*)?$/\1 \2 \4/p' \
		-e 's/^      (--[a-z0-9-]+)( ([^ ]+))?(  .*)?$/- \1 \3/p' |
		sed -E 's/ $/ -/'
}

# The option list of a manual: "-b --broker" from lines as ".It Fl b , Fl -broker Ar DIR".
manual_names() {
	awk '
	/^\.It Fl / {
		short = long = "-"
		for (i = 2; i <= NF; i++) {
			if ($i == "Ar" || $i == "Cm")
				break
			if ($i == "Fl" || $i == "," || $i == "Ns")
				continue
			if ($i ~ /^-[a-z0-9-]+$/)
				long = "-" $i
			else if ($i ~ /^[A-Za-z0-9]$/)
				short = "-" $i
			else if ($i ~ /^[a-z0-9-]+$/) # .Fl Fl broker
				long = "--" $i
		}
		if (long != "-") # ".It Fl Ns Ar N" is a value
			print short, long
	}' "$1"
}

manual_of() {
	ls "$ROOT/man/$1".[18]
}

@test "each table is read whole" {
	for tool in $TOOLS; do
		n=$(cat "$ROOT/cmd/$tool/${tool}_options.def" "$ROOT/cmd/common/common_options.def" |
			grep -c 'OPT(')
		[ "$n" -gt 2 ]
		[ "$(table "$tool" | wc -l)" -eq "$n" ]
		[ "$(table "$tool" | awk 'NF != 3' | wc -l)" -eq 0 ]
	done
}

@test "--help lists every option of the table, in its order, and no other" {
	for tool in $TOOLS; do
		diff -u <(table "$tool") <(help_table "$tool")
	done
}

@test "the manual lists every option of the table and no other" {
	for tool in $TOOLS; do
		diff -u <(table "$tool" | cut -d' ' -f1,2 | sort) \
			<(manual_names "$(manual_of "$tool")" | sort)
	done
}

@test "no option name is there twice" {
	for tool in $TOOLS; do
		[ -z "$(table "$tool" | cut -d' ' -f2 | sort | uniq -d)" ]
		[ -z "$(table "$tool" | cut -d' ' -f1 | grep -v '^-$' | sort | uniq -d)" ]
	done
}

@test "the same letter is the same word in every tool" {
	for tool in $TOOLS; do table "$tool"; done | grep -v '^- ' | cut -d' ' -f1,2 | sort -u |
		cut -d' ' -f1 | uniq -d >"$BATS_TEST_TMPDIR/twice"
	diff /dev/null "$BATS_TEST_TMPDIR/twice"
}

@test "help goes to stdout, is at most 80 columns wide, and exits 0" {
	for tool in $TOOLS; do
		for option in -h --help; do
			run -0 --separate-stderr "$tool" "$option"
			[ -z "$stderr" ]
			[[ $output == "Usage: $tool"* ]]
			[ -z "$(awk 'length > 80' <<<"$output")" ]
		done
	done
}

@test "help does not need to know the rest of the line, nor a broker" {
	MQ_DIR=/nonexistent/broker run -0 --separate-stderr mqd topic delete --help
	[[ $output == "Usage: mqd topic delete [options] TOPIC..."* ]]
	[[ $output != *--partitions* ]]
	MQ_DIR=/nonexistent/broker run -0 --separate-stderr mqd group seek --help
	[[ $output == "Usage: mqd group seek [options] TOPIC GROUP..."* ]]
	[[ $output != *--lease* ]]
	MQ_DIR=/nonexistent/broker run -0 --separate-stderr mqdlq drop --help
	[[ $output == "Usage: mqdlq drop [options] TOPIC"* ]]
	[[ $output != *--delay* ]]
	run -0 mqdlq --help
	[[ $output == "Usage: mqdlq list [options] TOPIC"* ]]
}

@test "--version says the version and that of the memory format" {
	version=$(sed -nE 's/^#define SHMQ_VERSION "(.*)"/\1/p' "$ROOT/libshm/shmq.h")
	format=$(sed -nE 's/^#define SHMQ_FORMAT_VERSION ([0-9]+).*/\1/p' "$ROOT/libshm/shmq.h")
	for tool in $TOOLS; do
		for option in -V --version; do
			run -0 --separate-stderr "$tool" "$option"
			[ "$output" = "$tool $version (memory format $format)" ]
			[ -z "$stderr" ]
		done
	done
}

@test "help that cannot be written is an error" {
	for tool in $TOOLS; do
		run -74 --separate-stderr bash -c "$tool --help >/dev/full"
		[[ $stderr == "$tool: standard output: "* ]]
	done
}

@test "an unknown option is named: 64" {
	for tool in $TOOLS; do
		run -64 --separate-stderr "$tool" --no-such-thing
		[ "$stderr" = "$tool: unknown option '--no-such-thing', try '$tool --help'" ]
		[ -z "$output" ]
		run -64 --separate-stderr "$tool" --no-such-thing=5
		[ "$stderr" = "$tool: unknown option '--no-such-thing', try '$tool --help'" ]
		run -64 --separate-stderr "$tool" -%
		[ "$stderr" = "$tool: unknown option '-%', try '$tool --help'" ]
	done
}

@test "an option without its value is named: 64" {
	for tool in $TOOLS; do
		while read -r short long arg; do
			[ "$arg" != - ] || continue
			run -64 --separate-stderr "$tool" "$long"
			[ "$stderr" = "$tool: option '$long' needs a value, try '$tool --help'" ]
			[ "$short" != - ] || continue
			run -64 --separate-stderr "$tool" "$short"
			[ "$stderr" = "$tool: option '$short' needs a value, try '$tool --help'" ]
		done < <(table "$tool")
	done
}

@test "a flag with a value is named: 64" {
	for tool in $TOOLS; do
		while read -r _ long arg; do
			[ "$arg" = - ] || continue
			run -64 --separate-stderr "$tool" "$long=1"
			[ "$stderr" = "$tool: option '$long' takes no value, try '$tool --help'" ]
		done < <(table "$tool")
	done
}

@test "a long option may be cut short as long as it is clear" {
	run -0 --separate-stderr mqd --vers
	[[ $output == "mqd "* ]]
	run -64 --separate-stderr mqd --ver
	[ "$stderr" = "mqd: option '--ver' is ambiguous: --verbose, --version, try 'mqd --help'" ]
}

@test "options end at the first operand and at --" {
	mqd topic create -- a
	run -64 --separate-stderr mqd topic create b --full
	[[ $stderr == "mqd: '--full' cannot be a topic's name"* ]]
	run -0 --separate-stderr mqd topic list
	[ "$output" = a ]
}

@test "the manuals are clean: mandoc would mend nothing" {
	command -v mandoc >/dev/null || skip_unless_ci "mandoc is not installed"
	for page in "$ROOT"/man/*.[1-8]; do
		# whether the pages are installed and indexed here is not the question
		run mandoc -Tlint -Wstyle "$page"
		[ -z "$(grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' <<<"$output")" ]
	done
}

@test "the manuals refer to pages that are there" {
	sed -nE 's/^\.Xr ((mq|shmq)[a-z-]*) ([0-9]).*/\1.\3/p' "$ROOT"/man/*.[1-8] | sort -u |
		while read -r page; do
			ls "$ROOT/man/$page"
		done
}
