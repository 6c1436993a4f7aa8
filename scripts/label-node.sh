# shellcheck shell=bash source-path=SCRIPTDIR
# Brings labels and taints of a node to what the configuration says. What it said before is taken away, what others set stays. Before a
# taint that drives pods out, the node is emptied, with respect to PodDisruptionBudgets. Runs on any master that serves.
# Parameter: NAME. Texts: LABELS (key=value), TAINTS (key=value:effect or key:effect), a line each
source prelude.sh
source api.sh
source drain.sh

# shellcheck disable=SC2153 # a parameter
node() { kubectl get node "$NAME" --output "jsonpath=$1"; }
# The master that is asked may hear of a node later than the one that took it in.
exists() { applied=$(node "{.metadata.annotations['esxi-k8s/applied']}"); }
retry_for 60 "the node $NAME" exists
if [ -z "$applied" ]; then
  kubectl wait --for=condition=Ready --timeout=4m node "$NAME"
fi

# shellcheck disable=SC2153 # texts
mapfile -t labels < <(sed '/^$/d' <<<"$LABELS")
# shellcheck disable=SC2153
mapfile -t taints < <(sed '/^$/d' <<<"$TAINTS")

# What is new, without those that the node was made with.
taints_of() { present=$(node '{range .spec.taints[*]}{.key}={.value}:{.effect}{"\n"}{end}'); }
retry_for 60 "the taints of $NAME" taints_of
drained=''
for taint in "${taints[@]}"; do
  [[ $taint == *=*:* ]] || taint=${taint/:/=:}
  if [[ $taint == *:NoExecute ]] && ! grep --quiet --line-regexp --fixed-strings "$taint" <<<"$present"; then
    drained=yes
  fi
done
[ -z "$drained" ] || drain "$NAME"

wanted=$(printf '%s\n' "${labels[@]/#/label }" "${taints[@]/#/taint }" | sed -E 's/^label ([^=]*)=.*/label \1/; s/^taint ([^=:]*)(=[^:]*)?:/taint \1:/')
mark() {
  local kind key
  while read -r kind key; do
    if [ -n "$key" ] && ! grep --quiet --line-regexp --fixed-strings "$kind $key" <<<"$wanted"; then
      # A label or taint that somebody removed by hand is gone already.
      kubectl "$kind" node "$NAME" "$key-" </dev/null || true
    fi
  done < <(tr ';' '\n' <<<"$applied")
  [ "${#labels[@]}" -eq 0 ] || kubectl label node "$NAME" --overwrite "${labels[@]}" || return
  [ "${#taints[@]}" -eq 0 ] || kubectl taint node "$NAME" --overwrite "${taints[@]}" || return
  kubectl annotate node "$NAME" --overwrite "esxi-k8s/applied=$(tr '\n' ';' <<<"$wanted")"
}
# While masters join, the API is away for moments.
retry_for 60 "the API server to take what $NAME is to have" mark

if [ -n "$drained" ]; then
  # The next one is emptied when this one is at work.
  kubectl wait --for=condition=Ready --timeout=30s node "$NAME"
  undo_drain "$NAME"
fi
report "labelled: $NAME${drained:+, which was emptied for a new taint}"
