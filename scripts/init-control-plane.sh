# shellcheck shell=bash source-path=SCRIPTDIR
# Founds the cluster on this machine.
# Parameters: VERSION (without v), ENDPOINT (host:port in front of all masters). Text: CONFIG (kubeadm's configuration)
source prelude.sh
alone_on_node
if done_before; then
  exit 0
fi

# A second init would make a second cluster with another certificate authority behind the same address.
if [ ! -e /etc/kubernetes/pki ] && curl -sk --max-time 10 -o /dev/null "https://$ENDPOINT/version"; then
  echo "a control plane serves at $ENDPOINT already, so $NODE must not found another: it is not of this stack, whose state knows none; give the stack another address, or end what answers there"
  exit 1
fi

# What an interrupted init left is continued, never reset: kubeadm reuses the certificates and etcd's data,
# so that this is harmless even on a cluster that is alive.
resume=()
if [ -e /etc/kubernetes/pki ]; then
  resume=(--ignore-preflight-errors "$(printf '%s,' Port-{6443,10250,10257,10259,2379,2380} \
    FileAvailable--etc-kubernetes-manifests-{kube-apiserver,kube-controller-manager,kube-scheduler,etcd}.yaml)DirAvailable--var-lib-etcd")
fi

file=/run/esxi-k8s-init.yaml
printf '%s' "$CONFIG" >"$file"
kubeadm init --config "$file" --skip-token-print --skip-certificate-key-print "${resume[@]}"
rm "$file"
mark_done
report "Kubernetes $VERSION serves at $ENDPOINT"
