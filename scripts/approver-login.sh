#!/usr/bin/env bash
# Logs the approver of serving certificates in, whenever it starts: with a token that ends with it. Runs as root, before it.
# Argument: the kubeconfig to write, in a folder of the approver's own.
set -euo pipefail
umask 077
export KUBECONFIG=/etc/kubernetes/admin.conf

token=$(kubectl --namespace kube-system create token esxi-k8s-approver --duration 8h)
server=$(kubectl config view --output 'jsonpath={.clusters[0].cluster.server}')
authority=$(base64 --wrap 0 /etc/kubernetes/pki/ca.crt)
cat >"$1" <<JSON
{
  "apiVersion": "v1", "kind": "Config", "current-context": "approver",
  "contexts": [{"name": "approver", "context": {"cluster": "cluster", "user": "approver"}}],
  "clusters": [{"name": "cluster", "cluster": {"server": "$server", "certificate-authority-data": "$authority"}}],
  "users": [{"name": "approver", "user": {"token": "$token"}}]
}
JSON
chown --reference "${1%/*}/." "$1"
