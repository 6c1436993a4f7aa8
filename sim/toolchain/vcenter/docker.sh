#!/usr/bin/env bash
# The simulator runs `docker` for its virtual machines; this runs the real one with what the simulator cannot be told.
set -euo pipefail

case $1 in
  create)
    # A machine's guestinfo carries its private SSH host keys. The simulator passes it in arguments, which every user of this
    # computer can read for as long as a process runs; so the values move to the environment, which only root can read.
    # What remains is the instant in which the simulator's shell starts this script.
    args=()
    for arg in "${@:2}"; do
      if [[ $arg == VMX_*=* ]]; then
        export "${arg?}"
        arg=${arg%%=*}
      fi
      args+=("$arg")
    done
    # A machine with all rights but one: a sandbox without CAP_SYS_RESOURCE, where `--privileged` is refused, must do.
    # The volumes are what lies on the disk of a virtual machine and cannot lie on an overlay.
    exec "$REAL_DOCKER" create \
      --cap-add ALL --cap-drop SYS_RESOURCE \
      --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
      --device-cgroup-rule 'a *:* rwm' --device /dev/kmsg --cgroupns=private \
      --tmpfs /run --tmpfs /tmp:exec \
      --volume /var/lib/containerd --volume /var/lib/kubelet --volume /var/lib/etcd \
      --stop-signal SIGRTMIN+3 \
      "${args[@]}"
    ;;
  stop)
    # Powering off pulls the plug: what a node survives here it survives on ESXi.
    exec "$REAL_DOCKER" kill "${@:2}"
    ;;
  inspect)
    # The simulator logs the answer, again and again: only what it looks at, and no environment.
    exec "$REAL_DOCKER" inspect --format '[{
      "Config": {"Hostname": {{json .Config.Hostname}}, "Domainname": {{json .Config.Domainname}}},
      "State": {"Running": {{.State.Running}}, "Paused": {{.State.Paused}}},
      "NetworkSettings": {{json .NetworkSettings}}}]' "${@:2}"
    ;;
  events)
    # The simulator asks for a type that there is not and for identifiers in quotes, and so hears nothing.
    exec "$REAL_DOCKER" events --filter type=container --filter event=start --filter event=die --format '{{.ID}}'
    ;;
  *)
    exec "$REAL_DOCKER" "$@"
    ;;
esac
