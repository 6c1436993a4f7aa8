# shellcheck shell=bash
# Brings a node's labels and taints to what the configuration says, and takes away what it said before.
# Runs on a master. Parameters: TARGET (node), LABELS (key=value …), TAINTS (key=value:effect …)
export KUBECONFIG=/etc/kubernetes/admin.conf
annotation=esxi-k8s/applied

read -ra new_labels <<<"$LABELS"
read -ra new_taints <<<"$TAINTS"
wanted=$(printf '%s\n' "${new_labels[@]/#/label }" "${new_taints[@]/#/taint }" | sed -E 's/^label ([^=]*)=.*/label \1/; s/^taint ([^=:]*)(=[^:]*)?:/taint \1:/')
applied=$(kubectl get node "$TARGET" -o "jsonpath={.metadata.annotations['esxi-k8s/applied']}" | tr ';' '\n')

while read -r kind key; do
  if [ -n "$key" ] && ! grep -qxF "$kind $key" <<<"$wanted"; then
    # A label or taint that somebody removed by hand is gone already.
    kubectl "$kind" node "$TARGET" "$key-" || true
  fi
done <<<"$applied"

if [ "${#new_labels[@]}" -gt 0 ]; then
  kubectl label node "$TARGET" --overwrite "${new_labels[@]}"
fi
if [ "${#new_taints[@]}" -gt 0 ]; then
  kubectl taint node "$TARGET" --overwrite "${new_taints[@]}"
fi
kubectl annotate node "$TARGET" --overwrite "$annotation=$(tr '\n' ';' <<<"$wanted")"
