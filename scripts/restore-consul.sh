# shellcheck shell=bash source-path=SCRIPTDIR
# Gives Consul the store of an opened snapshot. What is in it now is lost.
# Parameter: IF (lost: only if it has lost everything | any). Runs where the snapshot was opened.
source prelude.sh
source api.sh
opened=/var/lib/esxi-k8s/restore
if [ -z "$(kubectl --namespace consul get service consul-ui --ignore-not-found --output name)" ]; then
  rm -rf "$opened"
  report "the cluster has no Consul"
  exit 0
fi
# A volume on a machine that was made anew is lost: the Node is younger then. Its server gets another, which the one that nobody made there
# would keep from starting.
while read -r claim volume; do
  read -r made node < <(kubectl get persistentvolume "$volume" \
    --output 'jsonpath={.metadata.creationTimestamp} {.spec.nodeAffinity.required.nodeSelectorTerms[*].matchExpressions[?(@.key=="kubernetes.io/hostname")].values[*]}{"\n"}')
  [ -n "$node" ] || continue
  born=$(kubectl get node "$node" --ignore-not-found --output 'jsonpath={.metadata.creationTimestamp}')
  if [[ -z $born || $born > $made ]]; then
    report "the volume of consul-server-${claim##*-} was on $node, and is lost"
    kubectl --namespace consul delete persistentvolumeclaim "$claim" --wait=false
    kubectl --namespace consul delete pod "consul-server-${claim##*-}" --ignore-not-found --wait=false
  fi
done < <(kubectl --namespace consul get persistentvolumeclaims \
  --output 'jsonpath={range .items[?(@.spec.volumeName)]}{.metadata.name} {.spec.volumeName}{"\n"}{end}')

# shellcheck disable=SC2034 # of consul-api.sh
CA=$(kubectl --namespace consul get secret consul-ca-cert --output 'jsonpath={.data.ca\.crt}' | base64 --decode)
source consul-api.sh

if [ "$IF" = lost ]; then
  # What the stack itself has written is in every store that has not been lost.
  code=0
  answer=$(consul GET '/v1/kv/esxi-k8s/entries?raw' </dev/null 2>/dev/null) || code=$?
  if [ "$code $answer" != "22 " ]; then
    [ "$code" = 0 ] || { echo "$answer" && exit "$code"; }
    rm -rf "$opened"
    report "Consul has its store, which stays as it is"
    exit 0
  fi
  if [ ! -e "$opened/consul.snap" ]; then
    rm -rf "$opened"
    echo "Consul has lost its store, and the snapshot was taken when it did not answer: what the stack declares is written by pulumi up --replace '**::consul-acl' --replace '**::consul-entries'"
    exit 1
  fi
fi
# shellcheck disable=SC2034 # of consul-api.sh
limit=120
call PUT /v1/snapshot <"$opened/consul.snap"
retry_for 60 "Consul to know its tokens again" knows_token
report "Consul has the store of $(sed -n 's/^taken=//p' "$opened/manifest")"
rm -rf "$opened"
