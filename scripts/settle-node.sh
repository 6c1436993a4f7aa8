# shellcheck shell=bash source-path=SCRIPTDIR
# Takes a node back that was restarted: waits until it is Ready, and lets pods onto it. Runs on any master that serves.
# Parameters: NAME (of the node), SIZE (cpus x MiB, that it has: another one is a reason to run)
source prelude.sh
source api.sh
source drain.sh

# The cluster takes a node for Ready for a while after its last word.
# shellcheck disable=SC2153 # a parameter
last_word() { kubectl --namespace kube-node-lease get lease "$NAME" --output 'jsonpath={.spec.renewTime}'; }
before=$(last_word)
has_spoken() { now=$(last_word) && [ -n "$now" ] && [ "$now" != "$before" ]; }
retry_for 240 "a sign of life of $NAME" has_spoken
kubectl wait --for=condition=Ready --timeout=4m node "$NAME"
undo_drain "$NAME"
report "back: $NAME"
