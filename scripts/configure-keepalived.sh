# shellcheck shell=bash source-path=SCRIPTDIR
# Gives this HAProxy machine its share in the virtual address.
# Text: CONFIG (keepalived.conf with a placeholder). Parameters: ADDRESS (of this machine)
source prelude.sh
alone_on_node
if ! command -v keepalived >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  # What packages install is for everybody to read.
  umask 022
  apt-get -o DPkg::Lock::Timeout=300 update
  apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends keepalived
  umask 077
fi

interface=$(ip -o -4 address show to "$ADDRESS" | awk '{ print $2; exit }')
config=/etc/keepalived/keepalived.conf
# shellcheck disable=SC2153 # a text
printf '%s\n' "${CONFIG/@INTERFACE@/$interface}" >"$config.new"
keepalived --config-test --use-file "$config.new"
mv "$config.new" "$config"
systemctl enable --quiet keepalived
systemctl reload-or-restart keepalived
report "shares the virtual address on $interface"
