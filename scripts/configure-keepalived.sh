# shellcheck shell=bash source-path=SCRIPTDIR
# Gives this HAProxy machine its share in the virtual address.
# Text: CONFIG (keepalived.conf with a placeholder). Parameters: ADDRESS (of this machine)
source prelude.sh
source files.sh
source packages.sh
alone_on_node
use_files "$FILES"
command -v keepalived >/dev/null || install_packages keepalived

interface=$(ip -o -4 address show to "$ADDRESS" | awk '{ print $2; exit }')
config=/etc/keepalived/keepalived.conf
# shellcheck disable=SC2153 # a text
printf '%s\n' "${CONFIG/@INTERFACE@/$interface}" >"$config.new"
keepalived --config-test --use-file "$config.new"
mv "$config.new" "$config"
systemctl enable --quiet keepalived
systemctl reload-or-restart keepalived
report "shares the virtual address on $interface"
