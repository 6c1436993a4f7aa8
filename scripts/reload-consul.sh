# shellcheck shell=bash source-path=SCRIPTDIR
# Has each of Consul's servers take a file that its Secret has by now, without a restart: a server reads what it trusts and presents when
# it starts and when it is told to.
# Parameters: SECRET, FILE (where a server has it), SUM (SHA-256 of what it holds). Text: CA, what the servers are known by then.
source prelude.sh

servers() { kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace consul --request-timeout 20s "$@"; }
pods=$(servers get pods --selector app=consul,component=server \
  --output 'jsonpath={range .items[*]}{.metadata.name} {.status.startTime}{"\n"}{end}')
if [ -z "$pods" ]; then
  report "no server is there yet"
  exit
fi

written=$(servers get secret "$SECRET" --show-managed-fields --output 'jsonpath={range .metadata.managedFields[*]}{.time}{"\n"}{end}' | sort | tail -n 1)
token=$(servers get secret consul-bootstrap-token --output 'jsonpath={.data.token}' | base64 -d)
inside() { timeout 20 kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace consul exec --stdin "$1" --container consul -- "${@:2}"; }
# A kubelet looks at a pod's Secrets every minute or so, and when the pod changes.
has_file() {
  servers annotate --overwrite pod "$1" "esxi-k8s/looked-for=$(date --iso-8601=ns)"
  [ "$(inside "$1" sha256sum "$FILE" </dev/null | cut -d' ' -f1)" = "$SUM" ]
}
while read -r pod started <&5; do
  if [[ $started > $written ]]; then
    report "$pod began with $FILE as it is"
    continue
  fi
  retry_for 120 "$pod to have $FILE as its Secret has it; is its node Ready?" has_file "$pod"
  # shellcheck disable=SC2016 # The pod's.
  inside "$pod" sh -c 'CONSUL_HTTP_TOKEN=$(cat) consul reload' <<<"$token"
  report "$pod has $FILE"
done 5<<<"$pods"
# Asks whether they are what the text says.
source consul-api.sh
