# SPDX-License-Identifier: MIT
# completions.bats - the completions load in the real shells and offer options, topics and files.

load helpers
load option_table

setup() {
	setup_broker
	FOLDER=$(cd "${BUILD:-$BATS_TEST_DIRNAME/../build}/completions" && pwd)
	mkdir "$BATS_TEST_TMPDIR/home"
	cd "$BATS_TEST_TMPDIR/home"
	export HOME=$PWD XDG_CONFIG_HOME=$PWD XDG_DATA_HOME=$PWD
}

teardown() {
	teardown_broker
}

SHELLS='bash zsh fish'
TOOLS='mqpub mqsub mqd mqdlq'

need() {
	command -v "$1" >/dev/null || skip_unless_ci "$1 is not installed"
}

# offered SHELL LINE: what that shell offers for the end of LINE, one a line, sorted.
offered() {
	"offered_$1" "$2" | sort -u
}

# Bash splits the words itself, at = too, and calls the function.
offered_bash() {
	bash --norc --noprofile -c '
		source "$1/shmq.bash"
		compopt() { :; } # works only while readline completes
		read -ra COMP_WORDS <<<"${2//=/ = }"
		[[ $2 == *" " ]] && COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		spec=$(complete -p "${COMP_WORDS[0]##*/}") || exit
		[[ $spec =~ -F\ ([^ ]+) ]]
		"${BASH_REMATCH[1]}" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}"
		[ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}"' - "$FOLDER" "$1"
}

offered_zsh() {
	zsh -f "$BATS_TEST_DIRNAME/complete.zsh" "$FOLDER" "$1"
}

# Fish puts a tab and the description behind, and repeats --full= in front of its values.
offered_fish() {
	fish -N -c 'source $argv[1]/shmq.fish; complete -C $argv[2]' "$FOLDER" "$1" |
		sed -e 's/\t.*//' -e 's/^--[a-z-]*=//'
}

# expect LINE WORD...: every shell that is here offers exactly these words.
expect() {
	local line=$1 shell

	shift
	for shell in $SHELLS; do
		command -v "$shell" >/dev/null || continue
		echo "$shell: $line"
		diff -u <(printf '%s\n' "$@" | sort | sed '/^$/d') <(offered "$shell" "$line")
	done
}

@test "the shells are here" {
	for shell in $SHELLS; do
		need "$shell"
	done
}

@test "bash: the file loads quietly and says who completes each tool" {
	for tool in $TOOLS; do
		run -0 --separate-stderr bash --norc --noprofile -euc "source '$FOLDER/shmq.bash'; complete -p $tool"
		[ "$output" = "complete -F _shmq $tool" ]
		[ -z "$stderr" ]
	done
}

@test "zsh: compinit finds the file for each tool" {
	need zsh
	for tool in $TOOLS; do
		run -0 --separate-stderr zsh -f -c "fpath=('$FOLDER' \$fpath)
			autoload -Uz compinit; compinit -u -D; print -r -- \$_comps[$tool]"
		[ "$output" = _shmq ]
		[ -z "$stderr" ]
	done
	run -0 zsh -n "$FOLDER/_shmq"
}

@test "fish: the file loads quietly and knows each tool" {
	need fish
	for tool in $TOOLS; do
		run -0 --separate-stderr fish -N -c "source '$FOLDER/shmq.fish'; complete -c $tool"
		[ "${#lines[@]}" -gt 3 ]
		[ -z "$stderr" ]
	done
}

@test "long options: all of the table and no other" {
	for tool in $TOOLS; do
		expect "$tool --" $(table "$tool" | cut -d' ' -f2)
	done
}

@test "short options: all of the table" {
	for tool in $TOOLS; do
		for shell in $SHELLS; do
			command -v "$shell" >/dev/null || continue
			diff -u <(table "$tool" | cut -d' ' -f1 | grep -v '^-$' | sort) \
				<(offered "$shell" "$tool -" | grep -E '^-[^-]$')
		done
	done
}

@test "each option completes by its beginning" {
	expect 'mqd topic create --par' --partitions
	expect 'mqpub --no-c' --no-create
	expect 'mqsub --ho' --hold
}

# expect_options COMMAND...: behind COMMAND the options of its --help, and no other.
expect_options() {
	expect "$* --" $("$@" --help | grep -oE '^  .{4}--[a-z-]+' | grep -oE -- '--.*')
}

@test "mqd, mqdlq: commands, verbs, and the options of a verb only" {
	expect 'mqd ' topic group check
	expect 'mqd topic ' create alter list show purge repair delete
	expect 'mqd topic cr' create
	expect 'mqd group ' list alter seek pause resume delete
	expect 'mqd group p' pause
	expect 'mqdlq ' list show count stats requeue drop export import
	expect 'mqdlq s' show stats
	for verb in create alter list show purge repair delete; do
		expect_options mqd topic "$verb"
	done
	expect_options mqd check
	for verb in list alter seek pause resume delete; do
		expect_options mqd group "$verb"
	done
	for verb in list show count stats requeue drop export import; do
		expect_options mqdlq "$verb"
	done
}

