# shellcheck shell=bash
# Waits until nodes are Ready. Parameters: NODES (names, separated by blanks)
# shellcheck disable=SC2086 # several names
kubectl --kubeconfig /etc/kubernetes/admin.conf wait --for=condition=Ready --timeout="${TIMEOUT}s" node $NODES
