import { Injectable } from '@nestjs/common';
import { RefusalsService } from '../admin/refusals.service.js';
import { toRefusalDto, type RefusalDto } from '../admin/refusal.dto.js';
import { AuditQueries, type RefusalFilter } from '../audit/audit-queries.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import type { AskedRefusals } from './refusal-filter.js';

/** Refusals that are grouped at once, so that a list costs the same in an audit of any size. */
export const GROUP_WINDOW = 2000;
const PAGE_SIZE = 50;

/** A refused callback with its repeats; `count` is 1 where there are none. */
export interface RefusalRow {
  /** The newest. */
  readonly refusal: RefusalDto;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

export interface RefusalList {
  readonly rows: readonly RefusalRow[];
  readonly next: ListPlace | undefined;
  /** Whether repeats are grouped, and the window did not hold all that match. */
  readonly isCut: boolean;
}

/** Where a page begins: before the entry `cursor`, after `skip` groups. */
export interface ListPlace {
  readonly cursor: string | undefined;
  readonly skip: number;
}

/** Lists refusals for people: repeats of one callback are one row. */
@Injectable()
export class RefusalLists {
  constructor(
    private readonly queries: AuditQueries,
    private readonly writer: AuditWriter,
    private readonly refusals: RefusalsService,
  ) {}

  /** Throws `refusal_not_found` where the repeats of an unknown refusal are asked for. */
  async filterOf({ filter, values }: AskedRefusals): Promise<RefusalFilter> {
    if (values.repeatsOf === undefined) return filter;
    await this.writer.flushAudit();
    const repeatsOf = await this.queries.findRepeatKey(values.repeatsOf);
    if (repeatsOf === undefined) throw new GatewayError('refusal_not_found');
    return { ...filter, repeatsOf };
  }

  list(filter: RefusalFilter, place: ListPlace): Promise<RefusalList> {
    return filter.repeatsOf === undefined
      ? this.grouped(filter, place)
      : this.single(filter, place.cursor);
  }

  private async single(filter: RefusalFilter, cursor: string | undefined): Promise<RefusalList> {
    const found = await this.refusals.list(filter, cursor, PAGE_SIZE + 1);
    const rows = found.slice(0, PAGE_SIZE).map((entry) => rowOf(toRefusalDto(entry)));
    const last = rows.at(-1)?.refusal.id;
    const next = found.length > PAGE_SIZE ? { cursor: last, skip: 0 } : undefined;
    return { rows, next, isCut: false };
  }

  private async grouped(filter: RefusalFilter, place: ListPlace): Promise<RefusalList> {
    await this.writer.flushAudit();
    const found = await this.queries.listGroups(filter, {
      ...place,
      limit: PAGE_SIZE,
      window: GROUP_WINDOW,
    });
    const ids = found.groups.map(({ id }) => id);
    const entries = await this.refusals.list({ ids }, undefined, PAGE_SIZE);
    const views = new Map(entries.map((entry) => [entry.id, toRefusalDto(entry)]));
    const rows = found.groups.flatMap(({ id, count, firstAt, lastAt }) => {
      const refusal = views.get(id);
      if (refusal === undefined) return [];
      if (count === 1) return [rowOf(refusal)];
      return [{ refusal, count, firstAt: firstAt.toISOString(), lastAt: lastAt.toISOString() }];
    });
    const isCut = found.entries === GROUP_WINDOW;
    const skip = place.skip + found.groups.length;
    const { newestId, oldestId } = found;
    if (newestId !== undefined && skip < found.totalGroups) {
      return { rows, next: { cursor: String(BigInt(newestId) + 1n), skip }, isCut };
    }
    return { rows, next: isCut ? { cursor: oldestId, skip: 0 } : undefined, isCut };
  }
}

function rowOf(refusal: RefusalDto): RefusalRow {
  const { at, firstAt = at, lastAt = at } = refusal;
  return { refusal, count: 1, firstAt, lastAt };
}
