# shellcheck shell=bash
# Functions of steps that pull container images.

# pull_images IMAGE...: pulls what is not there, so that a registry without one is found here and not by a pod that never starts.
pull_images() {
  local image said mirror endpoint=unix:///run/containerd/containerd.sock there
  there=$(crictl --runtime-endpoint "$endpoint" images --output json | grep -o '"[^"]*"' | tr -d '"' | sort -u)
  for image in "$@"; do
    ! grep -qxF "$image" <<<"$there" || continue
    said=$(crictl --runtime-endpoint "$endpoint" --timeout 300s pull "$image" 2>&1) && continue
    mirror=$(sed -n 's/^server = "\(.*\)"/\1/p' "/etc/containerd/certs.d/${image%%/*}/hosts.toml" 2>/dev/null || true)
    echo "$NODE cannot pull $image${mirror:+ from the mirror $mirror}: $(tail -n 1 <<<"$said" | sed 's/.*desc = //' | cut -c -300)"
    echo "put it there ('make images' lists what a mirror has to hold), or correct registryMirrors, then run pulumi up again"
    return 1
  done
}
