# shellcheck shell=bash
# Functions of steps that compare Helm releases with what is in the cluster. Runs on any master that serves.
# Parameter: RELEASES (NAMESPACE/NAME with spaces between)
export KUBECONFIG=/etc/kubernetes/admin.conf
work=$(mktemp -d)
trap 'on_exit; rm -rf "$work"' EXIT
owner=(--server-side --force-conflicts --field-manager helm)

# manifest_of RELEASE: puts into a file what Helm has deployed of it, and prints the file's name; fails when there is no such release.
manifest_of() {
  local secrets=$work/secrets manifest=$work/${1//\//-}.yaml
  kubectl --namespace "${1%/*}" get secrets --selector "owner=helm,status=deployed,name=${1#*/}" \
    --output 'go-template={{range .items}}{{.data.release}}{{"\n"}}{{end}}' >"$secrets"
  [ -s "$secrets" ] || return 1
  # As Kubernetes has it, and then as Helm has it.
  tail -n 1 "$secrets" | base64 --decode | base64 --decode | gunzip |
    python3 -c 'import json, sys; sys.stdout.write(json.load(sys.stdin)["manifest"])' >"$manifest"
  echo "$manifest"
}

# changed_objects RELEASE MANIFEST: KIND NAMESPACE/NAME of its objects that are not as the manifest has them.
changed_objects() {
  local code=0 said=$work/diff
  # Names alone: what differs may be a secret.
  KUBECTL_EXTERNAL_DIFF='diff -rqN' kubectl --namespace "${1%/*}" diff "${owner[@]}" --filename "$2" >"$said" 2>"$said.err" || code=$?
  if [ "$code" -gt 1 ]; then
    tail -n 1 "$said.err"
    return "$code"
  fi
  # Files LIVE-x/GROUP.VERSION.KIND.NAMESPACE.NAME and MERGED-x/... differ
  sed -nE 's|^Files \S*/LIVE-[^/]*/(\S+) and .*|\1|p' "$said"
}
