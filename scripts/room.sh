# shellcheck shell=bash source-path=SCRIPTDIR
# Whether the cluster has a place for what runs on a node, by labels and taints; how full places are is for the scheduler.
source tolerations.sh

# stranded NODE: a line `NAMESPACE/POD` for each pod there that no other node may take.
stranded() {
  local nodes pods
  nodes=$(kubectl get nodes --output json)
  pods=$(kubectl get pods --all-namespaces --field-selector "spec.nodeName=$1" --output json)
  # Pods of the node itself go with it, and those that nobody makes anew are not moved.
  judge_pods "$1" 3<<<"$nodes" 4<<<"$pods" <<'PYTHON'
import json, os, sys
def fulfils(rule, values):
    key, operator, wanted = rule["key"], rule["operator"], rule.get("values", [])
    if operator == "In":
        return values.get(key) in wanted
    if operator == "NotIn":
        return values.get(key) not in wanted
    if operator in ("Exists", "DoesNotExist"):
        return (key in values) == (operator == "Exists")
    number = int(values[key]) if values.get(key, "").isdigit() else None
    return number is not None and (number > int(wanted[0]) if operator == "Gt" else number < int(wanted[0]))
def takes(node, pod):
    spec, labels = node["spec"], node["metadata"].get("labels", {})
    if spec.get("unschedulable") or not any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"]):
        return False
    if any(t["effect"] != "PreferNoSchedule" and not tolerates(pod, t) for t in spec.get("taints", [])):
        return False
    if any(labels.get(key) != value for key, value in pod["spec"].get("nodeSelector", {}).items()):
        return False
    required = pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(
        all(fulfils(rule, labels) for rule in term.get("matchExpressions", []))
        and all(fulfils(rule, {"metadata.name": node["metadata"]["name"]}) for rule in term.get("matchFields", []))
        for term in required["nodeSelectorTerms"]
    )
others = [node for node in json.load(os.fdopen(3))["items"] if node["metadata"]["name"] != sys.argv[1]]
for pod in json.load(os.fdopen(4))["items"]:
    owners = [owner["kind"] for owner in pod["metadata"].get("ownerReferences", []) if owner.get("controller")]
    if not owners or owners[0] in ("DaemonSet", "Node") or pod["status"]["phase"] in ("Succeeded", "Failed"):
        continue
    if not any(takes(node, pod) for node in others):
        print(pod["metadata"]["namespace"] + "/" + pod["metadata"]["name"])
PYTHON
}

# refuse_stranded NODE: what runs nowhere else keeps its node.
refuse_stranded() {
  local pods
  pods=$(stranded "$1" | awk 'NR <= 4' | paste --serial --delimiters ' ')
  if [ -n "$pods" ]; then
    echo "$1 stays, because no other node may take $pods: give them another place or remove them, or set kubernetes.drain.force to leave them without, and run pulumi up again"
    return 1
  fi
}
