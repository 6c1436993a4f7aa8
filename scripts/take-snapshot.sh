# shellcheck shell=bash source-path=SCRIPTDIR
# Takes a snapshot of the cluster and brings copies of it to where the settings say: etcd's data, the keys of the authorities, Consul's store.
# A timer runs it, and `make snapshot`. It needs this machine's etcd, not a quorum: what a master has left when the others are lost can be saved.
# Parameter: EVERY (minutes; while the newest is younger, it is copied where it is missing, and none is taken)
source prelude.sh
source etcd.sh
source snapshots.sh
settings=/etc/esxi-k8s/snapshots
folder=/var/lib/esxi-k8s/snapshots
# STACK, KEEP
# shellcheck source=/dev/null
source "$settings/settings"
mkdir -p "$folder"
exec 8>/run/lock/esxi-k8s-snapshot
flock 8
trap 'on_exit; drop_etcd_programs; rm -rf "$folder"/.work.* "$folder"/.*.part' EXIT

newest() { find "$folder" -maxdepth 1 -name '*.snapshot' "$@" | LC_ALL=C sort | tail --lines=1; }

take() {
  local taken=$1 part=$2 status sums written work etcd_pki=$pki/etcd
  work=$(mktemp -d "$folder/.work.XXXXXX")
  etcd_programs "$(sed -n 's/^ *image: *//p' /etc/kubernetes/manifests/etcd.yaml)"
  "$programs/etcdctl" --endpoints https://127.0.0.1:2379 --command-timeout 10m --cacert "$etcd_pki/ca.crt" \
    --cert "$etcd_pki/server.crt" --key "$etcd_pki/server.key" snapshot save "$work/etcd.db"
  if ! whole "$work/etcd.db" || ! status=$("$programs/etcdutl" snapshot status "$work/etcd.db" --write-out json); then
    echo "what etcd on $NODE gave is no whole snapshot: see its log, and whether the disk is full"
    return 1
  fi
  for file in "${authorities[@]}"; do
    install -D -m 0600 "$pki/$file" "$work/pki/$file"
  done
  # A store that does not answer is no reason to have no snapshot of the cluster.
  save_consul || report "without Consul's store, which did not answer"
  {
    echo format=1
    echo "stack=$STACK"
    echo "node=$NODE"
    echo "taken=$taken"
    echo "kubernetes=$(kubeadm version --output short)"
    echo "revision=$(field revision <<<"$status")"
    echo "keys=$(field totalKey <<<"$status")"
  } >"$work/manifest"
  sums=$(cd "$work" && find . -type f -exec sha256sum {} +)
  echo "$sums" >"$work/sha256sums"

  written=$(tar --create --directory "$work" . | gzip |
    openssl cms -encrypt -binary -stream -aes-256-gcm -outform DER "$settings/recipient.pem" | tee "$part" | sha256sum)
  sync "$part"
  if [ "$(sha256sum <"$part")" != "$written" ]; then
    echo "$part is not what was written to it: see whether the disk of $NODE is full or broken"
    return 1
  fi
  rm -rf "$work"
}

save_consul() {
  local consul=(kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 5s --namespace consul)
  "${consul[@]}" get service consul-ui >/dev/null 2>&1 || return 0
  timeout 60 /usr/local/lib/esxi-k8s/save-consul >"$work/consul.snap" </dev/null && return
  rm "$work/consul.snap"
  return 1
}

# copy FILE KIND TARGET PORT PATH: brings it to another machine, which verifies it, or is asked for it again.
copy() {
  local file=$1 kind=$2 target=$3 port=$4 path=$5 options name=${1##*/} hash size work
  options=(-F /dev/null -i "$settings/key" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10
    -o ServerAliveCountMax=3 -o LogLevel=ERROR -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$settings/known_hosts")
  if [ "$kind" = machine ]; then
    hash=$(sha256sum <"$file" | cut --delimiter=' ' --fields=1)
    size=$(stat --format %s "$file")
    ssh "${options[@]}" -p "$port" "$target" "$name $hash $size" <"$file"
    return
  fi
  work=$(mktemp -d "$folder/.work.XXXXXX")
  far() { sftp "${options[@]}" -P "$port" -b - "$target"; }
  printf '%s\n' "-mkdir $path" "put $file $path/.$name.part" "get $path/.$name.part $work/copy" | far || return
  if ! cmp "$file" "$work/copy"; then
    echo "$target has something else than it was given"
    return 1
  fi
  printf '%s\n' "rename $path/.$name.part $path/$name" "ls -1 $path" | far >"$work/list" || return
  # Older ones of this master.
  sed 's|.*/||' "$work/list" | { grep --extended-regexp "^$STACK-[0-9]{8}T[0-9]{6}Z-$NODE\.snapshot\$" || true; } | LC_ALL=C sort |
    head --lines="-$KEEP" | sed "s|^|rm $path/|" | far
}

snapshot=$(newest -mmin "-$EVERY")
if [ -z "$snapshot" ]; then
  now=$(date --utc +%s)
  name=$STACK-$(date --utc --date "@$now" +%Y%m%dT%H%M%SZ)-$NODE.snapshot
  take "$(date --utc --date "@$now" +%Y-%m-%dT%H:%M:%SZ)" "$folder/.$name.part"
  snapshot=$folder/$name
  mv "$folder/.$name.part" "$snapshot"
  find "$folder" -maxdepth 1 -name '*.snapshot' | LC_ALL=C sort | head --lines="-$KEEP" |
    while read -r old; do rm -f "$old" "$old.copies"; done
fi
report "snapshot ${snapshot##*/} $(stat --format %s "$snapshot")"

missing=()
touch "$snapshot.copies"
while read -r name kind target port path; do
  grep --quiet --line-regexp --fixed-strings "$name" "$snapshot.copies" && continue
  if said=$(copy "$snapshot" "$kind" "$target" "$port" "$path" 2>&1 </dev/null); then
    echo "$name" >>"$snapshot.copies"
  else
    missing+=("$name: $(tail --lines=1 <<<"$said")")
  fi
done <"$settings/copies"

# What the stack's outputs say. Without an API server there is nobody to be told.
taken=$(sed -E 's/.*-([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z-.*/\1-\2-\3T\4:\5:\6Z/' <<<"$snapshot")
copies=$(paste --serial --delimiters=, "$snapshot.copies")
kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 10s --namespace kube-system patch configmap esxi-k8s-snapshots --type merge \
  --patch "{\"data\":{\"$NODE\":\"$taken $(stat --format %s "$snapshot") $copies\"}}" || true

report "copies: ${copies:-none}"
if ((${#missing[@]})); then
  printf 'no copy on %s\n' "${missing[@]}"
  exit 1
fi
touch --reference "$snapshot" "$folder/complete"
