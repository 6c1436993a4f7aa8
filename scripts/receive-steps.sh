#!/usr/bin/env bash
# Takes in a machine's steps. They follow it as calls of `receive`, in one file.
set -euo pipefail

received=()
# receive PATH: takes in a step from standard input, if it is whole.
receive() {
  mkdir -p "${1%/*}"
  cat >"$1.new"
  if [ "$(sha256sum "$1.new" | cut --characters=1-12)" != "${1##*-}" ]; then
    rm "$1.new"
    incomplete "${1##*/}"
  fi
  chmod 0755 "$1.new"
  mv "$1.new" "$1"
  received+=("$1")
}

incomplete() {
  echo "the step $1 is not whole in ~/.esxi-k8s-steps: run pulumi up with --replace '**::$(hostname)-steps'" >&2
  exit 1
}

# complete NAME...: what was taken in, if all of these were, is from now on what is meant by names without a hash.
complete() {
  local name path
  for name; do
    [[ " ${received[*]##*/} " = *" $name "* ]] || incomplete "$name"
  done
  for path in "${received[@]}"; do
    ln --symbolic --force --no-target-directory "$path" "${path%-*}"
  done
}
