# shellcheck shell=bash source-path=SCRIPTDIR
# Before keepalived starts, at every start: waits until nobody has the virtual address, or a peer that announces this to us. Anybody
# else would not hear us, and both would have it.
# Parameters: VIRTUAL_ADDRESS, INTERFACE, PEERS
source prelude.sh
source virtual-address.sh

# announces PEER: hears VRRP from it within two seconds.
announces() {
  python3 - "$1" <<'PYTHON'
import socket, sys, time
end = time.monotonic() + 2
vrrp = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
while True:
    vrrp.settimeout(max(end - time.monotonic(), 0.001))
    if vrrp.recvfrom(2048)[1][0] == sys.argv[1]:
        break
PYTHON
}

said=''
while mac=$(mac_of "$VIRTUAL_ADDRESS") && [ -n "$mac" ]; do
  if peer=$(peer_with "$mac"); then
    holder="the HAProxy machine $peer, which does not announce it to $NODE"
    ! announces "$peer" || break
  else
    holder="the machine with the MAC address $mac"
  fi
  [ "$holder" = "$said" ] || report "$VIRTUAL_ADDRESS is in use by $holder: keepalived starts when this ends"
  said=$holder
  sleep 0.1
done
