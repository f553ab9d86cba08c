import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AuditQueries } from '../audit/audit-queries.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { JobsAdminService, type JobsOverview } from '../jobs/jobs-admin.service.js';
import { CallbackHistory } from '../webhooks/callback-history.js';

/** How far back a chart goes, and in which steps. */
export const RANGES = {
  '1h': { label: '1 hour', slots: 60, slotSeconds: 60 },
  '24h': { label: '24 hours', slots: 96, slotSeconds: 900 },
  '7d': { label: '7 days', slots: 84, slotSeconds: 7200 },
} as const;

export type Range = keyof typeof RANGES;

export const DEFAULT_RANGE: Range = '24h';

/** Accepted and refused callbacks, slot by slot. */
export interface Timeline {
  /** The beginning of every slot. */
  readonly slots: readonly string[];
  readonly slotSeconds: number;
  readonly accepted: readonly number[];
  readonly refused: readonly {
    readonly cause: string;
    readonly total: number;
    readonly counts: readonly number[];
  }[];
}

/** All of it is of the same time: open jobs as of `to`, the rest from `from` to `to`. */
export interface OverviewFigures extends JobsOverview {
  readonly from: Date;
  readonly to: Date;
  readonly timeline: Timeline;
}

/** The figures may be that old: several admins with the page open ask the database once. */
const FRESH_MILLISECONDS = 5000;

/** The figures of the overview, from queries that cost about the same however old the gateway is. */
@Injectable()
export class OverviewService {
  private readonly snapshots = new LRUCache<Range, Promise<OverviewFigures>>({
    max: 10,
    ttl: FRESH_MILLISECONDS,
  });

  constructor(
    private readonly audit: AuditQueries,
    private readonly writer: AuditWriter,
    private readonly callbacks: CallbackHistory,
    private readonly jobs: JobsAdminService,
  ) {}

  figures(range: Range): Promise<OverviewFigures> {
    return fresh(this.snapshots, range, () => this.readFigures(range));
  }

  private async readFigures(range: Range): Promise<OverviewFigures> {
    await this.writer.flushAudit();
    const { slots: count, slotSeconds } = RANGES[range];
    const to = new Date();
    const slots = slotsUntil(to, count, slotSeconds);
    const from = slots[0] ?? to;
    const [timeline, jobs] = await Promise.all([
      this.timeline(slots, slotSeconds, to),
      this.jobs.overview({ from, to }),
    ]);
    return { from, to, timeline, ...jobs };
  }

  private async timeline(slots: readonly Date[], slotSeconds: number, to: Date): Promise<Timeline> {
    const from = slots[0] ?? to;
    const [accepted, refused] = await Promise.all([
      this.callbacks.countPerSlot(from, to, slotSeconds),
      this.audit.countPerSlot(from, to, slotSeconds),
    ]);
    const causes = Map.groupBy(refused, ({ cause }) => cause);
    return {
      slots: slots.map((at) => at.toISOString()),
      slotSeconds,
      accepted: spread(slots, accepted),
      refused: [...causes]
        .map(([cause, found]) => ({
          cause,
          total: found.reduce((sum, { count }) => sum + count, 0),
          counts: spread(slots, found),
        }))
        .toSorted((one, other) => other.total - one.total),
    };
  }
}

export function isRange(text: unknown): text is Range {
  return typeof text === 'string' && Object.hasOwn(RANGES, text);
}

/** The beginnings of the last `count` slots; the last one holds `now`. */
export function slotsUntil(now: Date, count: number, slotSeconds: number): Date[] {
  const length = slotSeconds * 1000;
  const last = Math.floor(now.getTime() / length) * length;
  return Array.from({ length: count }, (_, n) => new Date(last - (count - 1 - n) * length));
}

function spread(
  slots: readonly Date[],
  found: readonly { readonly at: Date; readonly count: number }[],
): number[] {
  const bySlot = new Map(found.map(({ at, count }) => [at.getTime(), count]));
  return slots.map((slot) => bySlot.get(slot.getTime()) ?? 0);
}

/** What failed is asked for again at once. */
function fresh<Key extends string, Value>(
  cache: LRUCache<Key, Promise<Value>>,
  key: Key,
  load: () => Promise<Value>,
): Promise<Value> {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const loading = load();
  cache.set(key, loading);
  loading.catch(() => cache.delete(key));
  return loading;
}
