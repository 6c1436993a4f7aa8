# shellcheck shell=bash
# Calls Consul's API from a master, through the Service in front of the servers. Parameters: CA (certificate of Consul's authority)
export KUBECONFIG=/etc/kubernetes/admin.conf
host=consul-ui.consul.svc
cluster_ip=$(kubectl --namespace consul get service consul-ui --output 'jsonpath={.spec.clusterIP}')
token=$(kubectl --namespace consul get secret consul-bootstrap-token --output 'jsonpath={.data.token}' | base64 -d)

# consul METHOD PATH: sends standard input, prints the answer. The token is on no command line.
consul() {
  curl --silent --show-error --fail-with-body --max-time 30 --request "$1" --data-binary @- \
    --cacert <(printf '%s' "$CA") --resolve "$host:443:$cluster_ip" \
    --header @<(printf 'X-Consul-Token: %s\n' "$token") "https://$host$2"
}

# The token is known when a leader has been elected and has read its configuration.
knows_token() { consul GET /v1/acl/token/self </dev/null >/dev/null 2>&1; }
retry_for 120 "Consul to elect a leader" knows_token || consul GET /v1/acl/token/self </dev/null
