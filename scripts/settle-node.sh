# shellcheck shell=bash source-path=SCRIPTDIR
# Takes a node back that was restarted or upgraded: waits until it, and what runs on it in any case, does its work, and lets pods onto it.
# Runs on any master that serves.
# Parameters: NAME (of the node), SIZE (cpus x MiB), VERSION (of Kubernetes), RUNTIME (version of containerd), that it has: others are a
#   reason to run
source prelude.sh
source etcd.sh
source api.sh
source drain.sh

# The cluster takes a node for Ready for a while after its last word.
# shellcheck disable=SC2153 # a parameter
last_word() { kubectl --namespace kube-node-lease get lease "$NAME" --output 'jsonpath={.spec.renewTime}'; }
# A node that has just joined has said nothing yet.
before=$(last_word || true)
has_spoken() { now=$(last_word) && [ -n "$now" ] && [ "$now" != "$before" ]; }
retry_for 240 "a sign of life of $NAME" has_spoken
has_version() { [ "$(kubectl get node "$NAME" --output 'jsonpath={.status.nodeInfo.kubeletVersion}')" = "v$VERSION" ]; }
retry_for 60 "Kubernetes $VERSION on $NAME" has_version
kubectl wait --for=condition=Ready --timeout=4m node "$NAME"

# A master is back when its own API server and its etcd member are.
client=$(members | awk -v name="$NAME" '$2 == name { print $4 }')
if [ -n "$client" ]; then
  api=${client%:*}:6443
  serves() { curl --silent --fail --max-time 5 --output /dev/null --cacert /etc/kubernetes/pki/ca.crt "$api/readyz"; }
  retry_for 120 "the API server of $NAME" serves
  takes_part() { healthy=$(healthy_members) && grep --quiet --line-regexp "$NAME" <<<"$healthy"; }
  retry_for 120 "the etcd member $NAME" takes_part
fi

# pods_amiss: those of every node and of this one that are not Ready.
pods_amiss() {
  kubectl get pods --all-namespaces --field-selector "spec.nodeName=$NAME" --output 'jsonpath={range .items[*]}{.metadata.ownerReferences[0].kind} {.status.conditions[?(@.type=="Ready")].status} {.metadata.namespace}/{.metadata.name}{"\n"}{end}' |
    awk '($1 == "DaemonSet" || $1 == "Node") && $2 != "True" { print $3 }' | paste --serial --delimiters ' '
}
have_come() { amiss=$(pods_amiss) && [ -z "$amiss" ]; }
if ! retry_for 180 "the pods that $NAME has in any case" have_come && [ "$(policy force false)" != true ]; then
  echo "$NAME is back, but not Ready there: $amiss; see what they lack ('kubectl describe pod'), or set kubernetes.drain.force to go on without them, and run pulumi up again"
  exit 1
fi
undo_drain "$NAME"
report "back: $NAME"
