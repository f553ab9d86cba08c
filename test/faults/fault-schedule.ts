import type { PlatformSettings } from '../../src/sandbox/faults/platform-switches.js';
import { Random } from './random.js';

/** What a fault hits. Faults of one lane follow each other; those of different lanes overlap freely. */
type Lane = 'replica' | 'database' | 'upstream' | 'platform' | 'front' | 'callbacks';

interface KindOfFault {
  readonly lane: Lane;
  /** How long it lasts, or how long a replica stays away. */
  readonly forMs: readonly [number, number];
  readonly platform?: (random: Random) => PlatformSettings;
}

const REFUSALS = ['code1000', 'bare429', 'html503'] as const;

export const FAULT_KINDS = {
  kill: { lane: 'replica', forMs: [200, 4_000] },
  terminate: { lane: 'replica', forMs: [200, 2_000] },
  /** Its upper end is a setting of the run. */
  pause: { lane: 'replica', forMs: [1_000, 1_000] },
  silentDatabase: { lane: 'replica', forMs: [2_000, 8_000] },
  refuseDatabase: { lane: 'replica', forMs: [500, 4_000] },
  crashDatabase: { lane: 'database', forMs: [0, 0] },
  silentUpstream: { lane: 'upstream', forMs: [1_000, 4_000] },
  refuseUpstream: { lane: 'upstream', forMs: [500, 4_000] },
  silentFront: { lane: 'front', forMs: [500, 3_000] },
  refuseFront: { lane: 'front', forMs: [500, 3_000] },
  outage: {
    lane: 'platform',
    forMs: [500, 4_000],
    platform: (random) => ({ outageStatus: random.pick([500, 502, 503, 504]) }),
  },
  /** The proxy before the platform knows it no more: a page with 404 to everything. */
  lostRoute: { lane: 'platform', forMs: [300, 1_500], platform: () => ({ outageStatus: 404 }) },
  rateLimit: {
    lane: 'platform',
    forMs: [1_000, 4_000],
    platform: (random) => ({
      rateLimitPerSecond: random.between(3, 15),
      rateLimitFlavour: random.pick(REFUSALS),
      retryAfterSeconds: random.between(0, 2),
    }),
  },
  readLimit: {
    lane: 'platform',
    forMs: [1_000, 4_000],
    platform: (random) => ({ jobReadsPerSecond: random.between(1, 8) }),
  },
  /** A version before v1.12.16: classify jobs run in synchronous calls, also later, until a replica starts again. */
  noClassifyQueue: {
    lane: 'platform',
    forMs: [2_000, 5_000],
    platform: () => ({ classifyAsync: false }),
  },
  noListing: { lane: 'platform', forMs: [1_000, 4_000], platform: () => ({ jobsList: false }) },
  /** Well below the schedule by which the gateway concludes that a submit made nothing. */
  lateListing: {
    lane: 'platform',
    forMs: [2_000, 6_000],
    platform: () => ({ listDelayMs: 1_000 }),
  },
  clockSkew: {
    lane: 'platform',
    forMs: [3_000, 8_000],
    platform: (random) => ({ clockSkewMs: random.pick([-360_000, 360_000]) }),
  },
  rawStatuses: {
    lane: 'platform',
    forMs: [2_000, 6_000],
    platform: (random) => ({ rawStatuses: true, enhanced: random.chance(0.5) }),
  },
  cancelledShows: {
    lane: 'platform',
    forMs: [3_000, 8_000],
    platform: (random) => ({
      cancelledView: random.pick(['cancelled', 'conflict']),
      cancelWebhook: true,
      cancelFinished: random.pick(['conflict', 'notFound']),
    }),
  },
  /** A callback that no job has sent: a made-up job, a real one without its token, no JSON at all. */
  forge: { lane: 'callbacks', forMs: [0, 0] },
  /** The genuine callback of some job once more, with another status. */
  resend: { lane: 'callbacks', forMs: [0, 0] },
  /** The token of one job with the upstream id of another. */
  swap: { lane: 'callbacks', forMs: [0, 0] },
} as const satisfies Record<string, KindOfFault>;

