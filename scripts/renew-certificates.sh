# shellcheck shell=bash source-path=SCRIPTDIR
# Renews the certificates that kubeadm made on this master, if that is due, and says when the first of them ends: UNTIL=2027-03-14T09:26:53Z.
# Parameters: DUE (the end that asks for it, in the same form; none when nothing does)
source prelude.sh
source kept.sh
source renewal.sh
alone_on_node

end=$(first_end)
# What ends later has been renewed since: by a run that was cut off, by an upgrade, or the machine is another one.
if [ -n "$DUE" ] && [[ ! $end > $DUE ]]; then
  renew_certificates
  report "renewed, instead of those until $end"
  end=$(first_end)
fi
while read -r file; do keep certificate "$file"; done < <(certificates)
all_kept
report "UNTIL=$end"
