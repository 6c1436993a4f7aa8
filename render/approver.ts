/** By how much its token outlives the approver. */
const spareSeconds = 60 * 60;

/** What approver-login.sh asks for. */
const tokenSeconds = 8 * 60 * 60;

/**
 * The unit of the service that judges kubelets' requests for serving certificates on a master, as a user that is made for it alone.
 * @param login path of what logs it in
 * @param approve path of the program itself
 */
export function approverUnit(login: string, approve: string): string {
  const folder = "esxi-k8s-approver";
  const kubeconfig = `/run/${folder}/kubeconfig`;
  return [
    "[Unit]",
    "Description=Judges the requests of kubelets for serving certificates",
    "Wants=network-online.target",
    "After=network-online.target",
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    `ExecStartPre=+${login} ${kubeconfig}`,
    `ExecStart=${approve} ${String(tokenSeconds - spareSeconds)}`,
    `Environment=KUBECONFIG=${kubeconfig}`,
    "DynamicUser=yes",
    `RuntimeDirectory=${folder}`,
    "RuntimeDirectoryMode=0700",
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    "Restart=always",
    "RestartSec=5",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}