export type FaultKind = keyof typeof FAULT_KINDS;

/** What the platform switches go back to when a fault ends. */
export const NORMAL_PLATFORM: PlatformSettings = {
  outageStatus: 0,
  rateLimitPerSecond: 0,
  jobReadsPerSecond: 0,
  classifyAsync: true,
  jobsList: true,
  listDelayMs: 0,
  clockSkewMs: 0,
  rawStatuses: false,
  enhanced: false,
  cancelledView: 'failed',
  cancelWebhook: false,
  cancelFinished: 'ok',
};

export interface PlannedFault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
  /** Which replica it hits, where it hits one. */
  readonly replica: number;
  readonly platform: PlatformSettings | undefined;
  /** From 0 to 1: decides what is open when the fault begins, such as whose callback is forged. */
  readonly draw: number;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly withinMs: number;
  readonly replicas: number;
  readonly longestPauseMs: number;
  readonly without: readonly FaultKind[];
}

/** Milliseconds without a fault between two of a lane. */
const GAPS: Record<Lane, readonly [number, number]> = {
  replica: [1_500, 4_000],
  database: [6_000, 16_000],
  upstream: [2_000, 6_000],
  platform: [500, 2_500],
  front: [4_000, 10_000],
  callbacks: [300, 1_500],
};

/** The faults of a run, by time: the same for the same options. */
export function planFaults(options: ScheduleOptions): PlannedFault[] {
  const lanes: [Lane, number][] = [
    ...Array.from({ length: options.replicas }, (_, n): [Lane, number] => ['replica', n]),
    ...(['database', 'upstream', 'platform', 'front', 'callbacks'] as const).map(
      (lane): [Lane, number] => [lane, 0],
    ),
  ];
  return lanes
    .flatMap(([lane, replica]) => planLane(lane, replica, options))
    .toSorted((a, b) => a.atMs - b.atMs);
}

/** All kinds of a lane have their turn before one comes again: a short run sees each of them. */
function planLane(lane: Lane, replica: number, options: ScheduleOptions): PlannedFault[] {
  const random = new Random(options.seed, `${lane} ${replica}`);
  const kinds = kindsOf(lane).filter((kind) => !options.without.includes(kind));
  const planned: PlannedFault[] = [];
  let turn: FaultKind[] = [];
  let atMs = random.between(...GAPS[lane]);
  while (kinds.length > 0 && atMs < options.withinMs) {
    if (turn.length === 0) turn = random.shuffled(kinds);
    const kind = turn.pop() ?? random.pick(kinds);
    const { forMs: length, platform }: KindOfFault = FAULT_KINDS[kind];
    const longest = kind === 'pause' ? options.longestPauseMs : length[1];
    const forMs = Math.min(random.between(length[0], longest), options.withinMs - atMs);
    planned.push({ kind, atMs, forMs, replica, platform: platform?.(random), draw: random.next() });
    atMs += forMs + random.between(...GAPS[lane]);
  }
  return planned;
}

/** What must not be hit by two faults at once. */
export function laneOf({ kind, replica }: PlannedFault): string {
  return `${FAULT_KINDS[kind].lane} ${replica}`;
}

function kindsOf(lane: Lane): FaultKind[] {
  return Object.entries(FAULT_KINDS)
    .filter(([, kind]) => kind.lane === lane)
    .map(([name]) => name)
    .filter(isFaultKind);
}

/** A comma-separated list, as people give it. */
export function readFaultKinds(list: string): FaultKind[] {
  return list
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      if (!isFaultKind(name)) throw new Error(`there is no fault ${name}`);
      return name;
    });
}

function isFaultKind(name: string): name is FaultKind {
  return Object.hasOwn(FAULT_KINDS, name);
}
