# shellcheck shell=bash
# How kubeadm, itself of another VERSION already, brings its part of a node, or of the cluster, to it. Checks in IGNORE are skipped.

upgrade_options=(${IGNORE:+--ignore-preflight-errors "$IGNORE"})

# upgrade_node: what runs on this node. The first master takes what all nodes share along, the last one what runs on all of them.
upgrade_node() {
  if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] && [ "$(cluster_version)" != "$VERSION" ]; then
    upgrade_cluster
  else
    kubeadm upgrade node "${upgrade_options[@]}"
  fi
}

# upgrade_cluster: what all nodes share, and what runs on this master. Once begun, it is repeated as a whole until it has been finished.
upgrade_cluster() {
  kubeadm upgrade apply "v$VERSION" --yes "${upgrade_options[@]}"
  kubectl --namespace kube-system create configmap esxi-k8s-kubernetes --from-literal "version=$VERSION" --dry-run=client --output json |
    command kubectl apply --filename -
}

# cluster_version: that to which it was upgraded last, as a whole; nothing when it never was.
cluster_version() {
  kubectl --namespace kube-system get configmap esxi-k8s-kubernetes --ignore-not-found --output 'jsonpath={.data.version}'
}
