# shellcheck shell=bash source-path=SCRIPTDIR
# Waits until HAProxy serves on this machine: after its restart, or before another one goes away for a while.
# Parameters: FOR (the machine that goes or came back, and how it is made: another one is a reason to run), HEALTH (port and path where
#   HAProxy says whether it reaches a server)
source prelude.sh
serves() { curl -sf --max-time 2 --noproxy '*' --output /dev/null "http://127.0.0.1:$HEALTH"; }
retry_for 120 "HAProxy on $NODE to serve" serves
report "serves, so that this may go on: $FOR"
