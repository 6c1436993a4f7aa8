# shellcheck shell=bash source-path=SCRIPTDIR
# Lets a node leave the cluster: it is emptied, its etcd member and its Node are removed. Only those that the parameters name: a machine that
# was made anew since is another one. Runs on any master that serves; the machine that leaves may be gone already.
# Parameters: NAME (of the node), NODE_UID, MEMBER (id of its etcd member, of masters alone)
source prelude.sh
source etcd.sh
source api.sh
source drain.sh
source room.sh
source daemons.sh
NODE_UID=${NODE_UID:-} MEMBER=${MEMBER:-}

all=$(members)
member=$(awk -v id="$MEMBER" '$1 == id' <<<"$all")
if [ -n "$member" ]; then
  read -r _ name _ <<<"$member"
  # Who takes its place goes first: a run deletes also when it could not make something else.
  masters=$(policy masters '')
  # shellcheck disable=SC2153 # a parameter
  for other in $masters; do
    if [ "$other" != "$NAME" ] && ! grep --quiet "^[^ ]* $other " <<<"$all"; then
      echo "$NAME stays a master until $other, which is to be one, has joined: see why it has not, and run pulumi up again"
      exit 1
    fi
  done
  keeps_majority "$name" gone
else
  MEMBER=''
fi

# shellcheck disable=SC2153 # a parameter
found=$(kubectl get node "$NAME" --ignore-not-found --output 'jsonpath={.metadata.uid}')
[ "$found" = "$NODE_UID" ] || NODE_UID=''
if [ -n "$NODE_UID" ]; then
  # One that is made anew takes its pods back, and one that is down has none to move.
  nodes=$(policy nodes '')
  ready=$(node_ready "$NAME")
  if [[ " $nodes " != *" $NAME "* ]] && [ "$(policy force false)" != true ] && [ "$ready" = True ]; then
    refuse_stranded "$NAME"
  fi
  drain "$NAME" move-claims
  [ "$ready" != True ] || end_daemons "$NAME"
fi
if [ -n "$MEMBER" ]; then
  retry_for 60 "the removal of the etcd member $MEMBER" remove_member "$MEMBER" "$all"
fi
if [ -n "$NODE_UID" ]; then
  remove_node() {
    local there
    there=$(kubectl get node "$NAME" --ignore-not-found --output 'jsonpath={.metadata.uid}') || return
    # The leave of a run that was cut off may be at work on another master.
    [ "$there" = "$NODE_UID" ] || return 0
    printf '{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"%s"}}' "$NODE_UID" |
      command kubectl delete --raw "/api/v1/nodes/$NAME" --filename -
  }
  # The API server that was asked may have been that of the master that leaves.
  retry_for 60 "the removal of the node $NAME" remove_node
  # What could not be moved goes with the machine.
  if [ "$ready" != True ]; then
    lose_claims "$NAME"
  fi
fi
report "left: $NAME"
