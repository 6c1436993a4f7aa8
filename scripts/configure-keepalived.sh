# shellcheck shell=bash source-path=SCRIPTDIR
# Gives this HAProxy machine its share in the virtual address.
# Texts: CONFIG (keepalived.conf), UNIT (addition to keepalived's unit), both with a placeholder; FILES (of package sources)
# Parameters: ADDRESS (of this machine), VIRTUAL_ADDRESS, PEERS (addresses of the other HAProxy machines), HEALTH (port and path
#   where HAProxy answers), STACK (as which it answers)
source prelude.sh
source files.sh
source packages.sh
source kept.sh
source virtual-address.sh
alone_on_node
use_files "$FILES"
install_packages keepalived iputils-arping

INTERFACE=$(ip -o -4 address show to "$ADDRESS" | awk '{ print $2; exit }')

has_it() { [ -n "$(ip -o -4 address show dev "$INTERFACE" to "$VIRTUAL_ADDRESS")" ]; }
# A machine of this stack that is no peer is one that leaves at the end of this pulumi up.
leaving() { [[ $(curl -sf --max-time 2 --noproxy '*' "http://$VIRTUAL_ADDRESS:$HEALTH") == "esxi-k8s $STACK "* ]]; }

mac=$(mac_of "$VIRTUAL_ADDRESS")
if [ -n "$mac" ] && ! peer_with "$mac" && ! leaving; then
  echo "$VIRTUAL_ADDRESS is in use by the machine with the MAC address $mac, which is no HAProxy machine of this stack: take the address from that one or set frontend.virtualAddress to a free one, then run pulumi up again"
  exit 1
fi

config=/etc/keepalived/keepalived.conf
# shellcheck disable=SC2153 # a text
text=${CONFIG//@INTERFACE@/$INTERFACE}
# A peer that leaves is told who has the address for as long as it lives, or it would take it. The next change forgets it.
for peer in $(sed -n '/unicast_peer {/,/}/s/^ *\([0-9.]*\)$/\1/p' "$config" || true); do
  case " $PEERS $VIRTUAL_ADDRESS $ADDRESS " in
    *" $peer "*) ;;
    *) [ -z "$(mac_of "$peer")" ] || text=$(sed "/unicast_peer {/a\        $peer" <<<"$text") ;;
  esac
done
printf '%s\n' "$text" >"$config.new"
keepalived --config-test --use-file "$config.new"
unit=/etc/systemd/system/keepalived.service.d/esxi-k8s.conf
# shellcheck disable=SC2153 # a text
install -D -m 0644 <(printf '%s\n' "${UNIT//@INTERFACE@/$INTERFACE}") "$unit"
systemctl daemon-reload
mv "$config.new" "$config"
systemctl enable --quiet keepalived
if systemctl is-active --quiet keepalived; then
  # Keeps its state, and so the address where it is.
  systemctl reload keepalived
else
  # It waits for a leaving machine's end, which this step must not.
  systemctl restart --no-block keepalived
fi

holder() {
  if has_it; then
    holder="this machine has it"
  else
    mac=$(mac_of "$VIRTUAL_ADDRESS")
    [ -n "$mac" ] || return 1
    if peer=$(peer_with "$mac"); then holder="$peer has it"; else holder="takes it when the machine with the MAC address $mac leaves"; fi
  fi
}
retry_for 30 "a HAProxy machine to take $VIRTUAL_ADDRESS" holder
keep file "$config" keepalived
keep file "$unit"
keep package keepalived
keep unit keepalived
all_kept
report "shares $VIRTUAL_ADDRESS on $INTERFACE: $holder"
