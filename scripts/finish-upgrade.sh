# shellcheck shell=bash source-path=SCRIPTDIR
# Brings what kubeadm keeps for the whole cluster to the version that all masters have by now: masters that were made anew from another
# template have brought it themselves, but kube-proxy, CoreDNS and what nodes are configured with are still those of before. Then it waits
# for the new kube-proxy on every node that is well: without it, a node does not learn where pods have gone that move from here on.
# Parameter: VERSION (without v). Runs on any master that serves.
source prelude.sh
source api.sh
source upgrade.sh
source kept.sh
alone_on_node

found=$(kubeadm version --output short)
if [ "$found" != "v$VERSION" ]; then
  echo "$NODE has kubeadm $found, so the cluster cannot be brought to v$VERSION from here: see why this master was left behind, and run pulumi up again"
  exit 1
fi
proxy=$(kubectl --namespace kube-system get daemonset kube-proxy --output 'jsonpath={.spec.template.spec.containers[0].image}')
if [ "$(cluster_version)" != "$VERSION" ] || [ "${proxy##*:}" != "v$VERSION" ]; then
  upgrade_cluster
  keep_kubeadm
  all_kept
fi

# behind: nodes that are Ready, and on which the new kube-proxy is not.
behind() {
  {
    kubectl get nodes --output 'jsonpath={range .items[*]}node {.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}'
    kubectl --namespace kube-system get pods --selector k8s-app=kube-proxy --output 'jsonpath={range .items[*]}pod {.spec.nodeName} {.status.conditions[?(@.type=="Ready")].status} {.spec.containers[0].image}{"\n"}{end}'
  } | awk -v tag="v$VERSION" '
    $3 != "True" { next }
    $1 == "node" { well[$2] }
    $1 == "pod" && $4 ~ ":" tag "$" { new[$2] }
    END { for (node in well) if (!(node in new)) print node }' | sort | paste --serial --delimiters ' '
}
none_behind() { nodes=$(behind) && [ -z "$nodes" ]; }
if ! retry_for 300 "kube-proxy $VERSION on every node" none_behind; then
  echo "kube-proxy $VERSION is not Ready on $nodes: see what it lacks there ('kubectl --namespace kube-system describe pods --selector k8s-app=kube-proxy'), and run pulumi up again"
  exit 1
fi
report "the cluster has Kubernetes $VERSION"
