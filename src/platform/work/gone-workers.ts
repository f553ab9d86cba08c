/** What a worker process sees of the others. Times by the database’s clock. */
export interface Observation {
  readonly at: Date;
  /** When PostgreSQL started. */
  readonly serverStartedAt: Date;
  readonly workers: readonly { readonly id: number; readonly isLocked: boolean }[];
}

/** A worker process that is taken for dead. */
export interface GoneWorker {
  readonly id: number;
  /** First time that its lock was seen gone: it sent nothing later. */
  readonly since: Date;
}

/** The lock must be gone for this long. */
const GONE_MILLISECONDS = 1000;
/** Time that living workers have to take their locks again after an outage. */
const AMNESTY_MILLISECONDS = 2000;

/** Decides which workers are dead, by what is observed on one session. */
export class GoneWorkers {
  private readonly goneSince = new Map<number, Date>();
  private openedAt: Date | undefined;

  /** The session was opened again: what was seen before it says nothing. */
  reset(): void {
    this.goneSince.clear();
    this.openedAt = undefined;
  }

  observe({ at, serverStartedAt, workers }: Observation): GoneWorker[] {
    this.openedAt ??= at;
    const ids = new Set(workers.map(({ id }) => id));
    for (const id of this.goneSince.keys()) if (!ids.has(id)) this.goneSince.delete(id);
    for (const { id, isLocked } of workers) {
      if (isLocked) this.goneSince.delete(id);
      else if (!this.goneSince.has(id)) this.goneSince.set(id, at);
    }
    const amnestyEnds =
      Math.max(this.openedAt.getTime(), serverStartedAt.getTime()) + AMNESTY_MILLISECONDS;
    if (at.getTime() < amnestyEnds) return [];
    return Array.from(this.goneSince, ([id, since]) => ({ id, since })).filter(
      ({ since }) => at.getTime() - since.getTime() >= GONE_MILLISECONDS,
    );
  }
}
