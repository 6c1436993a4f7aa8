# shellcheck shell=bash
# Calls of the API server by the address of all masters. The one that answers may leave at that moment, or etcd may be electing a leader: what was
# not answered is asked again, and nothing that is asked here does harm the second time. An answer, whatever it says, is one.
export KUBECONFIG=/etc/kubernetes/admin.conf
unanswered='EOF|broken pipe|connection (refused|reset|lost)|was refused|i/o timeout|handshake timeout|deadline exceeded|etcdserver: |currently unable to handle'

kubectl() {
  local errors deadline='' status
  errors=$(mktemp -p /run)
  until
    command kubectl "$@" 2>"$errors" && status=0 || status=$?
    ((status == 0))
  do
    deadline=${deadline:-$((SECONDS + 60))}
    if ((SECONDS >= deadline)) || ! grep --quiet --extended-regexp "$unanswered" "$errors"; then
      break
    fi
    sleep 1
  done
  cat "$errors" >&2
  rm "$errors"
  return "$status"
}

# configured_version: of Kubernetes, without v, as kubeadm has it written down for the cluster.
configured_version() {
  kubectl --namespace kube-system get configmap kubeadm-config --output 'jsonpath={.data.ClusterConfiguration}' |
    sed -n 's/^kubernetesVersion: v//p'
}
