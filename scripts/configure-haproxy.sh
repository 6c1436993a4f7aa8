# shellcheck shell=bash
# Installs HAProxy and gives it its configuration. Standard input: haproxy.cfg (it holds a password).
text=$(cat)
if ! command -v haproxy >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=300 update
  apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends haproxy
fi

config=/etc/haproxy/haproxy.cfg
printf '%s\n' "$text" >"$config.new"
# A bad configuration is found here, while the old one goes on serving.
haproxy -c -q -f "$config.new"
if cmp -s "$config.new" "$config" && systemctl is-active --quiet haproxy; then
  rm "$config.new"
  exit 0
fi
mv "$config.new" "$config"
systemctl enable --quiet haproxy
systemctl reload-or-restart haproxy
