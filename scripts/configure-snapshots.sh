# shellcheck shell=bash source-path=SCRIPTDIR
# Lets this master take snapshots by a timer as soon as it is one, and keeps what a restored cluster is begun with here.
# Text: FILES. Standard input: the private key with which copies are brought to other machines.
source prelude.sh
source files.sh
source kept.sh
alone_on_node
settings=/etc/esxi-k8s/snapshots
# The folder above is apt's as well, which reads as somebody who is not root.
install -d -m 0755 "${settings%/*}"
install -d -m 0700 "$settings"
use_files "$FILES"
cat >"$settings/key.new"
mv "$settings/key.new" "$settings/key"
systemctl daemon-reload
systemctl enable --now --quiet esxi-k8s-snapshot.timer
systemctl restart esxi-k8s-snapshot.timer
keep_files
keep unit esxi-k8s-snapshot.timer
all_kept
report "takes snapshots"
