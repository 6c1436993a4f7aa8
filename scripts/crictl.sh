# shellcheck shell=bash
# The container runtime of this machine, as the kubelet sees it.
crictl() { command crictl --runtime-endpoint unix:///run/containerd/containerd.sock "$@"; }

# container_id NAME: of a container that runs.
container_id() { crictl ps --quiet --state Running --name "^$1\$" | head -n 1; }
