import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AuditQueries } from '../audit/audit-queries.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { JobsAdminService, type JobsOverview } from '../jobs/jobs-admin.service.js';
import { CallbackHistory } from '../webhooks/callback-history.js';

/** The periods of the charts, with their slots. */
export const RANGES = {
  '1h': { label: '1 hour', slots: 60, slotSeconds: 60 },
  '24h': { label: '24 hours', slots: 96, slotSeconds: 900 },
  '7d': { label: '7 days', slots: 84, slotSeconds: 7200 },
} as const;

export type Range = keyof typeof RANGES;

export const DEFAULT_RANGE: Range = '24h';

/** Accepted and refused callbacks by slot. */
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

/** Open jobs as of `to`, the rest from `from` to `to`. */
export interface OverviewCounts extends JobsOverview {
  readonly from: Date;
  readonly to: Date;
  readonly timeline: Timeline;
}

/** Cache lifetime: several admins with an open page cause one query. */
const FRESH_MILLISECONDS = 5000;

/** The overview, from queries whose cost does not grow with the age of the gateway. */
@Injectable()
export class OverviewService {
  private readonly snapshots = new LRUCache<Range, Promise<OverviewCounts>>({
    max: 10,
    ttl: FRESH_MILLISECONDS,
  });

  constructor(
    private readonly audit: AuditQueries,
    private readonly writer: AuditWriter,
    private readonly callbacks: CallbackHistory,
    private readonly jobs: JobsAdminService,
  ) {}

  readOverview(range: Range): Promise<OverviewCounts> {
    return fresh(this.snapshots, range, () => this.queryOverview(range));
  }

  private async queryOverview(range: Range): Promise<OverviewCounts> {
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

/** A failed promise is not cached. */
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
