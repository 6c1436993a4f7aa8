# shellcheck shell=bash source-path=SCRIPTDIR
# Waits until there is the StorageClass that Consul's volumes ask for, which somebody else brings.
# Parameters: CLASS (empty for the default one)
source prelude.sh
export KUBECONFIG=/etc/kubernetes/admin.conf

class_is_there() {
  local names
  if [ -n "$CLASS" ]; then
    kubectl get storageclass "$CLASS" --output name
    return
  fi
  names=$(kubectl get storageclass --output \
    "jsonpath={.items[?(@.metadata.annotations.storageclass\.kubernetes\.io/is-default-class=='true')].metadata.name}")
  [ -n "$names" ]
}
wanted=${CLASS:+the StorageClass $CLASS}
if ! retry_for 300 "${wanted:=a default StorageClass}" class_is_there; then
  echo "Consul's volumes need $wanted, and storage.classes is empty: apply one now, or declare one there, and run pulumi up again"
  exit 1
fi
report "there is $wanted"
