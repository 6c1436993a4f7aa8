#!/usr/bin/env bash
# Judges the requests of kubelets for serving certificates, which nothing in Kubernetes approves: those that name the node and its address
# alone are approved, all others denied. A service of every master, as a user of its own whose account in the cluster may do this and
# nothing else.
# Argument: seconds after which it ends, to be started anew with another token. The environment has KUBECONFIG.
set -euo pipefail

lifetime=$1
signer=kubernetes.io/kubelet-serving

# pending SECONDS: a line `NAME|REQUEST|USAGES|GROUPS|USER` for each request that nobody has judged, those that come in meanwhile included. Who asks is
# last, and so is whatever somebody is called who is called like two fields; kubectl makes columns of tabs.
pending() {
  # shellcheck disable=SC2016 # a template
  timeout "$1" kubectl get certificatesigningrequests --field-selector "spec.signerName=$signer" --watch --output 'go-template={{
    if not .status.conditions }}{{ .metadata.name }}|{{ .spec.request }}|{{ range .spec.usages }}{{ . }},{{ end }}|{{
    range .spec.groups }}{{ . }},{{ end }}|{{ .spec.username }}{{ "\n" }}{{ end }}' || true
}

# names FILE: the alternative names that a request asks for, in DER, of each place where it does. Texts that openssl makes of them may look
# like any others.
names() {
  openssl asn1parse -in "$1" |
    awk '/:X509v3 Subject Alternative Name$/ { here = 1; next } here && /OCTET STRING/ { sub(/.*OCTET STRING *([[]HEX DUMP[]])?:/, ""); print; here = 0 }'
}

# in_der TAG HEX: a value as DER has it, shorter than 128 bytes.
in_der() { printf '%s%02X%s' "$1" $((${#2} / 2)) "$2"; }

# faults USER GROUPS USAGES REQUEST: what is wrong with a request, a line each. Fails where it cannot be judged yet.
faults() {
  local user=$1 groups=$2 usages=$3 node address numbers file subject own dns ip value count=0
  node=${user#system:node:}
  if [[ ! $user =~ ^system:node:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ || ,$groups != *,system:nodes,* ]]; then
    echo "$user is no node"
    return
  fi
  # The program's own list, which no node can write: what a node says of its addresses is its own word.
  address=$(kubectl --namespace kube-system get configmap esxi-k8s-nodes --output "go-template={{ index .data \"$node\" }}") || return
  if [[ ! $address =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$ ]]; then
    return 1
  fi
  file=$(mktemp)
  base64 --decode <<<"$4" >"$file"
  subject=$(openssl req -in "$file" -noout -subject -nameopt RFC2253) || subject=none
  [ "$subject" = "subject=CN=system:node:$node,O=system:nodes" ] || echo "its $subject is not that of $node"
  dns=$(in_der 82 "$(printf %s "$node" | od --address-radix=n --format=x1 | tr -d ' \n' | tr '[:lower:]' '[:upper:]')")
  IFS=. read -ra numbers <<<"$address"
  ip=$(in_der 87 "$(printf '%02X' "${numbers[@]}")")
  while read -r value; do
    count=$((count + 1))
    for own in "$dns" "$ip" "$dns$ip"; do
      [ "$value" != "$(in_der 30 "$own")" ] || continue 2
    done
    echo "it asks for more than the name $node and the address $address"
  done < <(names "$file")
  rm "$file"
  ((count > 0)) || echo "it asks for no name and no address"
  case $usages in
    'digital signature,server auth,' | 'digital signature,key encipherment,server auth,' | 'key encipherment,digital signature,server auth,') ;;
    *) echo "a serving certificate is not for ${usages%,}" ;;
  esac
}

# answer NAME Approved|Denied WHY
answer() {
  local name=$1 condition=$2 why=${3//[^A-Za-z0-9 :,.=_-]/?}
  echo "$condition $name: $why"
  kubectl get certificatesigningrequest "$name" --output json |
    kubectl patch --local --filename - --type merge --output json --patch \
      "{\"status\":{\"conditions\":[{\"type\":\"$condition\",\"status\":\"True\",\"reason\":\"EsxiK8s\",\"message\":\"${why:0:500}\"}]}}" |
    kubectl replace --raw "/apis/certificates.k8s.io/v1/certificatesigningrequests/$name/approval" --filename - >/dev/null ||
    echo "$name could not be answered, or another master did"
}

while ((SECONDS < lifetime)); do
  # What could not be judged, because the node was not known yet or the API server did not answer, is judged in the next round.
  while IFS='|' read -r name request usages groups user; do
    why=$(faults "$user" "$groups" "$usages" "$request") || continue
    if [ -z "$why" ]; then
      answer "$name" Approved "name and address are those of ${user#system:node:}"
    else
      answer "$name" Denied "$(paste --serial --delimiters ';' <<<"$why")"
    fi
  done < <(pending "$((lifetime - SECONDS < 30 ? lifetime - SECONDS : 30))")
done
