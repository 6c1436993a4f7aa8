# shellcheck shell=bash

# authorize USER MARK: lets the keys on standard input, lines of authorized_keys, into a user's account. Their comments begin with MARK;
# those with it that were there before are taken away.
authorize() {
  local keys
  keys=$(authorized_keys "$1")
  {
    grep -v " $2" "$keys" || true
    cat
  } >"$keys.new"
  chown --reference="$keys" "$keys.new"
  mv "$keys.new" "$keys"
}
authorized_keys() { echo "$(getent passwd "$1" | cut -d: -f6)/.ssh/authorized_keys"; }
