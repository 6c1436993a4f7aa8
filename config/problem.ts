/** One thing that is wrong with a stack's configuration. */
export interface Problem {
  /** Property path below `esxi-k8s:`, for example `controlPlane.nodes.master-2.address`. */
  path: string;
  /** What stands there now; never a secret. */
  got: string;
  /** What would be accepted. */
  expected: string;
}
