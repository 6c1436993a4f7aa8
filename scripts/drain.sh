# shellcheck shell=bash
# How a node is emptied. The policy is the cluster's at that moment: how long pods may take, and whether it goes on without them.
# What cannot be asked is no answer: nothing is removed because a question failed.
shopt -s inherit_errexit

# drain NODE [CLAIMS]: cordons and drains. With `move-claims`, replicas whose only data is a volume on that node are made anew elsewhere, one
# at a time, as the disruption budget of their set allows; without, only if the node could not be emptied otherwise.
drain() {
  local node=$1 move=${2:-} timeout limit force began output status there
  output=$(mktemp -p /run)
  timeout=$(policy timeout 10m)
  force=$(policy force false)
  if [ "$(node_ready "$node")" != True ]; then
    echo "$node is not Ready: its pods cannot be asked to go"
    return
  fi
  if [ "$move" = move-claims ] && [ "$force" != true ]; then
    refuse_lonely_claims "$node"
  fi
  kubectl cordon "$node"
  kubectl annotate --overwrite node "$node" esxi-k8s/away=yes
  local options=(--ignore-daemonsets --delete-emptydir-data)
  # Pods that nobody makes anew are lost.
  [ "$force" != true ] || options+=(--force)
  limit=$(seconds_of "$timeout")
  began=$SECONDS
  while true; do
    local left=$((limit ? began + limit - SECONDS : 0))
    command kubectl drain "$node" "${options[@]}" --timeout "${left}s" >"$output" 2>&1 &
    local draining=$!
    while kill -0 "$draining" 2>/dev/null; do
      sleep 2
      if [ "$move" = move-claims ] || ((SECONDS - began > 20)); then
        move_claims "$node" || true
      fi
    done
    wait "$draining" && status=0 || status=$?
    if ((status != 0)); then
      there=$(kubectl get node "$node" --ignore-not-found --output name)
      if [ -z "$there" ]; then
        # The run of somebody else, or one that was cut off and is still at work.
        echo "$node has left meanwhile"
        rm "$output"
        return
      fi
    fi
    # It ends with the first connection that does. What it may not delete it may not delete later either.
    if ((status == 0 || (limit && began + limit - SECONDS <= 2))) || grep --quiet 'cannot delete' "$output"; then
      break
    fi
    sleep 1
  done
  tail --lines=6 "$output"
  rm "$output"
  [ "$status" -ne 0 ] || return 0
  if [ "$force" = true ]; then
    echo "$node was not empty after $timeout, and kubernetes.drain.force says to go on"
    return
  fi
  undo_drain "$node" || true
  echo "$node was not empty after $timeout, so nothing was removed: make room for its pods or correct their PodDisruptionBudgets, or set kubernetes.drain.force, and run pulumi up again"
  return 1
}

# undo_drain NODE: lets pods onto a node again that a step had cordoned; what others cordoned stays so.
undo_drain() { retry_for 60 "the API server, to let pods onto $1 again" take_back "$1"; }
take_back() {
  local ours
  ours=$(kubectl get node "$1" --ignore-not-found --output 'jsonpath={.metadata.annotations.esxi-k8s/away}') || return
  [ "$ours" != yes ] || { kubectl uncordon "$1" && kubectl annotate node "$1" esxi-k8s/away-; }
}

# seconds_of DURATION: such as 90s, 10m or 1h30m.
seconds_of() {
  [[ $1 =~ ^(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?$ ]]
  echo $((10#${BASH_REMATCH[2]:-0} * 3600 + 10#${BASH_REMATCH[4]:-0} * 60 + 10#${BASH_REMATCH[6]:-0}))
}

policy() {
  local value
  value=$(kubectl --namespace kube-system get configmap esxi-k8s-drain --ignore-not-found --output "jsonpath={.data.$1}")
  echo "${value:-$2}"
}

node_ready() {
  kubectl get node "$1" --ignore-not-found --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
}

# claims_on NODE: a line `NAMESPACE CLAIM` for each claim whose volume is bound to that node.
claims_on() {
  kubectl get persistentvolumes --output 'jsonpath={range .items[?(@.status.phase=="Bound")]}{.spec.claimRef.namespace} {.spec.claimRef.name} {.spec.nodeAffinity.required.nodeSelectorTerms[*].matchExpressions[?(@.key=="kubernetes.io/hostname")].values[*]}{"\n"}{end}' |
    awk -v node="$1" '$3 == node { print $1, $2 }'
}

# users_of NAMESPACE CLAIM: a line `POD PHASE NODE REPLICAS` for each pod that uses the claim. NODE is - as long as it has none, REPLICAS is 0
# unless a StatefulSet makes the pod, and its claim, anew.
users_of() {
  local pod phase node kind set claims replicas
  while IFS='|' read -r pod phase node kind set claims; do
    [[ " $claims " == *" $2 "* ]] || continue
    replicas=0
    if [ "$kind" = StatefulSet ]; then
      replicas=$(kubectl --namespace "$1" get statefulset "$set" --ignore-not-found --output 'jsonpath={.spec.replicas}' </dev/null)
    fi
    echo "$pod $phase ${node:--} ${replicas:-0}"
  done < <(kubectl --namespace "$1" get pods --output 'jsonpath={range .items[*]}{.metadata.name}|{.status.phase}|{.spec.nodeName}|{.metadata.ownerReferences[0].kind}|{.metadata.ownerReferences[0].name}|{.spec.volumes[*].persistentVolumeClaim.claimName}{"\n"}{end}')
}

# refuse_lonely_claims NODE: data of which nothing else has a copy does not go with a node silently.
refuse_lonely_claims() {
  local namespace claim claims lonely=()
  claims=$(claims_on "$1")
  while read -r namespace claim; do
    [ -n "$claim" ] || continue
    if ! users_of "$namespace" "$claim" | awk '$4 > 1 { replicated = 1 } END { exit !replicated }'; then
      lonely+=("$namespace/$claim")
    fi
  done <<<"$claims"
  if ((${#lonely[@]})); then
    echo "$1 holds volumes of which no replica is elsewhere: ${lonely[*]}; move or delete them, or set kubernetes.drain.force to lose them, and run pulumi up again"
    return 1
  fi
}

# move_claims NODE: a replica that waits for its volume on a node that is being emptied gets a new one on another.
move_claims() {
  local namespace claim pod phase on replicas
  while read -r namespace claim; do
    while read -r pod phase on replicas; do
      if [ "$phase" = Pending ] && [ "$on" = - ] && [ "$replicas" -gt 1 ]; then
        echo "$namespace/$pod gets a new volume elsewhere"
        kubectl --namespace "$namespace" delete persistentvolumeclaim "$claim" --wait=false
        kubectl --namespace "$namespace" delete pod "$pod" --wait=false
      fi
    done < <(users_of "$namespace" "$claim")
  done < <(claims_on "$1")
}
