# shellcheck shell=bash
# shellcheck disable=SC2034 # for those who source this
# What a snapshot holds, and etcd's own programs.
pki=/etc/kubernetes/pki
# Who has these is the cluster to its nodes: without them nobody trusts what was restored.
authorities=(ca.crt ca.key front-proxy-ca.crt front-proxy-ca.key etcd/ca.crt etcd/ca.key sa.key sa.pub)

# etcd_programs IMAGE: makes etcdctl and etcdutl of an image of this machine callable as `"$programs/etcdctl"`, whether an etcd runs or not.
etcd_programs() {
  etcd_root=$(mktemp -d /run/esxi-k8s-etcd.XXXXXX)
  ctr --namespace k8s.io images mount "$1" "$etcd_root" >/dev/null
  programs=$etcd_root/usr/local/bin
}
drop_etcd_programs() {
  [ -n "${etcd_root:-}" ] || return 0
  ctr --namespace k8s.io images unmount --rm "$etcd_root" >/dev/null
  rmdir "$etcd_root"
}

# whole FILE: whether it is a snapshot of etcd as it was written: it ends with the hash of everything before.
whole() {
  (($(stat --format %s "$1") % 512 == 32)) &&
    [ "$(head --bytes=-32 "$1" | sha256sum | cut --delimiter=' ' --fields=1)" = "$(tail --bytes=32 "$1" | od -An -v -tx1 | tr --delete ' \n')" ]
}

# field NAME: of the JSON on standard input, a number or a text without any escaping.
field() { grep --only-matching "\"$1\": *\"\?[^\",}]*" | head --lines=1 | sed 's/.*[:"] *//'; }
