/** A certificate that the stack has, or several that end together. */
export interface PastCertificate {
  /** When it ends, in ISO 8601. */
  until: string;
  /** The end of the one before it, for which it was issued; empty for the first. */
  due: string;
}

const day = 24 * 60 * 60 * 1000;

/** Days before its end from which everybody who brings up the stack is warned. */
export const warningDays = 30;

/** Whether fewer than so many days are left of what ends then. */
export const endsWithin = (days: number, until: string, now = Date.now()): boolean =>
  Date.parse(until) - now < days * day;

/**
 * What asks for a renewal: the end of what is to be renewed. It stays what it was while nothing is due, so that one end asks once.
 * @param days before the end from which it is due
 */
export function renewal(known: PastCertificate | undefined, days: number, now = Date.now()): string {
  if (known === undefined) {
    return "";
  }
  return endsWithin(days, known.until, now) ? known.until : known.due;
}
