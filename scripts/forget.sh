# shellcheck shell=bash

# forget_cluster: takes this machine out of whatever cluster it was in, as far as it knows. The data of its etcd is put aside, whatever it is.
forget_cluster() {
  local data=/var/lib/etcd/member aside link
  # The members that it would tell are gone, or are told by others.
  kubeadm reset --force --skip-phases remove-etcd-member
  if [ -e "$data" ]; then
    # shellcheck disable=SC2154 # the prelude's
    aside=$state/etcd-until-$(date --utc +%Y%m%dT%H%M%SZ)
    mv "$data" "$aside"
    report "what etcd on $NODE had is in $aside"
  fi
  rm -rf /var/lib/etcd/*
  # It may get another part of the pod network.
  rm -rf /run/flannel /etc/cni/net.d/10-flannel.conflist
  for link in cni0 flannel.1; do
    ip link delete "$link" 2>/dev/null || true
  done
  touch "$state/was-member"
  rm -f "$state"/{join-node,init-control-plane}.{begun,done}
}
