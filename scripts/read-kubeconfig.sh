# shellcheck shell=bash
# Prints the administrator's kubeconfig.
cat /etc/kubernetes/admin.conf
