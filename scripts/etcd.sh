# shellcheck shell=bash
# Calls of etcd on a master. Not by kubectl exec: the API server may not trust the kubelets' serving certificates yet, or ever.
crictl() { command crictl --runtime-endpoint unix:///run/containerd/containerd.sock "$@"; }
etcdctl() {
  crictl exec "$(crictl ps --quiet --state Running --name '^etcd$' | head -n 1)" etcdctl \
    --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt \
    --key /etc/kubernetes/pki/etcd/server.key "$@"
}

# members: a line `ID NAME PEER-URL CLIENT-URL LEARNER` for each; what is not known yet is -.
members() {
  etcdctl member list | awk -F', ' '{ for (i = 1; i <= 6; i++) if ($i == "") $i = "-"; print $1, $3, $4, $5, $6 }'
}

# healthy_members: names of those that vote and take part, whatever the others do.
healthy_members() {
  local name client learner
  while read -r _ name _ client learner; do
    if [ "$learner" = false ] && etcdctl --endpoints "$client" --command-timeout 3s endpoint health >/dev/null 2>&1 </dev/null; then
      echo "$name"
    fi
  done < <(members)
}
