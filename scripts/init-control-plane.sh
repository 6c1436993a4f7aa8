# shellcheck shell=bash
# Makes the first master. Parameters: CONFIG (kubeadm's configuration)
if done_before; then
  exit 0
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
