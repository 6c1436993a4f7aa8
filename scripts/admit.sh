#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR
# Runs on a master as the forced command of a join key: prints the credentials for one join.
# Arguments: the role (master | worker) that the key stands for, and in one text the joining node's name, address, kubeadm's version, and
# `new` for a machine that was in no cluster before.
# Exits with 5 when a master has to ask again, because another one is joining.
# Prints lines `token=`, `ca_hash=`, `kube_proxy=` (the image that every node runs) and, for masters, `certificate_key=`.
set -euo pipefail
source etcd.sh
source claims.sh
source etcd-turn.sh

role=$1
read -r name address version before <<<"$2"
[[ $name =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ && $address =~ ^[0-9.]+$ && $version =~ ^v[0-9.]+$ ]] || {
  echo "a joining node has to give its name, its address and its version" >&2
  exit 2
}
export KUBECONFIG=/etc/kubernetes/admin.conf
[ -e "$KUBECONFIG" ] || {
  echo "$(hostname) is no member of a control plane yet" >&2
  exit 3
}

# A node of this name that was torn in the middle of its join, or whose machine was replaced, is forgotten. One that
# lives is not: a join key admits nodes, it does not remove any.
ready=$(kubectl get node "$name" --ignore-not-found -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')
masters=$(kubectl get nodes -l node-role.kubernetes.io/control-plane -o name)
if [ "$ready" = True ] || { [ "$role" = worker ] && grep -qx "node/$name" <<<"$masters"; }; then
  echo "there is a living node $name, or a master of that name: it has to go first" >&2
  exit 4
fi
kubectl delete node "$name" --ignore-not-found >&2
[ "$before" != new ] || lose_claims "$name" >&2
if [ "$role" = master ]; then
  # One that never started has no name, but the address that it was to have.
  members | while read -r id known peer _; do
    if [ "$known" = "$name" ] || [[ $known == - && $peer == "https://$address:2380" ]]; then
      etcdctl member remove "$id" >&2
    fi
  done
  take_turn "$name" >&2 || exit 5
fi

if [ "$role" = master ]; then
  # Of the authority's key, which whoever joins as a master gets anyway: masters that join at the same time, admitted by different
  # ones, read certificates that were uploaded under one key.
  certificate_key=$({ echo 'esxi-k8s certificate key' && cat /etc/kubernetes/pki/ca.key; } | sha256sum | cut -d' ' -f1)
  config=$(mktemp -p /run)
  trap 'rm -f "$config"' EXIT
  # A master that is made anew for another Kubernetes brings it: kubeadm runs there what the cluster's configuration names.
  kubectl -n kube-system get configmap kubeadm-config -o yaml >"$config"
  known=$(sed -nE 's/^ *kubernetesVersion: (v[0-9.]+)$/\1/p' "$config")
  if [ "$known" != "$version" ] && [ "$(printf '%s\n' "$known" "$version" | sort -V | tail -n 1)" = "$version" ]; then
    sed -E "s/^( *kubernetesVersion: ).*/\1$version/" "$config" | kubectl replace -f - >&2
  fi
  # With the cluster's own configuration, or kubeadm asks the internet for the newest version.
  {
    printf '%s\n' 'apiVersion: kubeadm.k8s.io/v1beta4' 'kind: InitConfiguration' "certificateKey: $certificate_key" '---'
    kubectl -n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}'
  } >"$config"
  kubeadm init phase upload-certs --upload-certs --skip-certificate-key-print --config "$config" >&2
fi
token=$(kubeadm token create --ttl 15m --description "join of $name")
echo "token=$token"
echo "ca_hash=sha256:$(openssl x509 -in /etc/kubernetes/pki/ca.crt -noout -pubkey |
  openssl pkey -pubin -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1)"
echo "kube_proxy=$(kubectl -n kube-system get daemonset kube-proxy --ignore-not-found -o 'jsonpath={.spec.template.spec.containers[0].image}')"
if [ "$role" = master ]; then
  echo "certificate_key=$certificate_key"
fi
