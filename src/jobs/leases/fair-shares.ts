import { classifyDatabaseError } from '../../platform/database/database-errors.js';
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
    const locked = new Set<string>();
    for (let attempt = 1; attempt <= MAX_LEASES && leased.length < limit; attempt += 1) {
      const begin = performance.now();
      const { scan, isTrial } = this.scans.next(begin);
      let rows: readonly FairRow<Job>[];
      try {
        rows = await lease(scan, this.parameters(limit - leased.length, locked));
      } catch (error) {
        // The jobs of the first lease are not lost because of a later one.
        if (leased.length > 0 && classifyDatabaseError(error) === 'data') break;
        throw error;
      }
      this.scans.record(scan, begin, performance.now());
      const turns = [...new Map(rows.map((row) => [row.turnOf, row])).values()];
      this.recordBounds(turns);
      const jobs = this.chargeJobs(turns, rows);
      leased.push(...jobs);
      const late = turns.filter(({ turnOf, planned }) => leasedOf(turnOf, rows).length < planned);
      for (const { turnOf } of late) locked.add(turnOf);
      // A trial of the bounded scan may miss jobs that the live scan finds.
      const mayMiss = isTrial && scan === 'bounded';
      if (late.length === 0 && !mayMiss) break;
    }
    return leased;
  }

  /** $1 to $7 of a fair lease, in which the services of `last` come last. */
  parameters(limit: number, last: ReadonlySet<string> = new Set()): unknown[] {
    if (this.shares.size > MAX_SERVICES) this.shares.clear();
    const shares = [...this.shares.values()];
    const finishes = [...this.shares].map(([service, { finish }]) =>
      last.has(service) ? Infinity : finish,
    );
    return [
      limit,
      [...this.shares.keys()],
      finishes,
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
      const own = leasedOf(turnOf, rows);
      if (own.length === 0) continue;
      const share = this.shareOf(turnOf);
      const first = Number.isFinite(start) ? start : Math.max(share.finish, this.clock);
      share.finish = first + own.length / weight;
      inOrder(own, share).forEach((job, place) => {
        if (job.id !== null) tagged.push({ job, tag: first + place / weight });
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

function leasedOf<Job extends Leased>(
  service: string,
  rows: readonly FairRow<Job>[],
): readonly FairRow<Job>[] {
  return rows.filter((row) => row.id !== null && row.turnOf === service);
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