@test "values that are words or folders" {
	mkdir alpha alps
	touch alfile
	expect 'mqd topic create --full ' block reject drop-old
	expect 'mqd topic create --full=re' reject
	expect 'mqd group alter --mode ' shared ordered
	expect 'mqd group alter --dead-letters=k' keep
	expect 'mqdlq list --reason e' expired
	expect 'mqd topic create --partitions ' ''
	for shell in $SHELLS; do
		command -v "$shell" >/dev/null || continue
		for line in 'mqsub -b al' 'mqsub --broker al' 'mqd topic list -b al'; do
			[ "$(offered "$shell" "$line" | tr -d / | tr '\n' ' ')" = 'alpha alps ' ]
		done
	done
}

@test "live topics, of the broker that the line names" {
	mqd topic create orders other
	mqd topic create -b "$HOME/elsewhere" far
	expect 'mqpub ' orders other
	expect 'mqpub or' orders
	expect 'mqsub ' orders other
	expect 'mqsub -e -o end o' orders other
	expect 'mqsub orders ot' other
	for verb in show purge repair delete; do
		expect "mqd topic $verb " orders other
	done
	for verb in list alter seek pause resume delete; do
		expect "mqd group $verb or" orders
	done
	for verb in list show count stats requeue drop export import; do
		expect "mqdlq $verb or" orders
	done
	expect 'mqdlq requeue --to o' orders other
	expect 'mqd topic delete -y or' orders
	for shell in $SHELLS; do # where no topic belongs; zsh then offers the options
		command -v "$shell" >/dev/null || continue
		[ -z "$(offered "$shell" 'mqd topic list ' | grep -v '^-')" ]
		[ -z "$(offered "$shell" 'mqd topic create ' | grep -v '^-')" ]
	done
	for broker in "-b $HOME/elsewhere" "--broker $HOME/elsewhere" "--broker=$HOME/elsewhere" \
		"-b$HOME/elsewhere" "-eb $HOME/elsewhere"; do
		expect "mqsub $broker " far
	done
	expect "mqd topic show -b $HOME/elsewhere " far
	expect "mqd -b $HOME/elsewhere topic show " far
	expect "mqdlq list -b $HOME/elsewhere " far
}

@test "live groups, of the topic and the broker that the line names" {
	mqpub -q -m x orders
	mqpub -q -m x other
	mqpub -q -b "$HOME/elsewhere" -m x far
	for group in billing mail; do
		mqsub -g "$group" -e orders >/dev/null
	done
	mqsub -g audit -e other >/dev/null
	mqsub -b "$HOME/elsewhere" -g hidden -e far >/dev/null
	for verb in alter seek pause resume delete; do
		expect "mqd group $verb orders " billing mail
	done
	expect 'mqd group delete -y orders bi' billing
	expect 'mqd group pause orders billing ma' mail
	expect 'mqd group pause other ' audit
	expect "mqd group pause -b $HOME/elsewhere far " hidden
	expect 'mqdlq list -g ' audit billing mail
	expect 'mqdlq list --group=bi' billing
	expect 'mqsub -g m' mail
	expect "mqdlq list -b $HOME/elsewhere -g " hidden
	for shell in $SHELLS; do # one topic is all that is expected
		command -v "$shell" >/dev/null || continue
		[ -z "$(offered "$shell" 'mqdlq list orders ' | grep -v '^-')" ]
	done
}

@test "the value of an option is no operand" {
	mqd topic create orders
	touch some-file
	expect 'mqpub -k key or' orders
	expect 'mqpub --key key or' orders
	expect 'mqpub -qk key or' orders
	expect 'mqpub -kkey or' orders
	expect 'mqpub --key=key or' orders
	expect 'mqpub -q or' orders
}

@test "mqpub completes files behind the topic, and no options" {
	mqd topic create file-topic
	touch file-one file-two
	expect 'mqpub file-topic file' file-one file-two
	expect 'mqpub -q file-topic file-one file-t' file-two
	expect 'mqpub file-topic --' ''
}

@test "no broker, no topics, no noise" {
	for shell in $SHELLS; do
		command -v "$shell" >/dev/null || continue
		run -0 --separate-stderr offered "$shell" 'mqsub '
		[ -z "$output$stderr" ]
	done
	[ ! -e "$MQ_DIR" ]
}

@test "a tool that is called by its path asks the mqd beside it" {
	mqd topic create orders
	PATH=${PATH#"$BIN:"}
	for shell in bash zsh fish; do
		command -v "$shell" >/dev/null || continue
		[ "$(offered "$shell" "$BIN/mqsub o")" = orders ]
	done
}

@test "mqsub: a command behind TOPIC --, and files behind that" {
	mqd topic create orders
	touch file-one
	mkdir bin
	printf '#!/bin/sh\n' >bin/work-on-orders
	chmod +x bin/work-on-orders
	PATH=$PATH:$PWD/bin
	expect 'mqsub -g g orders -- work-on-' work-on-orders
	expect 'mqsub -g g -j 2 orders orders -- work-on-orders file' file-one
	expect 'mqsub -g g --into or' orders
	expect 'mqsub -- or' orders
}
