# shellcheck shell=bash disable=SC2154  # consul-api.sh is put in front of it
# Brings the entries that the stack owns to what its configuration says, and takes away those that it does not name any more.
# Whatever else is in the store stays. Parameters: KEYS (a line each); transactions come through standard input, a line each.
record=/v1/kv/esxi-k8s/entries

# To an entry that is not there Consul answers with an error and nothing else. Any other error must not pass for a stack that
# owns nothing: what it wrote earlier would be nobody's for ever.
code=0
owned=$(consul GET "$record?raw" </dev/null 2>/dev/null) || code=$?
if [ "$code" -ne 0 ] && [ "$code $owned" != "22 " ]; then
  echo "what the stack owns could not be read: $owned" >&2
  exit "$code"
fi
# What is about to be written is owned from here on: an interrupted run is finished by the next one.
sort --unique <<<"$owned"$'\n'"$KEYS" | consul PUT "$record" >/dev/null

while read -r key; do
  if [ -n "$key" ] && ! grep -qxF -- "$key" <<<"$KEYS"; then
    # Not in a URL, to which a question mark or a bracket in a key would mean something else, such as the keys beside it.
    quoted=${key//\\/\\\\}
    consul PUT /v1/txn <<<"[{\"KV\":{\"Verb\":\"delete\",\"Key\":\"${quoted//\"/\\\"}\"}}]" >/dev/null
    echo "deleted $key"
  fi
done <<<"$owned"

while read -r transaction; do
  [ -z "$transaction" ] || consul PUT /v1/txn <<<"$transaction" >/dev/null
done
consul PUT "$record" <<<"$KEYS" >/dev/null
printf '%s\n' "$KEYS"
