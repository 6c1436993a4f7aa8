# shellcheck shell=bash source-path=SCRIPTDIR
# Empties a node before its machine is restarted to become another size. Runs on any master that serves.
# Parameters: NAME (of the node), SIZE (cpus x MiB, that it is to have: another one is a reason to run)
source prelude.sh
source etcd.sh
source api.sh
source drain.sh

members=$(members)
# shellcheck disable=SC2153 # a parameter
if awk -v name="$NAME" '$2 == name { found = 1 } END { exit !found }' <<<"$members"; then
  all=$(wc --lines <<<"$members")
  healthy=$(healthy_members | grep --count --invert-match --line-regexp "$NAME" || true)
  if ((all > 2 && healthy < all / 2 + 1)); then
    echo "while $NAME restarts, $healthy of $all etcd members would be healthy, which is no majority: bring the others back first"
    exit 1
  fi
fi
drain "$NAME"
report "empty: $NAME"
