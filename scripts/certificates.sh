# shellcheck shell=bash
# Functions about the certificates that kubeadm made on a master.
kubernetes=/etc/kubernetes

# certificates: the files that hold one which ends within years, not an authority.
certificates() {
  local file
  for file in "$kubernetes"/pki/{apiserver,apiserver-kubelet-client,apiserver-etcd-client,front-proxy-client}.crt \
    "$kubernetes"/pki/etcd/{server,peer,healthcheck-client}.crt \
    "$kubernetes"/{admin,super-admin,controller-manager,scheduler}.conf; do
    [ ! -e "$file" ] || echo "$file"
  done
}

# end_of FILE: when its certificate ends, as 2027-03-14T09:26:53Z.
end_of() {
  local pem end
  case $1 in
    *.conf) pem=$(sed -n 's/^ *client-certificate-data: //p' "$1" | base64 --decode) ;;
    *) pem=$(<"$1") ;;
  esac
  end=$(openssl x509 -noout -enddate <<<"$pem")
  date --utc --date "${end#notAfter=}" +%Y-%m-%dT%H:%M:%SZ
}

# first_end: when the first of all ends.
first_end() {
  local file
  while read -r file; do end_of "$file"; done < <(certificates) | LC_ALL=C sort | head -n 1
}
