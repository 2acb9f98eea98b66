# SPDX-License-Identifier: MIT
# readme.bats - what README.md shows and names is so, and the demo does what it says.

load helpers

setup() {
	setup_broker
	ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	README=$ROOT/README.md
	DEMO=$BATS_TEST_DIRNAME/demo/run
	export TMPDIR=$BATS_TEST_TMPDIR/tmp BUILD=${BUILD:-$ROOT/build}
	mkdir "$TMPDIR" "$BATS_TEST_TMPDIR/home"
	cd "$BATS_TEST_TMPDIR/home" || return 1
}

teardown() {
	teardown_broker
}

# A make of its own, not part of the one that runs the tests.
make_root() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make --no-print-directory -C "$ROOT" "$@"
}

# The blocks of the console: commands behind "$ " into block.N, all that they print into want.N.
console_blocks() {
	awk -v dir="$BATS_TEST_TMPDIR" '
	/^```console$/ { n++; inside = 1; printf "" >(dir "/want." n); next }
	/^```/ { inside = 0; next }
	!inside { next }
	/^[$>] / { print substr($0, 3) >(dir "/block." n); next } # "> " as the shell shows a command that goes on
	{ print >(dir "/want." n) }
	END { print n + 0 }' "$README"
}

@test "what the README shows is what one gets" {
	n=$(console_blocks)
	[ "$n" -ge 6 ]
	for ((i = 1; i <= n; i++)); do
		cat "$BATS_TEST_TMPDIR/block.$i"
		mkdir "$BATS_TEST_TMPDIR/folder.$i"
		cd "$BATS_TEST_TMPDIR/folder.$i"
		MQ_DIR=$BATS_TEST_TMPDIR/broker.$i timeout 60 bash "$BATS_TEST_TMPDIR/block.$i" \
			>"$BATS_TEST_TMPDIR/got.$i" 2>&1 3>&-
		diff -u "$BATS_TEST_TMPDIR/want.$i" "$BATS_TEST_TMPDIR/got.$i"
	done
}

@test "every make command of the README is there" {
	grep -oE '(^ +|`)make( [a-z]+)?( |`|$)' "$README" | tr -d '`' | sort -u >"$BATS_TEST_TMPDIR/makes"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/makes")" -ge 5 ]
	while read -r _ target; do
		run -0 make_root -n -q ${target:+"$target"} || [ "$status" -eq 1 ] # 1: something is to do
	done <"$BATS_TEST_TMPDIR/makes"
}

@test "every file of the README is there, and every folder is in it" {
	grep -oE '\]\([^)]+\)' "$README" | tr -d '()]' | grep -v '^http' >"$BATS_TEST_TMPDIR/files"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/files")" -ge 7 ]
	while read -r file; do
		[ -f "$ROOT/$file" ]
	done <"$BATS_TEST_TMPDIR/files"
	for page in "$ROOT"/man/*.[1-8]; do
		grep -q "(man/${page##*/})" "$README"
	done
	for folder in "$ROOT"/*/; do
		folder=$(basename "$folder")
		[ "$folder" = build ] || grep -q "^    $folder/ " "$README"
	done
	grep -oE '[a-z]+/' <(sed -n '/^    tests\//,/^$/p' "$README") | while read -r folder; do
		[ -d "$ROOT/$folder" ] || [ -d "$ROOT/tests/$folder" ]
	done
	for folder in "$ROOT"/tests/*/; do
		sed -n '/^    tests\//,/^$/p' "$README" | grep -q "$(basename "$folder")/"
	done
}

@test "the README says what is not there, and it is not" {
	mqd topic create t
	run -64 --separate-stderr mqd topic alter --partitions 2 t
	run -64 --separate-stderr mqpub -a disk -m x t # in memory
	for option in --group=g --ttl=1s --priority=1 --delay=1s; do
		run -64 --separate-stderr mqpub "$option" -m x t
	done
}

@test "make install puts it where it is said" {
	make_root install DESTDIR="$BATS_TEST_TMPDIR/to" PREFIX=/usr >&2
	cd "$BATS_TEST_TMPDIR/to/usr"
	for tool in mqpub mqsub mqdlq mqd; do
		[ -x "bin/$tool" ]
	done
	for page in "$ROOT"/man/*.[1-8]; do
		cmp "$page" "share/man/man${page##*.}/${page##*/}"
	done
	cmp "$ROOT/libshm/shmq.h" include/shmq.h
	[ -f lib/libshm.a ]
	for folder in bash-completion/completions zsh/site-functions fish/vendor_completions.d; do
		[ -n "$(ls "share/$folder")" ]
	done
}

# ---- the demo ----

# The tools, with an mqd that notes which runtime directory the demo has chosen.
demo_tools() {
	export BIN DIRS=$BATS_TEST_TMPDIR/dirs BUILD=$BATS_TEST_TMPDIR/tools

	unset MQ_DIR # it has to choose its own
	mkdir -p "$BUILD/bin"
	ln -sf "$BIN"/* "$BUILD/bin/"
	with_tool mqd <<'END'
echo "$MQ_DIR" >>"$DIRS"
exec "$BIN/mqd" "$@"
END
}

# with_tool NAME: instead of this tool, what standard input says.
with_tool() {
	rm -f "$BUILD/bin/$1"
	cat <(echo '#!/bin/sh') - >"$BUILD/bin/$1"
	chmod +x "$BUILD/bin/$1"
}

# Nothing of the demo is left: neither its two directories nor a process that uses them.
demo_is_gone() {
	[ -z "$(ls "$TMPDIR")" ]
	[ -s "$DIRS" ]
	while read -r dir; do
		[ ! -e "$dir" ]
		[ -z "$(grep -lzsxF "MQ_DIR=$dir" /proc/[0-9]*/environ)" ]
	done < <(sort -u "$DIRS")
}

