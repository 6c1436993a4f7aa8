# shellcheck shell=bash source-path=SCRIPTDIR
# Joins this machine to the cluster, if it is not in it, and prints who it is there: NODE_UID and, for a master, MEMBER (of etcd).
# Parameters: ROLE (master | worker), ADDRESS (of this machine), MASTERS (ssh://user@host:port, where any that serves answers)
# Texts: CONFIG (kubeadm's configuration with placeholders), KNOWN_HOSTS (that of the masters)
# Standard input: the private key that asks a master for admission.
source prelude.sh
source etcd.sh
source images.sh
source kept.sh
alone_on_node

join() {
  work=$(mktemp -d /run/esxi-k8s-join.XXXXXX)
  trap 'on_exit; rm -rf "$work"' EXIT
  cat >"$work/key"
  printf '%s\n' "$KNOWN_HOSTS" >"$work/known_hosts"

  # A join that was torn (the machine lost power) cannot be continued; who admits it next takes its etcd member out.
  # Only what this step itself began is ever taken back.
  if [ -e "$state/$STEP.begun" ]; then
    kubeadm reset --force
  fi
  touch "$state/$STEP.begun"

  # Once in a cluster, it may have volumes, whatever became of the cluster.
  before=new
  [ ! -e "$state/was-member" ] || before=member
  # A node that was reset or replaced counts as alive for most of a minute.
  answered=$SECONDS
  refused=$SECONDS
  retry_for 900 "a master that admits $NODE" ask_for_admission

  # In the middle of an upgrade it is that of the version before, which a new template need not hold: without it, no pod of this node
  # would reach a Service.
  read -ra needed <<<"$(admitted kube_proxy)"
  pull_images "${needed[@]}"

  text=${CONFIG//@TOKEN@/$(admitted token)}
  text=${text//@CA_HASH@/$(admitted ca_hash)}
  text=${text//@CERTIFICATE_KEY@/$(admitted certificate_key)}
  printf '%s' "$text" >"$work/join.yaml"
  kubeadm join --config "$work/join.yaml"
  mark_done
}

ask_for_admission() {
  local status=0
  ssh -n -i "$work/key" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=10 -o ServerAliveCountMax=3 \
    -o LogLevel=ERROR -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$work/known_hosts" \
    "$MASTERS" "$NODE $ADDRESS $(kubeadm version --output short) $before" >"$work/admission" || status=$?
  # What ssh itself says: nobody was reached.
  if [ "$status" -ne 255 ]; then
    answered=$SECONDS
  elif ((SECONDS - answered >= 60)); then
    echo "no master answers at ${MASTERS#*@}, so $NODE cannot join: bring one back, then run pulumi up again; if no majority of them comes back, make restore SNAPSHOT=latest makes the cluster anew from a snapshot, as docs/runbooks/restoring.md says"
    exit 1
  fi
  # It is the turn of another master, and each ends.
  if [ "$status" -eq 5 ]; then
    refused=$SECONDS
  elif ((status && SECONDS - refused >= 180)); then
    echo "gave up after 180s waiting for a master that admits $NODE"
    exit 1
  fi
  return "$status"
}
admitted() { sed -n "s/^$1=//p" "$work/admission"; }

if [ -e "$state/restoring" ]; then
  echo "the restore of the cluster on $NODE was interrupted: run make restore again, with the same snapshot"
  exit 1
fi
# The machine that founded the cluster is in it.
done_before || [ -e "$state/init-control-plane.done" ] || join

node_uid() {
  local said
  if said=$(kubectl --kubeconfig /etc/kubernetes/kubelet.conf get node "$NODE" --output 'jsonpath={.metadata.uid}' 2>&1); then
    uid=$said
    return
  fi
  echo "$said"
  # A cluster that was restored from before this node joined does not know it. It makes itself known when it starts.
  if [[ $said == *NotFound* ]] && [ -z "${restarted:-}" ]; then
    systemctl restart kubelet
    restarted=yes
  fi
  return 1
}
retry_for 120 "the node $NODE in the cluster" node_uid
report "NODE_UID=$uid"
if [ "$ROLE" = master ]; then
  member() { member=$(members | awk -v name="$NODE" '$2 == name { print $1 }') && [ -n "$member" ]; }
  retry_for 120 "the etcd member $NODE" member
  report "MEMBER=$member"
fi

keep_kubeadm
all_kept
