# shellcheck shell=bash source-path=SCRIPTDIR
# Brings Consul's policies and tokens to what the stack says. Both are bodies of API calls, one a line.
# Texts: CA, POLICIES. Standard input: the tokens.
source prelude.sh
source consul-api.sh

# field NAME: the value of a text in the JSON on standard input; names and UUIDs, so without any escaping.
field() { sed -nE "s/.*\"$1\": ?\"([^\"]*)\".*/\1/p"; }

while read -r body && [ -n "$body" ]; do
  name=$(field Name <<<"$body")
  if id=$(consul GET "/v1/acl/policy/name/$name" </dev/null 2>/dev/null | field ID) && [ -n "$id" ]; then
    consul PUT "/v1/acl/policy/$id" <<<"$body" >/dev/null
  else
    consul PUT /v1/acl/policy <<<"$body" >/dev/null
  fi
  report "policy $name"
done <<<"$POLICIES"

while read -r body; do
  accessor=$(field AccessorID <<<"$body")
  secret=$(field SecretID <<<"$body")
  present=$(consul GET "/v1/acl/token/$accessor" </dev/null 2>/dev/null | field SecretID) || present=
  # What a token opens can be changed, its secret cannot.
  if [ -n "$present" ] && [ "$present" != "$secret" ]; then
    consul DELETE "/v1/acl/token/$accessor" </dev/null >/dev/null
    present=
  fi
  consul PUT "/v1/acl/token${present:+/$accessor}" <<<"$body" >/dev/null
  report "token $accessor"
done
