# shellcheck shell=bash source-path=SCRIPTDIR
# Waits until a node is Ready. Parameter: NAME
source prelude.sh
source api.sh
# shellcheck disable=SC2153 # a parameter
kubectl wait --for=condition=Ready --timeout=4m node "$NAME"
report "Ready: $NAME"
