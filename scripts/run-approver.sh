# shellcheck shell=bash source-path=SCRIPTDIR
# Lets this master judge the kubelets' requests for serving certificates, by a service.
# Text: UNIT (of the service)
source prelude.sh
source kept.sh
alone_on_node

install -m 0644 <(printf %s "$UNIT") /etc/systemd/system/esxi-k8s-approver.service
systemctl daemon-reload
systemctl enable --quiet esxi-k8s-approver
# Until the cluster knows its account, it starts again and again.
systemctl restart --no-block esxi-k8s-approver
keep file /etc/systemd/system/esxi-k8s-approver.service
keep unit esxi-k8s-approver
all_kept
report "judges requests for serving certificates"
