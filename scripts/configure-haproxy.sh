# shellcheck shell=bash source-path=SCRIPTDIR
# Installs HAProxy and gives it its configuration.
# Text: CONFIG (haproxy.cfg with a placeholder). Standard input: the password of the statistics page.
source prelude.sh
alone_on_node
# shellcheck disable=SC2153 # a text
text=${CONFIG//@STATS_PASSWORD@/$(cat)}
if ! command -v haproxy >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  # What packages install is for everybody to read.
  umask 022
  apt-get -o DPkg::Lock::Timeout=300 update
  apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends haproxy
  umask 077
fi

config=/etc/haproxy/haproxy.cfg
printf '%s\n' "$text" >"$config.new"
# A bad configuration is found here, while the old one goes on serving.
haproxy -c -q -f "$config.new"
mv "$config.new" "$config"
systemctl enable --quiet haproxy
systemctl reload-or-restart haproxy
report "serves $config"
