/**
 * Something that many use and one may disturb. Tests run side by side: whoever takes a master away has the API server to
 * themselves until the others can be served again, so that no test fails for what another one does.
 */
export class Calm {
  private readonly users = new Set<Promise<unknown>>();
  private disturbance: Promise<unknown> = Promise.resolve();

  /** Does something that wants calm: waits for the end of disturbances, and makes the next one wait. */
  async calmly<T>(work: () => Promise<T>): Promise<T> {
    for (let last; last !== this.disturbance; await last) {
      last = this.disturbance;
    }
    const using = work();
    this.users.add(using);
    try {
      return await using;
    } finally {
      this.users.delete(using);
    }
  }

  /** Disturbs, once all who want calm have finished, until the work is done. */
  disturb<T>(work: () => Promise<T>): Promise<T> {
    const disturbing = this.disturbance.then(() => Promise.allSettled(this.users)).then(work);
    this.disturbance = disturbing.catch(() => undefined);
    return disturbing;
  }
}
