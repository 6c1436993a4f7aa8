import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { cpiConfig, cpiLogin, csiConfig } from "../../render/vsphere";

const account = {
  server: "vcenter.example.org:8443",
  datacenter: "lab",
  allowUnverifiedSsl: true,
  user: "k8s-storage@vsphere.local",
  password: 'a"b\\c',
};

describe("what vSphere's drivers are told", () => {
  test("csi-vsphere.conf", async () => {
    await expect(csiConfig(account, "esxi-k8s-lab", "k8s-host")).toMatchFileSnapshot(
      "./__snapshots__/csi-vsphere.conf",
    );
  });

  test("without a category of tags nothing is told apart", () => {
    expect(csiConfig(account, "esxi-k8s-lab")).not.toContain("[Labels]");
  });

  test("the cloud provider's settings hold no login, but say where it is", () => {
    const text = cpiConfig(account, { name: "vsphere-cloud-secret", namespace: "vsphere-cpi" });
    expect(parse(text)).toEqual({
      global: {
        port: 8443,
        insecureFlag: true,
        secretName: "vsphere-cloud-secret",
        secretNamespace: "vsphere-cpi",
      },
      vcenter: { "vcenter.example.org": { server: "vcenter.example.org", datacenters: ["lab"] } },
    });
    expect(cpiLogin(account)).toEqual({
      "vcenter.example.org.username": "k8s-storage@vsphere.local",
      "vcenter.example.org.password": 'a"b\\c',
    });
  });
});
