# shellcheck shell=bash source-path=SCRIPTDIR
# Brings what kubeadm keeps for the whole cluster to the version that all masters have by now: masters that were made anew from another
# template have brought it themselves, but kube-proxy, CoreDNS and what nodes are configured with are still those of before.
# Parameters: VERSION (without v), IGNORE (checks of kubeadm to skip, with commas). Runs on any master that serves.
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
report "the cluster has Kubernetes $VERSION"
