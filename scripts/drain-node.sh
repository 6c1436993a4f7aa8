# shellcheck shell=bash source-path=SCRIPTDIR
# Empties a node before its machine is restarted to become another size, or before it is upgraded. Runs on any master that serves.
# Parameters: NAME (of the node), SIZE (cpus x MiB), VERSION (of Kubernetes), RUNTIME (version of containerd), as it is to have them:
#   others are a reason to run
source prelude.sh
source etcd.sh
source api.sh
source drain.sh

all=$(members)
# Of one or two members none can restart without a pause.
# shellcheck disable=SC2153 # a parameter
if grep --quiet "^[^ ]* $NAME " <<<"$all" && (($(wc --lines <<<"$all") > 2)); then
  keeps_majority "$NAME" away
fi
drain "$NAME"
report "empty: $NAME"