# A folder with paths that are not easy.
tree() {
	mkdir -p tree/docs tree/src/deep
	touch tree/docs/{a,b,c}.txt 'tree/docs/with space.txt' tree/src/{x,y}.c tree/src/deep/z.c
	touch "tree/src/deep/"$'\xff.c' 'tree/src/back\slash'
}

@test "demo: both subscribers get all, and work on it" {
	tree
	demo_tools
	run -0 --separate-stderr timeout 120 "$DEMO" tree 3>&-
	n=$(find tree -xdev | wc -l)
	[[ ${lines[0]} == "Listing what is below tree ... $n paths, $(find tree -xdev | wc -c) bytes." ]]
	grep -qxE "$((2 * n)) messages delivered and worked on in [0-9]+ ms: [0-9]+ a second\\." <<<"$output"
	grep -qE '^mqd serves: 1 topics; attached in ' <<<"$output"  # it was killed
	grep -qE '^mqd serves: 2 topics; recovered in ' <<<"$output" # and so was all memory
	grep -qxF '         6  below src/' <<<"$output"
	grep -qxF '         4  named *.txt' <<<"$output"
	grep -qxF '        24  tree/docs/with space.txt' <<<"$output"
	grep -qF "($(find tree -xdev | cksum))" <<<"$output"
	diff <(find tree -xdev | tail -n 5) <(tail -n 5 <<<"$output" | cut -c 13-)
	[ "$(tail -n 1 <<<"$output" | awk '{ print $1 }')" -eq $((n - 1)) ]
	files=$(find tree -xdev -type f | wc -l)
	grep -qF "$files done in " <<<"$output" # workers
	grep -qF "; $(find tree -xdev -type d | wc -l) failed twice and are dead letters:" <<<"$output"
	grep -qE '^sizes jobs  shared +0 +0 +0 +0 +0 no *' <<<"$output"
	demo_is_gone
}

@test "demo: a folder that is not there, tools that are not built" {
	demo_tools
	run -1 --separate-stderr timeout 60 "$DEMO" not-there 3>&-
	[ "$stderr" = "demo: nothing is below not-there" ]
	[ -z "$(ls "$TMPDIR")" ]
	BUILD=/nonexistent run -66 --separate-stderr "$DEMO"
	[ "$stderr" = "demo: mqpub is not built: run make first" ]
}

@test "demo: a message that is lost or changed is seen" {
	tree
	demo_tools
	with_tool mqsub <<'END'
"$BIN/mqsub" "$@" | sed 's/with space/without/'
END
	run -1 --separate-stderr timeout 120 "$DEMO" tree 3>&-
	[[ $stderr == *"demo: a subscriber got something else than was published" ]]
	demo_is_gone
	with_tool mqsub <<'END'
"$BIN/mqsub" "$@" | sed 3d
END
	run -1 --separate-stderr timeout 120 "$DEMO" tree 3>&-
	[[ $stderr == *"demo: a subscriber got something else than was published" ]]
	demo_is_gone
}

@test "demo: work that is lost, or done twice, is seen" {
	tree
	demo_tools
	for filter in 2d 2p; do
		with_tool mqsub <<END
case "\$*" in *sizes*) "\$BIN/mqsub" "\$@" | sed $filter; test -n "\${*##*--retries*}" || exit 123 ;;
*) exec "\$BIN/mqsub" "\$@" ;;
esac
END
		run -1 --separate-stderr timeout 120 "$DEMO" tree 3>&-
		[[ $stderr == *"demo: the workers have not done each path exactly once" ]]
		demo_is_gone
	done
}

@test "demo: a publisher or subscriber that fails is seen" {
	tree
	demo_tools
	with_tool mqpub <<'END'
exit 73
END
	run -1 --separate-stderr timeout 120 "$DEMO" tree 3>&-
	[[ $stderr == *"demo: mqpub failed: status 73" ]]
	demo_is_gone
	ln -sf "$BIN/mqpub" "$BUILD/bin/mqpub"
	with_tool mqsub <<'END'
"$BIN/mqsub" "$@"
echo broken >&2
exit 74
END
	run -1 --separate-stderr timeout 120 "$DEMO" tree 3>&-
	[[ $stderr == *"demo: mqsub failed: broken"* ]]
	demo_is_gone
}

has_ended() {
	! [ -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

@test "demo: a signal ends it, and nothing is left" {
	tree
	demo_tools
	# a publisher that has published and does not come to an end
	with_tool mqpub <<'END'
"$BIN/mqpub" "$@"
echo here >"$STARTED"
exec sleep 300
END
	export STARTED=$BATS_TEST_TMPDIR/started
	for signal in HUP INT TERM; do
		rm -f "$STARTED"
		# INT is ignored by what a shell without job control starts in the background
		env --default-signal=INT,HUP,TERM "$DEMO" tree >out 2>&1 3>&- &
		pid=$!
		poll_until 30 test -s "$STARTED"
		kill -"$signal" "$pid"
		poll_until 30 has_ended "$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" -eq $((128 + $(kill -l "$signal"))) ]
		demo_is_gone
	done
}
