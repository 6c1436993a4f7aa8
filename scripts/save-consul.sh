# shellcheck shell=bash source-path=SCRIPTDIR
# Prints a snapshot of Consul's store, which holds tokens: to those who asked alone.
source prelude.sh
# shellcheck disable=SC2034 # of consul-api.sh
CA=$(kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace consul get secret consul-ca-cert --output 'jsonpath={.data.ca\.crt}' | base64 --decode)
source consul-api.sh
# shellcheck disable=SC2034
limit=50
call GET /v1/snapshot </dev/null >&3
