# shellcheck shell=bash source-path=SCRIPTDIR
# Begins the cluster of an opened snapshot on this machine, with the authorities that it had: nodes, kubeconfigs and tokens stay valid.
# Parameters: ADDRESS (of this machine), OTHERS (names of the other masters, which join anew)
source prelude.sh
source api.sh
source snapshots.sh
source forget.sh
alone_on_node
opened=/var/lib/esxi-k8s/restore config=/etc/esxi-k8s/snapshots/kubeadm.yaml
if [ ! -e "$opened/etcd.db" ]; then
  echo "no snapshot was opened on $NODE"
  exit 1
fi
if [ ! -e "$config" ]; then
  echo "$NODE does not know how a cluster is begun: run pulumi up first, whatever it ends with"
  exit 1
fi
trap 'on_exit; drop_etcd_programs' EXIT

# Until it is done, the cluster that comes up here is none that may go on: who asks again begins again.
touch "$state/restoring"
forget_cluster
for file in "${authorities[@]}"; do
  install -D -m 0600 "$opened/pki/$file" "$pki/$file"
done
etcd_programs "$(kubeadm config images list --config "$config" 2>/dev/null | grep '/etcd:')"
# Whoever watches has seen revisions that the snapshot does not know: from here on all are newer, and what was watched is compacted, so
# that everybody lists anew. By a token of its own, its member is not the one that its like was in an earlier life.
"$programs/etcdutl" snapshot restore "$opened/etcd.db" --data-dir /var/lib/etcd --name "$NODE" \
  --initial-cluster "$NODE=https://$ADDRESS:2380" --initial-advertise-peer-urls "https://$ADDRESS:2380" \
  --initial-cluster-token "restored-$(date --utc +%Y%m%dT%H%M%SZ)" --bump-revision 1000000000 --mark-compacted
# kube-proxy and CoreDNS are in the snapshot, as this program has set them.
kubeadm init --config "$config" --skip-phases addon --skip-token-print --skip-certificate-key-print \
  --ignore-preflight-errors DirAvailable--var-lib-etcd

# Nor is a Node that of its predecessor, whose leaving the state may still owe. The other masters have forgotten theirs, and are not waited for
# until they count as lost.
for node in $NODE $OTHERS; do
  kubectl delete node "$node" --ignore-not-found
  kubectl delete pods --all-namespaces --field-selector "spec.nodeName=$node" --force --grace-period 0
done
systemctl restart kubelet
known() { command kubectl get node "$NODE" >/dev/null 2>&1; }
retry_for 120 "the node $NODE in the cluster" known
for phase in 'upload-config kubelet' mark-control-plane; do
  # shellcheck disable=SC2086 # of two words
  kubeadm init phase $phase --config "$config"
done
touch "$state/join-node.done"
rm "$state/restoring"
rm -rf "$opened"/{pki,etcd.db,sha256sums}
report "the cluster is back on $NODE, alone: the next pulumi up lets the others join"
