# shellcheck shell=bash source-path=SCRIPTDIR
# Pods of DaemonSets on a node that leaves. A drain leaves them, and the machine would take them along in the middle of what they pass on.
source tolerations.sh
leaving_taint=esxi-k8s/leaving

# guests NODE: a line `NAMESPACE/POD` for each pod of a DaemonSet that does not tolerate that its node leaves. What the node itself needs
# tolerates everything.
guests() {
  local pods
  pods=$(kubectl get pods --all-namespaces --field-selector "spec.nodeName=$1" --output json)
  judge_pods "$leaving_taint" 3<<<"$pods" <<'PYTHON'
import json, os, sys
for pod in json.load(os.fdopen(3))["items"]:
    metadata = pod["metadata"]
    daemon = any(owner["kind"] == "DaemonSet" for owner in metadata.get("ownerReferences", []))
    stays = tolerates(pod, {"key": sys.argv[1], "effect": "NoExecute"})
    if daemon and not stays and pod["status"]["phase"] not in ("Succeeded", "Failed"):
        print(metadata["namespace"] + "/" + metadata["name"])
PYTHON
}

# end_daemons NODE: has them end as they like to, in the time that they ask for; forty seconds at most. A node that has left meanwhile
# has none.
end_daemons() {
  kubectl taint node "$1" --overwrite "$leaving_taint=:NoExecute" || return 0
  retry_for 40 "the end of what $1 runs like every node" have_ended "$1" || true
}
have_ended() {
  local left
  left=$(guests "$1") && [ -z "$left" ]
}
