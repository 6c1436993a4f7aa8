# shellcheck shell=bash
# Put in front of every step. Gives strict mode; to steps that change the node also
# a log on the node and the promise that no other step runs beside.
set -euo pipefail
umask 077

state=/var/lib/esxi-k8s
log=/var/log/esxi-k8s/$STEP.log

if [ "$CHANGES_NODE" = true ]; then
  mkdir -p "$state" "${log%/*}"
  # A lost connection must not kill a half-done kubeadm: tee goes on writing to the log when the reader is gone,
  # and the next run finds a finished step instead of a torn one.
  trap '' PIPE
  exec > >(exec tee -p -a "$log") 2>&1
  # The run of an interrupted pulumi up may still be at work: wait for it.
  exec 9>/run/lock/esxi-k8s
  flock -w "$TIMEOUT" 9
fi

on_exit() {
  local code=$?
  if [ "$code" -ne 0 ]; then
    echo "step $STEP on $NODE failed with exit code $code$([ "$CHANGES_NODE" = false ] || echo "; its log there is $log")" >&2
  fi
}
trap on_exit EXIT

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
