#!/usr/bin/env bash
# Runs on a HAProxy machine as the forced command of the key with which masters bring copies of their snapshots. They may neither read nor
# remove one. Arguments: how many of a master are kept, and in one text name, SHA-256 and size of the snapshot on standard input.
set -euo pipefail
umask 077
folder=/var/lib/esxi-k8s/snapshots
keep=$1
read -r name hash size <<<"$2"
[[ $hash =~ ^[0-9a-f]{64}$ && $size =~ ^[0-9]{1,15}$ && $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]*-[0-9]{8}T[0-9]{6}Z-([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)\.snapshot$ ]] || {
  echo "a snapshot has to come with its name, SHA-256 and size" >&2
  exit 2
}
master=${BASH_REMATCH[1]}

mkdir -p "$folder"
# HAProxy has to go on writing its logs.
free=$(df --output=avail --block-size=1 "$folder" | tail --lines=1)
if ((free < size + (256 << 20))); then
  echo "$(hostname) has too little room for a snapshot of $size bytes: make its disk larger, or keep fewer (controlPlane.snapshots.keep)" >&2
  exit 3
fi
part=$folder/.$name.part
trap 'rm -f "$part"' EXIT
head --bytes="$size" >"$part"
sync "$part"
if [ "$(sha256sum <"$part" | cut --delimiter=' ' --fields=1)" != "$hash" ]; then
  echo "$name did not arrive whole at $(hostname)" >&2
  exit 4
fi
mv "$part" "$folder/$name"
# The time in their names is in order.
find "$folder" -maxdepth 1 -name "*Z-$master.snapshot" | LC_ALL=C sort | head --lines="-$keep" | xargs --no-run-if-empty rm
