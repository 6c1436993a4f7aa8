# shellcheck shell=bash source-path=SCRIPTDIR
# Waits until nodes are Ready. Parameters: NODES (names, separated by blanks)
source prelude.sh
# shellcheck disable=SC2153 # a parameter
read -ra nodes <<<"$NODES"
kubectl --kubeconfig /etc/kubernetes/admin.conf wait --for=condition=Ready --timeout=4m node "${nodes[@]}"
report "Ready: $NODES"
