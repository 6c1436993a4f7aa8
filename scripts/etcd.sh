# shellcheck shell=bash source-path=SCRIPTDIR
# Calls of etcd on a master. Not by kubectl exec: the API server may not trust the kubelets' serving certificates yet, or ever.
source crictl.sh
in_etcd() { crictl exec "$(container_id etcd)" "$@"; }
etcdutl() { in_etcd etcdutl "$@"; }
etcdctl() {
  in_etcd etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt \
    --key /etc/kubernetes/pki/etcd/server.key "$@"
}

# members: a line `ID NAME PEER-URL CLIENT-URL LEARNER` for each; what is not known yet is -.
members() {
  etcdctl member list | awk -F', ' '{ for (i = 1; i <= 6; i++) if ($i == "") $i = "-"; print $1, $3, $4, $5, $6 }'
}

# healthy_members: names of those that vote and take part, whatever the others do.
healthy_members() {
  local name client learner
  while read -r _ name _ client learner; do
    if [ "$learner" = false ] && etcdctl --endpoints "$client" --command-timeout 3s endpoint health >/dev/null 2>&1 </dev/null; then
      echo "$name"
    fi
  done < <(members)
}

# remove_member ID MEMBERS: takes a member out of those that `members` has listed. A member that stays is asked: this machine's own may be the
# one that goes, and would take its answer with it.
remove_member() {
  local id client learner answer number pki=/etc/kubernetes/pki/etcd
  number=$(printf %u "0x$1")
  while read -r id _ _ client learner; do
    if [ "$id" = "$1" ] || [ "$learner" != false ]; then
      continue
    fi
    answer=$(curl --silent --show-error --max-time 10 --cacert "$pki/ca.crt" --cert "$pki/server.crt" --key "$pki/server.key" \
      --data "{\"ID\":\"$number\"}" "$client/v3/cluster/member/remove") || continue
    case $answer in
      *'"members"'* | *'member not found'*) return 0 ;;
      *) echo "$client: $answer" ;;
    esac
  done <<<"$2"
  return 1
}

# keeps_majority NAME away|gone: whether etcd goes on without a member that is away for a while, or is none any more; says why it does not.
keeps_majority() {
  local all healthy
  all=$(members | awk -v name="$1" -v how="$2" '$5 == "false" && !(how == "gone" && $2 == name)' | wc --lines)
  if ((all == 0)); then
    echo "$1 is the only master: the cluster would be lost with it, so let others join first"
    return 1
  fi
  healthy=$(healthy_members | grep --count --invert-match --line-regexp "$1" || true)
  if ((healthy <= all / 2)); then
    echo "without $1, $healthy of $all etcd members would be healthy, which is no majority: bring the others back first"
    return 1
  fi
}
