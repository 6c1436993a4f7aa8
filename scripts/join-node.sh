# shellcheck shell=bash source-path=SCRIPTDIR
# Joins this machine to the cluster. Parameters: ROLE (master | worker), JOIN_USER
# Texts: CONFIG (kubeadm's configuration with placeholders), MASTERS (lines of known_hosts)
# Standard input: the private key that asks a master for admission.
source prelude.sh
alone_on_node
if done_before; then
  exit 0
fi
if [ -e "$state/init-control-plane.done" ]; then
  echo "$NODE made this control plane and cannot join it: the first master by name has to stay the one that was; give new masters later names"
  exit 1
fi

work=$(mktemp -d /run/esxi-k8s-join.XXXXXX)
trap 'rm -rf "$work"; on_exit' EXIT
cat >"$work/key"
printf '%s\n' "$MASTERS" >"$work/known_hosts"

# A join that was torn (the machine lost power) cannot be continued; kubeadm takes its etcd member out again.
# Only what this step itself began is ever taken back.
if [ -e "$state/$STEP.begun" ]; then
  kubeadm reset --force
fi
touch "$state/$STEP.begun"

ask_for_admission() {
  local master
  while read -r master _; do
    if ssh -n -i "$work/key" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=10 -o ServerAliveCountMax=3 -o LogLevel=ERROR \
      -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$work/known_hosts" \
      "$JOIN_USER@$master" "$NODE" >"$work/admission"; then
      echo "admitted by $master"
      return
    fi
  done <"$work/known_hosts"
  return 1
}
# A node that was reset or replaced counts as alive for most of a minute.
retry_for 120 "a master that admits $NODE" ask_for_admission

value() { sed -n "s/^$1=//p" "$work/admission"; }
text=${CONFIG//@TOKEN@/$(value token)}
text=${text//@CA_HASH@/$(value ca_hash)}
text=${text//@CERTIFICATE_KEY@/$(value certificate_key)}
printf '%s' "$text" >"$work/join.yaml"
kubeadm join --config "$work/join.yaml"
mark_done
report "joined as $ROLE"
