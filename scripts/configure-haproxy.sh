# shellcheck shell=bash source-path=SCRIPTDIR
# Installs HAProxy and gives it its configuration.
# Text: CONFIG (haproxy.cfg with a placeholder). Standard input: the password of the statistics page.
source prelude.sh
source files.sh
source packages.sh
alone_on_node
# shellcheck disable=SC2153 # a text
text=${CONFIG//@STATS_PASSWORD@/$(cat)}
use_files "$FILES"
command -v haproxy >/dev/null || install_packages haproxy

config=/etc/haproxy/haproxy.cfg
printf '%s\n' "$text" >"$config.new"
# A bad configuration is found here, while the old one goes on serving.
haproxy -c -q -f "$config.new"
mv "$config.new" "$config"
systemctl enable --quiet haproxy
systemctl reload-or-restart haproxy
report "serves $config"
