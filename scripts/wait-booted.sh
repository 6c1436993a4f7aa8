# shellcheck shell=bash
# The gate between a clone and its first step: cloud-init has made the user, the host key and the address.
status=0
cloud-init status --wait >/dev/null || status=$?
# 2 means finished with recoverable warnings; only 1 is a failure.
if [ "$status" -eq 1 ]; then
  cloud-init status --long
  echo "cloud-init failed: see /var/log/cloud-init-output.log on $NODE, correct the template and replace the machine"
  exit 1
fi
