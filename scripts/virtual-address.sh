# shellcheck shell=bash
# Functions of steps that look who has the virtual address. Parameters of these: VIRTUAL_ADDRESS, INTERFACE, PEERS (addresses of
# the other HAProxy machines)

# mac_of ADDRESS: the MAC address of whoever answers for an address on the network, this machine excepted; nothing if nobody does.
mac_of() {
  local mac
  # Twice, since one packet may be lost; for a moment only, since a free address has nobody to serve it.
  for _ in 1 2; do
    mac=$(timeout 0.3 arping -D -c 1 -I "$INTERFACE" "$1" | sed -n 's/.*\[\([0-9A-Fa-f:]*\)\].*/\1/p' || true)
    [ -z "$mac" ] || break
  done
  echo "$mac"
}

# peer_with MAC: the address of the peer that has it; fails if none has.
peer_with() {
  local peer
  for peer in $PEERS; do
    if [ "$(mac_of "$peer")" = "$1" ]; then
      echo "$peer"
      return
    fi
  done
  return 1
}
