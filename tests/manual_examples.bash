# SPDX-License-Identifier: MIT
# manual_examples.bash - runs the examples of a manual.
#
# In the section EXAMPLES, each .Bd to .Ed is an example; the lines .\" prints: TEXT before it say
# what it prints, and that it prints nothing else.

# check_manual_examples PAGE COUNT: each works, in a folder and with a broker of its own; there are
# COUNT of them or more.
check_manual_examples() {
	local i n

	awk -v dir="$BATS_TEST_TMPDIR" '
	/^\.Sh / { in_examples = ($2 == "EXAMPLES") }
	!in_examples { next }
	/^\.\\" prints: / { sub(/^\.\\" prints: /, ""); print >(dir "/want." n + 1); next }
	/^\.Bd / { n++; inside = 1; next }
	/^\.Ed/ { inside = 0; next }
	inside { gsub(/\\e/, "\\"); print >(dir "/example." n) }
	END { print n }' "$1" >"$BATS_TEST_TMPDIR/examples"
	n=$(cat "$BATS_TEST_TMPDIR/examples")
	[ "$n" -ge "$2" ] || return 1
	for ((i = 1; i <= n; i++)); do
		mkdir "$BATS_TEST_TMPDIR/folder.$i"
		(
			cd "$BATS_TEST_TMPDIR/folder.$i" || exit
			MQ_DIR=$BATS_TEST_TMPDIR/broker.$i timeout 30 bash -e -o pipefail \
				"$BATS_TEST_TMPDIR/example.$i" >"$BATS_TEST_TMPDIR/got.$i" 3>&-
		) || return 1
		diff -u "$BATS_TEST_TMPDIR/want.$i" "$BATS_TEST_TMPDIR/got.$i" || return 1
	done
}
