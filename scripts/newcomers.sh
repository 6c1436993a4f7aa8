# shellcheck shell=bash
# Nodes that have just come in the place of others: what every node of a pool runs is to be at work there before the next one goes.

# not_yet NODE: a line `DAEMONSET on NODE` for each that has a pod on NODE and none that is Ready on a node of its pool that is ten minutes old
# at most. Masters are a pool as well.
not_yet() {
  local nodes pods
  nodes=$(kubectl get nodes --output "jsonpath={range .items[*]}{.metadata.name} {.metadata.creationTimestamp} pool={.metadata.labels['esxi-k8s/pool']}{\"\\n\"}{end}")
  pods=$(kubectl get pods --all-namespaces --output 'jsonpath={range .items[*]}{.spec.nodeName} {.metadata.ownerReferences[0].kind} {.metadata.ownerReferences[0].name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}')
  awk -v going="$1" -v since="$(date --utc --date '-10 minutes' +%FT%TZ)" '
    NR == FNR { pool[$1] = $3; if ($2 > since) came[$1]; next }
    $2 != "DaemonSet" { next }
    $1 == going { wanted[$3] }
    $4 == "True" { ready[$3, $1] }
    END {
      for (node in came)
        if (node != going && pool[node] == pool[going])
          for (set in wanted)
            if (!((set, node) in ready)) print set " on " node
    }
  ' <(echo "$nodes") <(echo "$pods")
}

# all_there NODE: sets `missing` to what is not.
all_there() { missing=$(not_yet "$1") && [ -z "$missing" ]; }

# await_newcomers NODE: before NODE goes. What never becomes Ready holds up nobody for ever.
await_newcomers() {
  local missing=''
  retry_for 180 "nodes that have just come" all_there "$1" ||
    echo "$1 is emptied all the same; not Ready yet: $(paste --serial --delimiters ',' <<<"$missing")"
}
