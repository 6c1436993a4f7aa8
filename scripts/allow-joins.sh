# shellcheck shell=bash source-path=SCRIPTDIR
# Lets joining nodes ask this master for admission, and nothing else.
# Parameters: JOIN_USER, ADMIT (path of the admission program), MASTER_JOIN_KEY, WORKER_JOIN_KEY (public keys)
source prelude.sh
source kept.sh
source authorize.sh
alone_on_node

# sshd gives what the joining node asked for to the forced command as a variable, which sudo would drop.
# shellcheck disable=SC2016
admit() { printf 'restrict,command="exec sudo -n %s %s \\"$SSH_ORIGINAL_COMMAND\\"" %s esxi-k8s-join-%s\n' "$ADMIT" "$1" "$2" "$1"; }
{
  admit master "$MASTER_JOIN_KEY"
  admit worker "$WORKER_JOIN_KEY"
} | authorize "$JOIN_USER" esxi-k8s-join-
keep file "$(authorized_keys "$JOIN_USER")"
all_kept
