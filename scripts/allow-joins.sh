# shellcheck shell=bash
# Lets joining nodes ask this master for admission, and nothing else. Standard input: the admission program.
# Parameters: JOIN_USER, MASTER_JOIN_KEY, WORKER_JOIN_KEY (public keys)
cat >/usr/local/sbin/esxi-k8s-admit.new
chmod 0755 /usr/local/sbin/esxi-k8s-admit.new
mv /usr/local/sbin/esxi-k8s-admit.new /usr/local/sbin/esxi-k8s-admit

keys=$(getent passwd "$JOIN_USER" | cut -d: -f6)/.ssh/authorized_keys
program='exec sudo -n /usr/local/sbin/esxi-k8s-admit'
# sshd gives what the joining node asked for to the forced command as a variable, which sudo would drop.
# shellcheck disable=SC2016
admit() { printf 'restrict,command="%s %s \\"$SSH_ORIGINAL_COMMAND\\"" %s esxi-k8s-join-%s\n' "$program" "$1" "$2" "$1"; }
{
  grep -v ' esxi-k8s-join-' "$keys" || true
  admit master "$MASTER_JOIN_KEY"
  admit worker "$WORKER_JOIN_KEY"
} >"$keys.new"
chown --reference="$keys" "$keys.new"
mv "$keys.new" "$keys"
