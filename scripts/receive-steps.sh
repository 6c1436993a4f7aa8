#!/usr/bin/env bash
# Takes in a machine's steps. Read from standard input, where they follow it as calls of `receive`.
set -euo pipefail

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
