# shellcheck shell=bash
# Functions of steps that pull container images.

# kubernetes_images master|worker: what kubeadm runs on such a node, by its own word.
kubernetes_images() {
  kubeadm config images list --kubernetes-version "v$VERSION" 2>/dev/null |
    if [ "$1" = master ]; then cat; else grep -E '/(kube-proxy|coredns|pause):'; fi
}

# pull_images IMAGE...: pulls what is not there, so that a registry without one is found here and not by a pod that never starts.
pull_images() {
  local image said registry mirror crictl=(crictl --runtime-endpoint unix:///run/containerd/containerd.sock --timeout 300s) there
  there=$("${crictl[@]}" images --output json | grep -o '"[^"]*"' | tr -d '"')
  for image in "$@"; do
    ! grep -qxF "$image" <<<"$there" || continue
    said=$("${crictl[@]}" pull "$image" 2>&1) && continue
    registry=/etc/containerd/certs.d/${image%%/*}/hosts.toml
    mirror=$(sed -n 's/^\[host\."\(.*\)"\]/\1/p; s/^server = "\(.*\)"/\1/p' "$registry" 2>/dev/null | tail -n 1) || true
    echo "$NODE cannot pull $image${mirror:+ from the mirror $mirror}"
    tail -n 1 <<<"$said" | sed 's/.*desc = //; s/\\"/"/g; s/"$//' | cut -c -250
    echo "put it there ('make images' lists what a mirror has to hold), or correct registryMirrors, then run pulumi up again"
    return 1
  done
}
