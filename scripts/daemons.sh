# shellcheck shell=bash
# Pods of DaemonSets on a node that leaves. A drain leaves them, and the machine would take them along in the middle of what they pass on.
leaving_taint=esxi-k8s/leaving

# guests NODE: a line `NAMESPACE/POD` for each pod of a DaemonSet that does not tolerate that its node leaves. What the node itself needs tolerates everything.
guests() {
  kubectl get pods --all-namespaces --field-selector "spec.nodeName=$1" --output json | python3 -c '
import json, sys
for pod in json.load(sys.stdin)["items"]:
    metadata = pod["metadata"]
    daemon = any(owner["kind"] == "DaemonSet" for owner in metadata.get("ownerReferences", []))
    stays = any(
        t.get("operator") == "Exists" and t.get("key", sys.argv[1]) == sys.argv[1] and t.get("effect", "NoExecute") == "NoExecute"
        for t in pod["spec"].get("tolerations", [])
    )
    if daemon and not stays and pod["status"]["phase"] not in ("Succeeded", "Failed"):
        print(metadata["namespace"] + "/" + metadata["name"])
' "$leaving_taint"
}

# end_daemons NODE: has them end as they like to, in the time that they ask for; forty seconds at most. A node that has left meanwhile has
# none.
end_daemons() {
  kubectl taint node "$1" --overwrite "$leaving_taint=:NoExecute" || return 0
  retry_for 40 "the end of what $1 runs like every node" have_ended "$1" || true
}
have_ended() {
  local left
  left=$(guests "$1") && [ -z "$left" ]
}
