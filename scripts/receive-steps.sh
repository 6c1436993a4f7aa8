#!/usr/bin/env bash
# The first program on a machine, read from standard input: waits until cloud-init has made user, host key and address, then takes in
# the machine's steps, which follow it as calls of `receive`.
set -euo pipefail

# Standard input is the program itself.
status=0
cloud-init status --wait </dev/null >/dev/null || status=$?
# 2 means finished with recoverable warnings; only 1 is a failure.
if [ "$status" -eq 1 ]; then
  {
    cloud-init status --long </dev/null | tail --lines=8
    echo "cloud-init failed: see /var/log/cloud-init-output.log on $(hostname), correct the template and replace the machine"
  } >&2
  exit 1
fi

received=()
# receive PATH: takes in a step from standard input, if it is whole: a broken connection ends a text as its end does.
receive() {
  mkdir -p "${1%/*}"
  cat >"$1.new"
  if [ "$(sha256sum "$1.new" | cut --characters=1-12)" != "${1##*-}" ]; then
    rm "$1.new"
    echo "the step ${1##*/} arrived cut off: the connection broke, so run pulumi up again" >&2
    exit 1
  fi
  chmod 0755 "$1.new"
  mv "$1.new" "$1"
  received+=("$1")
}

# complete: what was taken in is from now on what is meant by names without a hash.
complete() {
  local path
  for path in "${received[@]}"; do
    ln --symbolic --force --no-target-directory "$path" "${path%-*}"
  done
}
