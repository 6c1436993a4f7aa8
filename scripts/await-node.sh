# shellcheck shell=bash source-path=SCRIPTDIR
# Waits until a node is Ready. Parameter: NAME
source prelude.sh
# shellcheck disable=SC2153 # a parameter
kubectl --kubeconfig /etc/kubernetes/admin.conf wait --for=condition=Ready --timeout=4m node "$NAME"
report "Ready: $NAME"
