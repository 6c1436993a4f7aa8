# shellcheck shell=bash
# Sourced by steps that call Consul's API from a master, through the Service in front of the servers.
# Text: CA (certificate of Consul's authority)
export KUBECONFIG=/etc/kubernetes/admin.conf
host=consul-ui.consul.svc

# Masters that join beside this step make etcd elect, and the API server refuse for a moment.
find_consul() {
  cluster_ip=$(kubectl --namespace consul get service consul-ui --output 'jsonpath={.spec.clusterIP}') &&
    token=$(kubectl --namespace consul get secret consul-bootstrap-token --output 'jsonpath={.data.token}' | base64 -d)
}
retry_for 60 "the API server to name Consul's Service and Secret" find_consul

# call METHOD PATH: sends standard input, prints the answer, within `limit` seconds. The token is on no command line.
call() {
  curl --silent --show-error --fail-with-body --connect-timeout 3 --max-time "${limit:-10}" --request "$1" --data-binary @- \
    --cacert <(printf '%s' "$CA") --resolve "$host:443:$cluster_ip" \
    --header @<(printf 'X-Consul-Token: %s\n' "$token") "https://$host$2"
}

# consul METHOD PATH: the same, again for half a minute while no server leads or none can be reached.
consul() {
  local body answer code deadline=$((SECONDS + 30))
  body=$(cat)
  while true; do
    code=0
    answer=$(printf %s "$body" | call "$1" "$2") || code=$?
    # curl: refused, timed out, TLS broken off, no answer, reset.
    [[ $code != 0 && $SECONDS -lt $deadline && ($answer == *leader* || $code =~ ^(7|28|35|52|56)$) ]] || break
    sleep 1
  done
  printf '%s' "$answer"
  return "$code"
}

# The token is known when a leader has been elected and has read its configuration.
knows_token() { call GET /v1/acl/token/self </dev/null >/dev/null 2>&1; }
retry_for 120 "Consul to elect a leader" knows_token || call GET /v1/acl/token/self </dev/null
