# shellcheck shell=bash source-path=SCRIPTDIR
# Waits until the nodes of a pool are Ready, and brings their labels and taints to what the configuration says; what it said before is
# taken away. Runs on a master.
# Parameters: NODES (names, separated by blanks), LABELS (key=value …), TAINTS (key=value:effect …)
source prelude.sh
export KUBECONFIG=/etc/kubernetes/admin.conf

# shellcheck disable=SC2153 # a parameter
read -ra nodes <<<"$NODES"
read -ra new_labels <<<"$LABELS"
read -ra new_taints <<<"$TAINTS"
kubectl wait --for=condition=Ready --timeout=4m node "${nodes[@]}"

wanted=$(printf '%s\n' "${new_labels[@]/#/label }" "${new_taints[@]/#/taint }" | sed -E 's/^label ([^=]*)=.*/label \1/; s/^taint ([^=:]*)(=[^:]*)?:/taint \1:/')
while IFS=$'\t' read -r node applied; do
  [[ " $NODES " == *" $node "* ]] || continue
  while read -r kind key; do
    if [ -n "$key" ] && ! grep -qxF "$kind $key" <<<"$wanted"; then
      # A label or taint that somebody removed by hand is gone already.
      kubectl "$kind" node "$node" "$key-" </dev/null || true
    fi
  done < <(tr ';' '\n' <<<"$applied")
done < <(kubectl get nodes --output \
  "jsonpath={range .items[*]}{.metadata.name}{'\t'}{.metadata.annotations['esxi-k8s/applied']}{'\n'}{end}")

if [ "${#new_labels[@]}" -gt 0 ]; then
  kubectl label node "${nodes[@]}" --overwrite "${new_labels[@]}"
fi
if [ "${#new_taints[@]}" -gt 0 ]; then
  kubectl taint node "${nodes[@]}" --overwrite "${new_taints[@]}"
fi
kubectl annotate node "${nodes[@]}" --overwrite "esxi-k8s/applied=$(tr '\n' ';' <<<"$wanted")"
report "Ready and labelled: $NODES"
