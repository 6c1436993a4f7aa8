import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** The API of the cluster, with which everything inside it is declared. */
export class ClusterApi {
  private readonly provider: k8s.Provider;

  /** Stands for the cluster as a whole: what lives inside the cluster is deleted with it. */
  static identity(name: string, opts: { parent: pulumi.Resource }): random.RandomId {
    return new random.RandomId(`${name}-identity`, { byteLength: 8 }, opts);
  }

  /**
   * @param kubeconfig the administrator's, secret
   * @param cluster see `identity`
   */
  constructor(
    name: string,
    readonly kubeconfig: pulumi.Output<string>,
    private readonly cluster: random.RandomId,
    opts: { parent: pulumi.Resource },
  ) {
    this.provider = new k8s.Provider(
      `${name}-api`,
      {
        kubeconfig,
        // A renewed certificate in the kubeconfig is no other cluster.
        clusterIdentifier: this.cluster.hex,
        // Replacing a ConfigMap replaces what mounts it: the pod network would be down for a change of one setting.
        enableConfigMapMutable: true,
        // Replacing a Secret deletes it first: no moment without a certificate when it is renewed.
        enableSecretMutable: true,
      },
      opts,
    );
  }

  /**
   * Options for an object in the cluster, which is deleted with it. Names there are fixed, so an object and its replacement cannot
   * be there at once. What a component waits for is not what its children wait for: each is given it.
   */
  inCluster(parent: pulumi.Resource, dependsOn: pulumi.Resource[] = []) {
    return { parent, provider: this.provider, deletedWith: this.cluster, deleteBeforeReplace: true, dependsOn };
  }
}
