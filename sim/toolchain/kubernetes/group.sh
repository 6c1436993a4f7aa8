# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='Kubernetes, etcd, CoreDNS, flannel, containerd, the provisioner of volumes'
needs=(gcc)
# no_btrfs: the lab's containerd uses overlayfs. The other two make flannel's cgo build share its packages with the rest.
tags=netgo,osusergo,no_btrfs

kubernetes=$(module_version k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${kubernetes#v}"
# kubeadm and kubectl compare the version they carry with that of the cluster.
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  ldflags+=(-X "$package.gitVersion=$kubernetes" -X "$package.gitMajor=$major" -X "$package.gitMinor=$minor"
    -X "$package.gitTreeState=clean" -X "$package.gitCommit=")
done
cni_version=github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion
ldflags+=(
  -X "github.com/containerd/containerd/v2/version.Version=$(module_version github.com/containerd/containerd/v2)"
  -X "github.com/flannel-io/flannel/pkg/version.Version=$(module_version github.com/flannel-io/flannel)"
  -X "sigs.k8s.io/cri-tools/pkg/version.Version=$(module_version sigs.k8s.io/cri-tools)"
  -X "$cni_version=$(module_version github.com/containernetworking/plugins)"
  # Only the provisioner has such a variable in its main package.
  -X "main.VERSION=$(module_version github.com/rancher/local-path-provisioner)"
)

# The udp backend of flannel, which nothing uses, is in C and cannot be left out.
static_cgo=(github.com/flannel-io/flannel)

after() {
  mv "$bin/server" "$bin/etcd"
  mv "$bin/flannel" "$bin/flanneld"
  # flannel's CNI plugin: only old releases of the CNI plugins have it, and a module graph has one release of a module.
  (
    cd flannel-cni || exit
    ldflags=(-X "$cni_version=$(module_version github.com/containernetworking/plugins)")
    compile tool
  )
  # By itself: it spells the name of a package in capitals that others spell without.
  compile github.com/rancher/local-path-provisioner

  local source version
  source=$(module_folder k8s.io/kubernetes)
  version=$(sed -nE 's/^\tPauseVersion = "(.*)"$/\1/p' "$source/cmd/kubeadm/app/constants/constants.go")
  gcc -Os -Wall -static -s -DVERSION="$version" -o "$bin/pause" "$source/build/pause/linux/pause.c"
}
