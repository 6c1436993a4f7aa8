# shellcheck shell=bash source-path=SCRIPTDIR
# Judges a change of the cluster's machines and StorageClasses by what only the living cluster shows, before anything is made or disturbed.
# Before another Kubernetes comes, what etcd holds is written to a file on this machine.
# Parameters: MASTERS, WORKERS (name=address …), VERSION (of Kubernetes, without v), CLASSES (names), all as they are to be,
#   REPOSITORY (URL of the packages of that version; none where templates hold it)
source prelude.sh
source etcd.sh
source packages.sh
source api.sh
source volumes.sh
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

# Classes of this program that are not to be there any more.
for class in $(kubectl get storageclasses --selector app.kubernetes.io/part-of=esxi-k8s --output 'jsonpath={.items[*].metadata.name}'); do
  [[ " $CLASSES " != *" $class "* ]] || continue
  why=$(why_kept "$class")
  [ -z "$why" ] || problems+=("$why")
done

# Kubernetes goes to the next minor release at most, never back, and from a control plane that is well as a whole.
judge_upgrade() {
  local name ready client said options
  # shellcheck disable=SC2153 # a parameter
  local to=${VERSION%.*} next=${1%%.*}.$(($(cut -d. -f2 <<<"$1") + 1))
  if [ "$(printf '%s\n' "$1" "$VERSION" | sort --version-sort | tail -n 1)" != "$VERSION" ]; then
    problems+=("the cluster has Kubernetes $1 and does not go back to $VERSION: set kubernetes.version to $1 or newer")
    return
  elif [ "$to" != "${1%.*}" ] && [ "$to" != "$next" ]; then
    problems+=("the cluster has Kubernetes $1 and takes one minor release at a time: set kubernetes.version to one of $next first")
    return
  fi

  while read -r name ready; do
    [ "$ready" = True ] || problems+=("the master $name is not Ready: an upgrade begins when all are, so bring it back first, or remove it")
  done < <(kubectl get nodes --selector node-role.kubernetes.io/control-plane --output 'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}')
  while read -r _ name _ client _; do
    grep --quiet --line-regexp "$name" <<<"$healthy" ||
      problems+=("the etcd member $name is not healthy: an upgrade begins when all are, so bring it back first")
    curl --silent --fail --max-time 10 --output /dev/null --cacert /etc/kubernetes/pki/ca.crt "${client%:*}:6443/readyz" ||
      problems+=("the API server of $name does not answer at ${client%:*}:6443: an upgrade begins when all do, so bring it back first")
  done < <(members)

  # This machine's own repository may be that of another minor release.
  local sources=/etc/apt/sources.list.d/esxi-k8s-kubernetes.sources apt
  if [ -n "$REPOSITORY" ] && [ -e "$sources" ]; then
    apt=$(mktemp -d)
    mkdir -p "$apt"/{lists,cache}/partial
    sed "s|^URIs: .*|URIs: $REPOSITORY|" "$sources" >"$apt/kubernetes.sources"
    options=(-o Dir::Etc::sourcelist="$apt/kubernetes.sources" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$apt/lists"
      -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any)
    if apt-get "${apt_options[@]}" "${options[@]}" update >"$apt/said" 2>&1; then
      for name in kubeadm kubelet kubectl; do
        said=$(apt-cache "${options[@]}" madison "$name" | cut -d'|' -f2 | tr -d ' ')
        grep --quiet "^${VERSION//./\\.}-" <<<"$said" ||
          problems+=("$REPOSITORY has no $name $VERSION, only $(head -n 5 <<<"${said:-none at all}" | xargs): set kubernetes.version to one that is there, or mirror the wanted one")
      done
    else
      problems+=("the package repository $REPOSITORY cannot be used: $(why "$apt/said")")
    fi
    rm -rf "$apt"
  fi
}

# keep_snapshot: what etcd holds, in a file that only root reads, and which etcd itself has read again.
keep_snapshot() {
  local folder=$state/snapshots file=before-$VERSION.db
  mkdir -p "$folder"
  etcdctl snapshot save "/var/lib/etcd/$file"
  etcdutl snapshot status "/var/lib/etcd/$file"
  mv "/var/lib/etcd/$file" "$folder/"
  report "etcd's data is in $folder/$file on $NODE"
}

version=$(configured_version)
if [ "$VERSION" != "$version" ]; then
  judge_upgrade "$version"
  ((${#problems[@]})) || keep_snapshot
fi

if ((${#problems[@]})); then
  for problem in "${problems[@]}"; do
    echo "$problem"
  done
  exit 1
fi
report "the cluster takes this change"
