# shellcheck shell=bash
# Masters join etcd one after the other. It takes in one learner at a time and refuses others, but writes down what it refuses: a member that
# is started again takes each of those for a peer, and asks for it dozens of times a second from then on (read and seen in 3.7.0).
turn=esxi-k8s-etcd-join
turn_seconds=120

# take_turn NAME: a turn ends when who has it votes. One that was torn ends by its time; its learner goes when it is admitted again.
take_turn() {
  local all learner version holder since verb=create
  all=$(members)
  learner=$(awk -v name="$1" '$5 == "true" && $2 != name { print ($2 == "-" ? $3 : $2) }' <<<"$all")
  if [ -n "$learner" ]; then
    echo "$1 waits for $learner, which etcd is taking in"
    return 1
  fi
  read -r version holder since < <(kubectl -n kube-system get lease "$turn" --ignore-not-found \
    -o 'jsonpath={.metadata.resourceVersion} {.spec.holderIdentity} {.spec.acquireTime}{"\n"}') || true
  if [ -n "$holder" ] && [ "$holder" != "$1" ] && (($(date +%s) - $(date --date "$since" +%s) < turn_seconds)) &&
    ! grep -q "^[^ ]* $holder .* false$" <<<"$all"; then
    echo "$1 waits for $holder, which is joining"
    return 1
  fi
  # Refused if another one took it meanwhile.
  if [ -n "$version" ]; then
    verb=replace
    version="resourceVersion: '$version'"
  fi
  kubectl "$verb" -f - <<EOF
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  namespace: kube-system
  name: $turn
  $version
spec:
  holderIdentity: $1
  acquireTime: "$(date --utc +%FT%T.%6NZ)"
  leaseDurationSeconds: $turn_seconds
EOF
}
