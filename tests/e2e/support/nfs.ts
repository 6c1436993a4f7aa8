import { addresses } from "./lab";

/** What the server exports: a folder of a volume, because an overlay has no handles that an NFS server could give out. */
export const exported = "/var/lib/kubelet/export";

const configuration = `
NFS_CORE_PARAM { Protocols = 3, 4; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false; }
NFSV4 { Only_Numeric_Owners = true; UseGetpwnam = true; Graceless = true; }
EXPORT {
  Export_Id = 1;
  Path = ${exported};
  Pseudo = ${exported};
  Access_Type = RW;
  Squash = No_Root_Squash;
  SecType = sys;
  FSAL { Name = VFS; }
}`;

/** A machine of the stack sim that serves NFS for a while: nfs-ganesha, which needs nothing of the kernel. */
export const nfsServer = {
  machine: "haproxy-1",
  address: String(addresses["haproxy-1"]),
  start: `sudo sh -c '
    mkdir -p ${exported} /var/lib/nfs/ganesha /run/ganesha
    cat >/run/ganesha/lab.conf <<"CONF"${configuration}
CONF
    systemctl start rpcbind.service
    systemd-run --quiet --unit lab-nfs ganesha.nfsd -F -f /run/ganesha/lab.conf -L /var/log/lab-nfs.log -p /run/ganesha/pid
    for second in $(seq 30); do showmount --exports localhost >/dev/null 2>&1 && exit; sleep 1; done
    tail -n 20 /var/log/lab-nfs.log >&2; exit 1'`,
};

/** Command that ends it. */
export const stopNfsServer = "sudo sh -c 'systemctl stop lab-nfs rpcbind.socket rpcbind.service'";
