# shellcheck shell=bash
# Sourced by every step, with the step's arguments: STEP-HASH NAME=VALUE...
# Standard input: a line `NAME BASE64` for each text, an empty line, then what the step reads itself.
set -euo pipefail
umask 077

for parameter in "$@"; do
  printf -v "${parameter%%=*}" %s "${parameter#*=}"
done
inputs=$*
while read -r name encoded && [ -n "$name" ]; do
  inputs+=$'\n'"$name $encoded"
  printf -v "$name" %s "$(base64 --decode <<<"$encoded")"
done

STEP=$(readlink -f "$0")
STEP=${STEP##*/}
# shellcheck disable=SC2034 # kept.sh's
RAN="$STEP $inputs"
STEP=${STEP%-*}
NODE=$(hostname)
state=/var/lib/esxi-k8s
log=/var/log/esxi-k8s/$STEP.log
mkdir -p "$state" "${log%/*}"
printf '\n== %s %s\n' "$(date --iso-8601=seconds)" "$*" >>"$log"
began=$(stat --format %s "$log")

# Everything goes to the log, which is long and stays on the node; 3 and 4 lead to those who asked. They may be gone, and a lost
# connection must not kill a half-done kubeadm: the next run finds a finished step instead of a torn one.
exec 3>&1 4>&2 >>"$log" 2>&1
tell() { ("$@" >&3) 2>/dev/null || true; }

# report LINE: says it to those who asked, too. A dozen lines a step at most.
report() {
  echo "$*"
  tell echo "$*"
}

on_exit() {
  local code=$?
  [ "$code" -ne 0 ] || return 0
  {
    echo "step $STEP on $NODE failed with exit code $code; its log there is $log and ends with:"
    tail --bytes=+"$((began + 1))" "$log" | tail --lines=9 | cut --characters=1-300
  } >&4 2>/dev/null || true
}
trap on_exit EXIT
trap 'echo "ended by its time limit, or by somebody on $NODE"; exit 124' TERM

# The run of an interrupted pulumi up may still be at work: steps that change their node wait for it.
alone_on_node() {
  exec 9>/run/lock/esxi-k8s
  flock 9
}

done_before() { [ -e "$state/$STEP.done" ]; }
mark_done() { touch "$state/$STEP.done"; }

# retry_for SECONDS WHAT COMMAND...: runs the command every second until it succeeds.
retry_for() {
  local seconds=$1 what=$2 deadline
  shift 2
  deadline=$((SECONDS + seconds))
  until "$@"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "gave up after ${seconds}s waiting for $what"
      return 1
    fi
    sleep 1
  done
}
