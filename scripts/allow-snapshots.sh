# shellcheck shell=bash source-path=SCRIPTDIR
# Lets masters bring copies of their snapshots to this machine, and nothing else.
# Parameters: SNAPSHOT_USER, RECEIVE (path of the receiving program), KEEP (how many of each master), SNAPSHOT_KEY (public key)
source prelude.sh
source authorize.sh
source kept.sh
alone_on_node

# shellcheck disable=SC2016 # sshd's variable, for the shell that it starts
printf 'restrict,command="exec sudo -n %s %s \\"$SSH_ORIGINAL_COMMAND\\"" %s esxi-k8s-snapshots\n' "$RECEIVE" "$KEEP" "$SNAPSHOT_KEY" |
  authorize "$SNAPSHOT_USER" esxi-k8s-snapshots
keep file "$(authorized_keys "$SNAPSHOT_USER")"
all_kept
