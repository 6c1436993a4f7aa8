/** A machine in vCenter that has the name of one that is to be cloned. */
interface NamedMachine {
  name: string;
  path: string;
  /** Whether it lies directly in the stack's folder. */
  inFolder: boolean;
  uuid?: string;
  template: boolean;
  createDate?: string;
}
export function judge<T extends NamedMachine>(
  machines: T[],
  held: Record<string, string>,
  now: Date,
  turns?: { names: string[]; atOnce: number }[],
): { removable: T[]; reasons: string[] };
