# shellcheck shell=bash source-path=SCRIPTDIR
# Says what on this machine differs from what its steps have set: a line each, with tabs between `differs`, KIND, NAME, STEP, the value that
# was set and the one that is there; and with what each step ran: `ran`, STEP, hash. The last line is `end`.
source prelude.sh
source kept.sh
alone_on_node

differs() { tell printf 'differs\t%s\t%s\t%s\t%s\t%s\n' "${@:1:5}"; }
each_difference differs
# shellcheck disable=SC2016 # awk's
[ ! -e "$kept/list" ] || tell awk -F '\t' '$1 == "step" { print "ran\t" $2 "\t" $4 }' "$kept/list"
tell echo end
