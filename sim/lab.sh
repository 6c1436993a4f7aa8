# shellcheck shell=bash
# Sourced by every script in sim/: the names of a lab, each in this one place, and what the scripts share.
# Two labs never collide because everything they own carries the lab's name, ESXI_K8S_LAB, or lives in its network namespace.
# shellcheck disable=SC2034  # the variables below are for the scripts that source this file

LAB=${ESXI_K8S_LAB:-sim}
CACHE=${ESXI_K8S_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/esxi-k8s}
SIM=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

PATH=$PATH:/usr/sbin:/sbin # where dockerd and its like are, and su does not look

say() { printf '%s\n' "$*" >&2; }
die() {
  say "error: $*"
  exit 1
}

[[ $LAB =~ ^[a-z0-9-]{1,12}$ ]] ||
  die "ESXI_K8S_LAB is '$LAB', expected 1 to 12 characters of a-z, 0-9 and '-': choose another name"
[[ $CACHE =~ ^/[^[:space:]]+$ ]] ||
  die "the cache folder is '$CACHE', expected an absolute path without spaces: set ESXI_K8S_CACHE to one"

LAB_NAME=esxi-k8s-$LAB     # its cgroup
LAB_RUN=/run/esxi-k8s/$LAB # pids, sockets, logs, secrets: lives and dies with the lab
LAB_NETNS=$LAB_RUN/net     # not in /run/netns, over which the first `ip netns add` of anybody mounts that folder itself
LAB_STATE=$LAB_RUN/state   # Pulumi's file backend: the simulator keeps its inventory in memory, so state must not outlive it
LAB_DOCKER_ROOT=$CACHE/labs/$LAB/docker
LAB_MACHINES=$CACHE/labs/$LAB/machines # there while docker may have machines of this lab, after a reboot too
LAB_PULUMI_HOME=$CACHE/labs/$LAB/pulumi
LAB_DOCKER=unix://$LAB_RUN/docker.sock
LAB_MARK=ESXI_K8S_LAB_RUN=$LAB_RUN # in the environment of every process of the lab, by which it is found again

# The lab's network. Addresses may be the same in all labs: each has a namespace of its own without any uplink.
LAB_BRIDGE=lab0
LAB_NETWORK=vlan-20
LAB_SUBNET=10.20.0.0/24
LAB_GATEWAY=10.20.0.1
LAB_VCENTER=10.20.0.2
LAB_DEPOT=10.20.0.3 # packages and images, for machines that install
# Docker insists on handing out addresses; nodes drop theirs at boot (node-init). This range keeps them out of the plan's way.
LAB_DOCKER_RANGE=10.20.0.224/27

LAB_VCENTER_USER=administrator@vsphere.local
LAB_VCENTER_PASSWORD_FILE=$LAB_RUN/vcenter-password
LAB_VCENTER_CERT=$LAB_RUN/vcenter.crt
LAB_VCENTER_KEY=$LAB_RUN/vcenter.key

LAB_DEPOT_RUN=$LAB_RUN/depot
LAB_DEPOT_CERT=$LAB_DEPOT_RUN/ca.crt
LAB_DEPOT_PACKAGE_KEY=$LAB_DEPOT_RUN/packages.asc # public; signs the package repositories

LAB_TEMPLATE=ubuntu-24.04-k8s   # holds what a node needs
LAB_PLAIN_TEMPLATE=ubuntu-24.04 # what Ubuntu's cloud image is, without anything of Kubernetes
NODE_IMAGE=esxi-k8s-node        # docker repository of the images behind the templates; a tag is the key of its content

lab_docker() { docker --host "$LAB_DOCKER" "$@"; }

# Runs a command in the lab's network and nothing else changed. Not `ip netns exec`: that one mounts a new /sys, which hides
# /sys/fs/cgroup, and dockerd refuses to start without it.
lab_enter() { env "$LAB_MARK" nsenter --net="$LAB_NETNS" -- "$@"; }

# phase NAME COMMAND...: says what is being done and how long it took.
phase() {
  local name=$1 start=$EPOCHREALTIME
  shift
  say "==> $name"
  "$@"
  local ms=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
  printf '    %s: %d.%d s\n' "$name" $((ms / 1000)) $((ms % 1000 / 100)) >&2
}

# wait_for SECONDS WHAT COMMAND...: polls until the command succeeds.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || {
      say "error: $what was not ready in time; the logs are in $LAB_RUN/log"
      return 1
    }
    sleep 0.1
  done
}

# lab_pids: the processes of the lab. What it starts carries its mark; what runs in its machines is in its cgroups.
lab_pids() {
  {
    grep --files-with-matches --null-data --line-regexp --fixed-strings --no-messages "$LAB_MARK" /proc/[0-9]*/environ |
      cut -d/ -f3
    find /sys/fs/cgroup -path "*/$LAB_NAME/*" -name cgroup.procs -exec cat {} + 2>/dev/null
  } | sort --unique || true
}

# Whether anything of the lab is there, healthy or not.
lab_exists() { [[ -e $LAB_NETNS || -d $LAB_RUN || -e $LAB_MACHINES || $(lab_pids) ]]; }

# Every node's systemd, kubelet and containerd watch files; the kernel's usual 128 watchers for all of root's processes are
# too few for six nodes. The limit is raised while there is a lab, and put back with the last one.
INOTIFY_LIMIT=/proc/sys/fs/inotify/max_user_instances
INOTIFY_BEFORE=/run/esxi-k8s/inotify-limit-before
raise_inotify_limit() {
  (($(<$INOTIFY_LIMIT) < 1024)) || return 0
  mkdir -p "${INOTIFY_BEFORE%/*}"
  cp $INOTIFY_LIMIT "$INOTIFY_BEFORE"
  echo 1024 >$INOTIFY_LIMIT
}
restore_inotify_limit() {
  [[ -e $INOTIFY_BEFORE && ! $(find /run/esxi-k8s -mindepth 1 -maxdepth 1 -type d) ]] || return 0
  cat "$INOTIFY_BEFORE" >$INOTIFY_LIMIT
  rm "$INOTIFY_BEFORE"
}

# Two `sim/up` at once would undo each other's work. The lock lives outside the run folder, which `sim/down` removes.
lab_lock() {
  [[ ! ${ESXI_K8S_LOCKED:-} ]] || return 0 # sim/down, run by the sim/up that holds it
  export ESXI_K8S_LOCKED=1
  mkdir -p /run/lock
  exec 9>"/run/lock/$LAB_NAME.lock"
  flock --nonblock 9 || {
    say "another sim/up or sim/down of lab '$LAB' is running; waiting for it"
    flock --timeout 900 9 || die "it did not end within 15 minutes: see who holds it with 'fuser /run/lock/$LAB_NAME.lock'"
  }
}
