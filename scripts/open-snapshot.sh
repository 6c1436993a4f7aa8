# shellcheck shell=bash source-path=SCRIPTDIR
# Judges a snapshot, and opens it for the steps that restore. Nothing else on this machine or in the cluster changes.
# Parameters: FOR (cluster | consul), MASTERS (addresses of all of them), ENDPOINT (host:port in front of them)
# Texts: CA (of this stack's cluster), RECIPIENT, KEY (with which the stack's snapshots are encrypted). Standard input: the snapshot.
source prelude.sh
source snapshots.sh
alone_on_node
opened=/var/lib/esxi-k8s/restore
rm -rf "$opened"
mkdir -p "$opened"
refuse() {
  rm -rf "$opened"
  echo "$*"
  exit 1
}

if [ "$FOR" = cluster ] && [ ! -e "$state/restoring" ]; then
  for address in $ENDPOINT ${MASTERS// /:6443 }:6443; do
    if [ "$(curl --silent --insecure --max-time 5 "https://$address/readyz")" = ok ]; then
      refuse "the cluster lives: the API server at $address is ready, and whatever was written since the snapshot would be lost; a cluster is restored when no API server serves"
    fi
  done
fi

cat >"$opened/snapshot"
# A broken connection ends it as its end does: what is cut off is no CMS message any more.
openssl cms -cmsout -noout -inform DER -in "$opened/snapshot" 2>/dev/null ||
  refuse "this is no snapshot of this program, or not all of it"
if ! openssl cms -decrypt -binary -inform DER -recip <(printf %s "$RECIPIENT") -inkey <(printf %s "$KEY") -in "$opened/snapshot" \
  -out "$opened/bundle" 2>"$opened/errors"; then
  cat "$opened/errors"
  if grep --quiet 'using private key' "$opened/errors"; then
    refuse "the snapshot is encrypted with another key than this stack's: it is of another stack, or of one that was destroyed"
  fi
  refuse "the snapshot is damaged: it cannot be decrypted"
fi
rm "$opened/snapshot"
sound() {
  tar --extract --gzip --no-same-owner --file "$opened/bundle" --directory "$opened" &&
    (cd "$opened" && sha256sum --check --quiet --strict sha256sums) && whole "$opened/etcd.db"
}
sound || refuse "the snapshot is damaged: it does not hold what it says"
rm "$opened/bundle" "$opened/errors"

value() { sed -n "s/^$1=//p" "$opened/manifest"; }
[ "$(value format)" = 1 ] || refuse "the snapshot is of a newer version of this program: restore it with that"
der() { openssl x509 -outform DER | sha256sum; }
if [ "$(der <"$opened/pki/ca.crt")" != "$(der <<<"$CA")" ]; then
  refuse "the snapshot is of another cluster (stack $(value stack), $(value taken)): its authority is not the one that this stack's nodes and kubeconfigs trust"
fi
for key in ca front-proxy-ca etcd/ca; do
  if [ "$(openssl x509 -noout -pubkey -in "$opened/pki/$key.crt")" != "$(openssl pkey -pubout -in "$opened/pki/$key.key")" ]; then
    refuse "the snapshot is damaged: $key.key is not the key of $key.crt"
  fi
done

if [ "$FOR" = cluster ]; then
  minor() { cut --delimiter=. --fields=2 <<<"$1"; }
  here=$(kubeadm version --output short) there=$(value kubernetes)
  newer=$(($(minor "$here") - $(minor "$there")))
  if ((newer < 0 || newer > 1)); then
    refuse "the snapshot is of Kubernetes $there, and $NODE has $here: kubernetes.version has to be that of the snapshot, or one minor more"
  fi
elif [ ! -e "$opened/consul.snap" ]; then
  refuse "the snapshot does not hold Consul's store: Consul did not answer when it was taken, or was not there"
fi
report "$(value stack) as $(value node) saw it at $(value taken): Kubernetes $(value kubernetes), $(value keys) keys at revision $(value revision)$([ ! -e "$opened/consul.snap" ] || echo ", and Consul's store")"
