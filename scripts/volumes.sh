# shellcheck shell=bash
# What steps on masters ask of volumes and of their snapshots.

# volumes_of CLASS: names of the claims of a StorageClass, as NAMESPACE/NAME, and of volumes that no claim has any more.
volumes_of() {
  kubectl get persistentvolumeclaims --all-namespaces --output \
    "jsonpath={range .items[?(@.spec.storageClassName=='$1')]}{.metadata.namespace}/{.metadata.name}{'\n'}{end}" || return
  kubectl get persistentvolumes --output \
    "jsonpath={range .items[?(@.spec.storageClassName=='$1')]}{.status.phase} {.metadata.name}{'\n'}{end}" |
    sed -n '/^Bound /!s/^[A-Z][a-z]* //p'
}

# snapshots_of CLASS: names of the snapshots that were taken by the class, as NAMESPACE/NAME, and of contents that were kept when their snapshot
# went. A cluster in which no driver takes snapshots knows none of these words.
snapshots_of() {
  local group=snapshot.storage.k8s.io known snapshots contents of name
  known=$(kubectl get customresourcedefinitions "volumesnapshotcontents.$group" --ignore-not-found --output name) || return
  [ -n "$known" ] || return 0
  snapshots=$(kubectl get "volumesnapshots.$group" --all-namespaces --output \
    "jsonpath={range .items[?(@.spec.volumeSnapshotClassName=='$1')]}{.metadata.namespace}/{.metadata.name}{'\n'}{end}") || return
  contents=$(kubectl get "volumesnapshotcontents.$group" --output \
    "jsonpath={range .items[?(@.spec.volumeSnapshotClassName=='$1')]}{.spec.volumeSnapshotRef.namespace}/{.spec.volumeSnapshotRef.name} {.metadata.name}{'\n'}{end}") || return
  while read -r of name; do
    grep --quiet --line-regexp --fixed-strings "$of" <<<"$snapshots" || snapshots+=$'\n'$name
  done <<<"$contents"
  sed '/^$/d' <<<"$snapshots"
}

# why_kept CLASS: says why a StorageClass cannot go; nothing if it can.
why_kept() {
  local what found names
  for what in volumes snapshots; do
    found=$("${what}_of" "$1") || return
    [ -n "$found" ] || continue
    names=$(sort <<<"$found" | head -n 20 | paste --serial --delimiters ',' | sed 's/,/, /g')
    echo "the StorageClass $1 is to go, and has $what: $names: delete them once their data is elsewhere, or keep the class in storage.classes"
  done
}
