# shellcheck shell=bash source-path=SCRIPTDIR
# Judges a change of the cluster's machines by what only the living cluster shows, before any of them is made or disturbed.
# Parameters: MASTERS, WORKERS (name=address …, as they are to be)
source prelude.sh
source etcd.sh
export KUBECONFIG=/etc/kubernetes/admin.conf
problems=()

declare -A wanted
# shellcheck disable=SC2153 # parameters
for node in $MASTERS $WORKERS; do
  wanted[${node%%=*}]=${node#*=}
done

# Members that stay have to be a majority of those that stay, however many leave.
healthy=$(healthy_members)
staying=0 up=0 down=()
while read -r _ name _; do
  [[ " $MASTERS" == *" $name="* ]] || continue
  staying=$((staying + 1))
  if grep --quiet --line-regexp "$name" <<<"$healthy"; then
    up=$((up + 1))
  else
    down+=("$name")
  fi
done < <(members)
if ((up < staying / 2 + 1)); then
  problems+=("etcd's members ${down[*]} are down, and $up of the $staying that stay are no majority: bring them back first")
fi

# Who has an address answers to ARP, whatever a firewall keeps from answering to ping.
claimant() {
  ip neighbour flush to "$1"
  ping -c 1 -W 1 "$1" >/dev/null 2>&1 || true
  ip neighbour show "$1" | sed -n 's/.* lladdr \([^ ]*\) .*/\1/p'
}

# An address is free if nobody has it; of nodes that are there it is theirs.
known=$(kubectl get nodes --output 'jsonpath={range .items[*]}{.metadata.name}={.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}')
for name in "${!wanted[@]}"; do
  address=${wanted[$name]}
  grep --quiet --line-regexp "$name=$address" <<<"$known" && continue
  mac=$(claimant "$address")
  [ -z "$mac" ] || problems+=("$address is to be that of $name, but the machine with the MAC address $mac has it: give $name another, or free this one")
done

if ((${#problems[@]})); then
  for problem in "${problems[@]}"; do
    echo "$problem"
  done
  exit 1
fi
report "the cluster takes this change"
