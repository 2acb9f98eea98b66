#!/bin/zsh -f
# complete.zsh FOLDER LINE - what zsh offers for LINE with the completions in FOLDER, one match a
# line. It types LINE and a tab into an interactive zsh on a terminal of its own, because
# completion works nowhere else, and writes down what is given to compadd.

folder=$1 line=$2 out=$(mktemp)

zmodload zsh/zpty
zpty shell "TERM=dumb PS1= exec zsh -f -i"

setup() {
	unsetopt beep
	fpath=($1 $fpath)
	autoload -Uz compinit
	compinit -u -D
	compadd() {
		local -a hits
		if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
			builtin compadd "$@"
			return
		fi
		builtin compadd -A hits "$@"
		(( $#hits )) && print -rl -- $hits >>$out
		builtin compadd "$@"
	}
	capture() {
		_main_complete
		compstate[insert]= compstate[list]=
		print -r -- END >>$out
	}
	zle -C capture complete-word capture
	bindkey '^I' capture
	print -r -- READY >>$out
}

# wait_for WORD: until the inner shell wrote it, at most 30 seconds.
wait_for() {
	local text
	integer end=$(( SECONDS + 30 ))

	until grep -qx $1 $out; do
		zpty -rt shell text # an unread terminal would block it
		if (( SECONDS > end )); then
			print -u2 "no $1 after 30 s: $text"
			exit 1
		fi
		sleep 0.02
	done
}

{
	zpty -w shell "out=$out; $(functions setup); setup ${(q)folder}"
	wait_for READY
	zpty -w -n shell "$line"$'\t'
	wait_for END
	grep -vx -e READY -e END $out
} always {
	rm -f $out
	zpty -d shell
}
