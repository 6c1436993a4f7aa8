# shellcheck shell=bash
# Claims whose volumes are on one node alone, and what becomes of them when that goes.

# claims_on NODE: a line `NAMESPACE CLAIM VOLUME` for each claim whose volume is bound to that node.
claims_on() {
  kubectl get persistentvolumes --output 'jsonpath={range .items[?(@.status.phase=="Bound")]}{.spec.claimRef.namespace} {.spec.claimRef.name} {.metadata.name} {.spec.nodeAffinity.required.nodeSelectorTerms[*].matchExpressions[?(@.key=="kubernetes.io/hostname")].values[*]}{"\n"}{end}' |
    awk -v node="$1" '$4 == node { print $1, $2, $3 }'
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
  while read -r namespace claim _; do
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
  while read -r namespace claim _; do
    while read -r pod phase on replicas; do
      if [ "$phase" = Pending ] && [ "$on" = - ] && [ "$replicas" -gt 1 ]; then
        echo "$namespace/$pod gets a new volume elsewhere"
        kubectl --namespace "$namespace" delete persistentvolumeclaim "$claim" --wait=false
        kubectl --namespace "$namespace" delete pod "$pod" --wait=false
      fi
    done < <(users_of "$namespace" "$claim")
  done < <(claims_on "$1")
}

# lose_claims NODE: the machine of that name is gone, and its volumes with it. A replica of which others have the data gets a new one, wherever
# it runs next; what nothing has a copy of stays asked for, so that somebody sees that it is missing.
lose_claims() {
  local namespace claim volume pod on replicas
  while read -r namespace claim volume; do
    while read -r pod _ on replicas; do
      if [ "$replicas" -gt 1 ] && { [ "$on" = - ] || [ "$on" = "$1" ]; }; then
        echo "$namespace/$pod gets a new volume, since that on $1 is lost"
        kubectl --namespace "$namespace" delete persistentvolumeclaim "$claim" --wait=false
        # Nobody is there to say that it has ended, or to clean up.
        kubectl --namespace "$namespace" delete pod "$pod" --wait=false --force --grace-period=0
        kubectl delete persistentvolume "$volume" --wait=false
      fi
    done < <(users_of "$namespace" "$claim")
  done < <(claims_on "$1")
}
