# shellcheck shell=bash
# What steps on masters ask of volumes.

# volumes_of CLASS: names of the claims of a StorageClass, as NAMESPACE/NAME, and of volumes that no claim has any more.
volumes_of() {
  kubectl get persistentvolumeclaims --all-namespaces --output \
    "jsonpath={range .items[?(@.spec.storageClassName=='$1')]}{.metadata.namespace}/{.metadata.name}{'\n'}{end}" || return
  kubectl get persistentvolumes --output \
    "jsonpath={range .items[?(@.spec.storageClassName=='$1')]}{.status.phase} {.metadata.name}{'\n'}{end}" |
    sed -n '/^Bound /!s/^[A-Z][a-z]* //p'
}

# keeps CLASS VOLUMES: says why a StorageClass cannot go.
keeps() {
  local names
  names=$(sort <<<"$2" | head -n 20 | paste --serial --delimiters ',' | sed 's/,/, /g')
  echo "the StorageClass $1 is to go, and has volumes: $names: delete them once their data is elsewhere, or keep the class in storage.classes"
}
