# shellcheck shell=bash source-path=SCRIPTDIR
# How a node is emptied. The policy is the cluster's at that moment: how long pods may take, and whether it goes on without them.
# What cannot be asked is no answer: nothing is removed because a question failed.
shopt -s inherit_errexit
source claims.sh
source newcomers.sh

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
  [ "$force" = true ] || await_newcomers "$node"
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
