# SPDX-License-Identifier: MIT
# option_table.bash - the option tables, read without the compiler's help.

# table TOOL: its options, "-b --broker DIR" a line, "-" for what an option has not.
table() {
	local file root=$BATS_TEST_DIRNAME/..

	for file in "$root/cmd/$1/$1_options.def" "$root/cmd/common/common_options.def"; do
		tr '\n' ' ' <"$file" |
			grep -oE 'OPT\([A-Z0-9_]+, *('\''.'\''|0), *"[^"]+", *(NULL|"[^"]*")' |
			sed -E -e 's/^OPT\([^,]*, *//' -e "s/^'(.)'/-\1/" -e 's/^0/-/' \
				-e 's/, *"([^"]+)"/ --\1/' -e 's/, *NULL/ -/' -e 's/, *"([^"]*)"/ \1/'
	done
}
