# shellcheck shell=bash
# How kubeadm, itself of another VERSION already, brings its part of a node, or of the cluster, to it.

# Checks to skip, with commas, as the node was told when it was prepared.
# shellcheck disable=SC2154 # the prelude's
ignored=$state/ignored-preflight-errors

kubeadm_upgrade() {
  local checks
  checks=$(cat "$ignored" 2>/dev/null || true)
  kubeadm upgrade "$@" ${checks:+--ignore-preflight-errors "$checks"}
}

# upgrade_node: what runs on this node. The first master takes what all nodes share along, the last one what runs on all of them.
upgrade_node() {
  if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] && [ "$(cluster_version)" != "$VERSION" ]; then
    upgrade_cluster
  else
    kubeadm_upgrade node
  fi
}

# upgrade_cluster: what all nodes share, and what runs on this master. Once begun, it is repeated as a whole until it has been finished.
upgrade_cluster() {
  local before
  before=$(cluster_version)
  # kubeadm writes its own down before it has done all.
  record_version "$before"
  kubeadm_upgrade apply "v$VERSION" --yes
  record_version "$VERSION"
}

# cluster_version: that which it has as a whole.
cluster_version() {
  local recorded
  recorded=$(kubectl --namespace kube-system get configmap esxi-k8s-kubernetes --ignore-not-found --output 'jsonpath={.data.version}')
  if [ -n "$recorded" ]; then echo "$recorded"; else configured_version; fi
}
record_version() {
  kubectl --namespace kube-system create configmap esxi-k8s-kubernetes --from-literal "version=$1" --dry-run=client --output json |
    command kubectl apply --filename -
}
