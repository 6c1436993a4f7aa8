#!/usr/bin/env bash
# The first program on a machine, read from standard input: waits until cloud-init has made user, host key and address.
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
