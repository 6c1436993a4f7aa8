# shellcheck shell=bash source-path=SCRIPTDIR
# Makes a machine ready for kubeadm: kernel settings, container runtime, kubelet.
# Parameters: INSTALL (packages | preinstalled), VERSION (without v)
source prelude.sh
alone_on_node

swapoff --all
sed -i '/\sswap\s/s/^[^#]/#&/' /etc/fstab

printf '%s\n' overlay br_netfilter >/etc/modules-load.d/kubernetes.conf
for module in overlay br_netfilter; do
  # In a container the host's kernel may have it built in, without modprobe knowing.
  modprobe "$module" 2>/dev/null || true
done
{
  echo 'net.ipv4.ip_forward = 1'
  if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
    echo 'net.bridge.bridge-nf-call-iptables = 1'
  fi
} >/etc/sysctl.d/90-kubernetes.conf
sysctl --quiet --load /etc/sysctl.d/90-kubernetes.conf

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  # What packages install is for everybody to read.
  umask 022
  dpkg --configure -a
  local codename minor=${VERSION%.*} keyrings=/etc/apt/keyrings
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  install -d -m 0755 "$keyrings"
  retry_for 120 "the package key of Kubernetes" curl -fsSL -o "$keyrings/kubernetes.asc" \
    "https://pkgs.k8s.io/core:/stable:/v$minor/deb/Release.key"
  # Kubernetes 1.36 and later want containerd 2, which Ubuntu LTS does not carry.
  retry_for 120 "the package key of containerd" curl -fsSL -o "$keyrings/docker.asc" \
    "https://download.docker.com/linux/ubuntu/gpg"
  chmod 0644 "$keyrings"/*.asc
  echo "deb [signed-by=$keyrings/kubernetes.asc] https://pkgs.k8s.io/core:/stable:/v$minor/deb/ /" \
    >/etc/apt/sources.list.d/kubernetes.list
  echo "deb [signed-by=$keyrings/docker.asc] https://download.docker.com/linux/ubuntu $codename stable" \
    >/etc/apt/sources.list.d/docker.list
  chmod 0644 /etc/apt/sources.list.d/{kubernetes,docker}.list
  # unattended-upgrades holds apt's lock in the first minutes of a machine.
  apt-get -o DPkg::Lock::Timeout=300 update
  apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends \
    containerd.io conntrack socat "kubeadm=$VERSION-*" "kubelet=$VERSION-*" "kubectl=$VERSION-*"
  # An unattended upgrade of the kubelet past its control plane is unsupported.
  apt-mark hold kubeadm kubelet kubectl
  mkdir -p /etc/containerd
  containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' >/etc/containerd/config.toml
  systemctl restart containerd
}

# Not "is kubeadm there": an installation that was cut off half-way has to be repeated as a whole.
if [ "$INSTALL" = packages ] && ! done_before; then
  install_packages
  mark_done
fi
if ! command -v kubeadm >/dev/null; then
  echo "kubeadm is not on $NODE: set kubernetes.install to packages, or use a template that holds it"
  exit 1
fi
found=$(kubeadm version -o short)
if [ "$found" != "v$VERSION" ] && [ -e /etc/kubernetes/kubelet.conf ]; then
  echo "$NODE runs Kubernetes $found, and this program cannot upgrade a living node yet: put kubernetes.version back to ${found#v}"
  exit 1
fi
if [ "$found" != "v$VERSION" ]; then
  echo "the template has Kubernetes $found, the configuration asks for v$VERSION: set kubernetes.version to ${found#v} or build a matching template"
  exit 1
fi

systemctl enable --now --quiet containerd
systemctl enable --quiet kubelet
retry_for 60 "containerd's socket" test -S /run/containerd/containerd.sock
report "ready for Kubernetes $VERSION"
