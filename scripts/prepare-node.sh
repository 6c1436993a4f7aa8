# shellcheck shell=bash source-path=SCRIPTDIR
# Makes a machine ready for kubeadm: kernel settings, packages, container runtime, images. A node of another version is upgraded.
# Parameters: VERSION (without v), IGNORE (checks of kubeadm to skip in an upgrade, with commas),
#   PACKAGES (as apt-get names them; none for a template that holds them),
#   PULL (master | worker | none: whose images of kubeadm), IMAGES (further ones to pull)
# Text: FILES (of package sources and containerd)
source prelude.sh
source files.sh
source packages.sh
source images.sh
source kept.sh
source api.sh
source upgrade.sh
alone_on_node

echo "$IGNORE" >"$ignored"

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

kubeadm_version() { kubeadm version -o short 2>/dev/null || true; }
# The kubelet is the last that an upgrade brings; one that was torn begins anew.
upgrades=''
if [ -e /etc/kubernetes/kubelet.conf ]; then
  running=$(kubelet --version)
  [ "${running#* v}" = "$VERSION" ] && [ ! -e "$state/upgrade.begun" ] || upgrades=yes
fi
if [ -n "$upgrades" ] && [ -z "$PACKAGES" ]; then
  echo "$NODE has Kubernetes ${running#* v} from its template, and the configuration asks for $VERSION: put kubernetes.version back, or make this machine anew, by another generation, from a template that holds it"
  exit 1
fi

staged=$(mktemp -d)
read_files "$staged" "$FILES"
# Only kubeadm, which may not be there yet, knows the image of pause that belongs to it.
containerd_config=$staged.containerd
[ ! -e "$staged/etc/containerd/config.toml" ] || mv "$staged/etc/containerd/config.toml" "$containerd_config"
put_files "$staged"

# shellcheck disable=SC2153 # a parameter
read -ra packages <<<"$PACKAGES"
install_and_hold() {
  install_packages "$@"
  # An unattended upgrade of the kubelet past its control plane is unsupported.
  apt-mark hold kubeadm kubelet kubectl
}
if [ -n "$upgrades" ]; then
  touch "$state/upgrade.begun"
  mapfile -t early < <(printf '%s\n' "${packages[@]}" | grep -vE '^(kubelet|kubectl)=')
  install_and_hold "${early[@]}"
elif ((${#packages[@]})); then
  install_and_hold "${packages[@]}"
fi
found=$(kubeadm_version)
if [ -z "$found" ]; then
  echo "kubeadm is not on $NODE: set kubernetes.install to packages, or use a template that holds it"
  exit 1
fi
if [ "$found" != "v$VERSION" ]; then
  echo "the template has Kubernetes $found, the configuration asks for v$VERSION: set kubernetes.version to ${found#v} or build a matching template"
  exit 1
fi

restart=''
if [ -e "$containerd_config" ]; then
  sed -i "s|@PAUSE_IMAGE@|$(kubernetes_images master | grep /pause:)|" "$containerd_config"
  if ! cmp --quiet "$containerd_config" /etc/containerd/config.toml; then
    install -D -m 0644 "$containerd_config" /etc/containerd/config.toml
    restart=yes
  fi
fi
rm -rf "$staged" "$containerd_config"
case " ${changed[*]} " in
  *' /etc/systemd/system/containerd.service.d/'*)
    systemctl daemon-reload
    restart=yes
    ;;
  *' /etc/containerd/conf.d/'*) restart=yes ;;
esac
# A template's containerd has a configuration of its own, which need not take what adds to it.
mirrors=/etc/containerd/conf.d/esxi-k8s-mirrors.toml
if [ -e "$mirrors" ] && ! grep -qE "config_path = ['\"]/etc/containerd/certs.d['\"]" < <(containerd config dump 2>&1); then
  rm "$mirrors"
  echo "containerd on $NODE does not look for registryMirrors: let /etc/containerd/config.toml of the template be of version 3 and import /etc/containerd/conf.d/*.toml, or say config_path = \"/etc/containerd/certs.d\" itself; or leave registryMirrors out"
  exit 1
fi
# A package may leave the old one running.
pid=$(systemctl show --property MainPID --value containerd)
[[ $(readlink "/proc/$pid/exe" || true) != *' (deleted)' ]] || restart=yes
[ -z "$restart" ] || systemctl restart containerd
systemctl enable --now --quiet containerd
systemctl enable --quiet kubelet
retry_for 60 "containerd's socket" test -S /run/containerd/containerd.sock

if [ "$PULL" != none ]; then
  mapfile -t needed < <(kubernetes_images "$PULL")
  read -ra further <<<"$IMAGES"
  pull_images "${needed[@]}" "${further[@]}"
fi
if [ -n "$upgrades" ]; then
  upgrade_node
  install_and_hold "${packages[@]}"
  systemctl daemon-reload
  systemctl restart kubelet
  rm "$state/upgrade.begun"
  keep_kubeadm
fi

for file in /etc/modules-load.d/kubernetes.conf /etc/sysctl.d/90-kubernetes.conf; do keep file "$file"; done
while read -r key _; do keep kernel "$key"; done </etc/sysctl.d/90-kubernetes.conf
keep_files
if [ -e /etc/containerd/config.toml ]; then keep file /etc/containerd/config.toml containerd; fi
for package in "${packages[@]}"; do keep package "${package%%=*}"; done
if ((${#packages[@]})); then
  for package in kubeadm kubelet kubectl; do keep hold "$package"; done
fi
keep unit containerd
all_kept
if [ -n "$upgrades" ]; then
  report "upgraded to Kubernetes $VERSION"
else
  report "ready for Kubernetes $VERSION"
fi
