# shellcheck shell=bash source-path=SCRIPTDIR
# Makes the first master.
# Parameters: VERSION (without v), ENDPOINT (host:port in front of all masters). Text: CONFIG (kubeadm's configuration)
source prelude.sh
alone_on_node
made_with=$state/$STEP.config
if done_before; then
  if ! difference=$(diff "$made_with" <(printf '%s' "$CONFIG")); then
    printf '%s\n' "$difference"
    echo "the control plane was made with the lines marked <, and a living one cannot be given those marked >: put the configuration back"
    exit 1
  fi
  exit 0
fi

# A second init would make a second cluster with another certificate authority behind the same address.
if [ ! -e /etc/kubernetes/pki ] && curl -sk --max-time 10 -o /dev/null "https://$ENDPOINT/version"; then
  echo "a control plane serves at $ENDPOINT already, so $NODE must not be initialized: the first master by name has to stay the one that was; give new masters later names"
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
printf '%s' "$CONFIG" >"$made_with"
mark_done
report "Kubernetes $VERSION serves at $ENDPOINT"
