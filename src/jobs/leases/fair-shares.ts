import { ScanChoice, type Scan } from './scan-choice.js';

/** One slot in this many goes to the longest due job that is not urgent. */
const REGULAR_EVERY = 5;

/** How often a lease is made in order to fill slots that were planned for rows which other transactions lock. */
const MAX_LEASES = 3;

/** Beyond it, all services begin anew. */
const MAX_SERVICES = 1000;

/** What a row of a fair lease says of its service. */
export interface ServiceTurn {
  readonly turnOf: string;
  readonly weight: number;
  /** Start tag of its next job. */
  readonly start: number;
  /** Number of its jobs to lease; fewer are leased if other transactions lock them. */
  readonly planned: number;
  /** It has due jobs. */
  readonly isDue: boolean;
  readonly isLimited: boolean;
  /** No due row of the service is older: the lower bounds of the next lease. */
  readonly urgentFrom: string;
  readonly regularFrom: string;
  /** The lower bounds of a service without due rows. */
  readonly idleFrom: string;
}

interface Leased {
  readonly id: string;
}

/** A row of a fair lease: a job, or a service alone. */
export type FairRow<Job extends Leased> = ServiceTurn & {
  readonly urgent: boolean;
} & (Job | { readonly id: null });

interface Share {
  /** Finish tag of its last job. */
  finish: number;
  /** Urgent jobs in a row. */
  streak: number;
  urgentFrom: string;
  regularFrom: string;
}

/**
 * Start-time fair queueing of this process’s leases for one kind of work. Each job of a service advances its tag by
 * 1 / weight, and the lowest tag is next. An idle service begins one job before the others, so that a single job does
 * not wait for a backlog. Each process is fair by itself, so all of them together are.
 */
export class FairShares {
  private readonly shares = new Map<string, Share>();
  /** Start tag of the last leased job. */
  private clock = 0;
  private readonly scans = new ScanChoice();

  /** Leases up to `limit` jobs. `lease` makes a fair lease, whose first parameters are given. */
  async leaseJobs<Job extends Leased>(
    limit: number,
    lease: (scan: Scan, parameters: readonly unknown[]) => Promise<readonly FairRow<Job>[]>,
  ): Promise<Job[]> {
    const leased: Job[] = [];
    for (let attempt = 1; attempt <= MAX_LEASES && leased.length < limit; attempt += 1) {
      const begin = performance.now();
      const scan = this.scans.next(begin);
      const rows = await lease(scan, this.parameters(limit - leased.length));
      this.scans.record(scan, begin, performance.now());
      const turns = [...new Map(rows.map((row) => [row.turnOf, row])).values()];
      this.recordBounds(turns);
      const jobs = this.chargeJobs(turns, rows);
      leased.push(...jobs);
      const planned = turns.reduce((sum, turn) => sum + turn.planned, 0);
      if (jobs.length >= planned) break;
    }
    return leased;
  }

  /** $1 to $7 of a fair lease. */
  parameters(limit: number): unknown[] {
    if (this.shares.size > MAX_SERVICES) this.shares.clear();
    const shares = [...this.shares.values()];
    return [
      limit,
      [...this.shares.keys()],
      shares.map(({ finish }) => finish),
      shares.map(({ streak }) => streak),
      shares.map(({ urgentFrom }) => urgentFrom),
      shares.map(({ regularFrom }) => regularFrom),
      this.clock,
    ];
  }

  private recordBounds(turns: readonly ServiceTurn[]): void {
    const [idleFrom] = turns.map((turn) => turn.idleFrom);
    if (idleFrom === undefined) return;
    for (const share of this.shares.values()) {
      share.urgentFrom = idleFrom;
      share.regularFrom = idleFrom;
    }
    for (const { turnOf, urgentFrom, regularFrom } of turns) {
      Object.assign(this.shareOf(turnOf), { urgentFrom, regularFrom });
    }
  }

  /** Charges leased jobs to their services, and returns them in the order of their turns. */
  private chargeJobs<Job extends Leased>(
    turns: readonly ServiceTurn[],
    rows: readonly FairRow<Job>[],
  ): Job[] {
    const tagged: { readonly job: Job; readonly tag: number }[] = [];
    for (const { turnOf, start, weight } of turns) {
      const own = rows.filter((row) => row.id !== null && row.turnOf === turnOf);
      if (own.length === 0) continue;
      const share = this.shareOf(turnOf);
      share.finish = start + own.length / weight;
      inOrder(own, share).forEach((job, place) => {
        if (job.id !== null) tagged.push({ job, tag: start + place / weight });
      });
    }
    tagged.sort((a, b) => a.tag - b.tag);
    this.clock = Math.max(this.clock, tagged.at(-1)?.tag ?? this.clock);
    return tagged.map(({ job }) => job);
  }

  private shareOf(service: string): Share {
    const known = this.shares.get(service);
    if (known !== undefined) return known;
    const share: Share = {
      finish: -Infinity,
      streak: 0,
      urgentFrom: '-infinity',
      regularFrom: '-infinity',
    };
    this.shares.set(service, share);
    return share;
  }
}

/** Urgent jobs first, but one slot in five is for a regular one. */
function inOrder<Job extends { readonly urgent: boolean }>(
  jobs: readonly Job[],
  share: Share,
): Job[] {
  const urgent = jobs.filter((job) => job.urgent);
  const regular = jobs.filter((job) => !job.urgent);
  const ordered: Job[] = [];
  for (;;) {
    const isRegularTurn = share.streak >= REGULAR_EVERY - 1;
    const job = isRegularTurn
      ? (regular.shift() ?? urgent.shift())
      : (urgent.shift() ?? regular.shift());
    if (job === undefined) return ordered;
    share.streak = job.urgent ? Math.min(share.streak + 1, REGULAR_EVERY - 1) : 0;
    ordered.push(job);
  }
}
