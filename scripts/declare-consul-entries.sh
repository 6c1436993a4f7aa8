# shellcheck shell=bash source-path=SCRIPTDIR
# Brings the entries that the stack owns to what its configuration says, and takes away those that it does not name any more.
# Whatever else is in the store stays. Text: CA. Standard input: their keys, a line each, an empty line, and transactions, a line each.
# With the parameter LOOK it changes nothing, and says which are not as they are declared: `entry`, a tab and the key; at last `end`.
source prelude.sh
source consul-api.sh
keys=''
while read -r key && [ -n "$key" ]; do
  keys+=$key$'\n'
done
record=/v1/kv/esxi-k8s/entries

if [ -n "${LOOK-}" ]; then
  store=$(mktemp)
  trap 'on_exit; rm -f "$store"' EXIT
  consul GET '/v1/kv/?recurse' </dev/null >"$store"
  declared=$(cat)
  # shellcheck disable=SC2016 # Python's
  differing=$(python3 -c '
import json, sys
there = {entry["Key"]: entry["Value"] or "" for entry in json.load(open(sys.argv[1]))}
for line in sys.stdin:
    for operation in json.loads(line) if line.strip() else []:
        entry = operation["KV"]
        if there.get(entry["Key"]) != entry["Value"]:
            print("entry", entry["Key"], sep="\t")
' "$store" <<<"$declared")
  [ -z "$differing" ] || tell echo "$differing"
  tell echo end
  exit 0
fi

# To an entry that is not there Consul answers with an error and nothing else. Any other error must not pass for a stack that
# owns nothing: what it wrote earlier would be nobody's for ever.
code=0
owned=$(consul GET "$record?raw" </dev/null 2>/dev/null) || code=$?
if [ "$code" -ne 0 ] && [ "$code $owned" != "22 " ]; then
  echo "what the stack owns could not be read: $owned" >&2
  exit "$code"
fi
# What is about to be written is owned from here on: an interrupted run is finished by the next one.
sort --unique <<<"$owned"$'\n'"$keys" | consul PUT "$record" >/dev/null

deleted=0
while read -r key; do
  # Not in a URL, to which a question mark or a bracket in a key would mean something else, such as the keys beside it.
  quoted=${key//\\/\\\\}
  consul PUT /v1/txn <<<"[{\"KV\":{\"Verb\":\"delete\",\"Key\":\"${quoted//\"/\\\"}\"}}]" >/dev/null
  deleted=$((deleted + 1))
  echo "deleted $key"
done < <(LC_ALL=C comm -23 <(LC_ALL=C sort --unique <<<"$owned") <(LC_ALL=C sort --unique <<<"$keys"$'\n'))

while read -r transaction; do
  [ -z "$transaction" ] || consul PUT /v1/txn <<<"$transaction" >/dev/null
done
consul PUT "$record" <<<"$keys" >/dev/null
report "entries: $(grep -c . <<<"$keys" || true) declared, $deleted taken away"
