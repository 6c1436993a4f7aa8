# shellcheck shell=bash source-path=SCRIPTDIR
# Functions that renew the certificates of a master, with those about them (certificates.sh).
source crictl.sh

# renew_certificates: all of them, and lets what runs here take them, one after the other.
renew_certificates() {
  local container
  kubeadm certs renew all
  for container in etcd kube-apiserver kube-controller-manager kube-scheduler; do
    restart_container "$container"
  done
  retry_for 120 "the API server of $NODE" serves_here
}

# restart_container NAME: of a static pod, which the kubelet starts again; at once, since no container that has ended is there to show it that
# this one ended before, for which it would wait ever longer (up to five minutes).
restart_container() {
  local before ended
  before=$(container_id "$1")
  [ -z "$before" ] || crictl stop --timeout 30 "$before"
  ended=$(crictl ps --quiet --state Exited --name "^$1\$")
  # The kubelet may be removing the same.
  # shellcheck disable=SC2086 # Each is one.
  [ -z "$ended" ] || crictl rm $ended || true
  retry_for 120 "$1 to run again" restarted "$1" "$before"
}
restarted() { now=$(container_id "$1") && [ -n "$now" ] && [ "$now" != "$2" ]; }
serves_here() {
  kubectl --kubeconfig /etc/kubernetes/admin.conf --server https://localhost:6443 --tls-server-name kubernetes --request-timeout 5s get --raw /readyz
}
