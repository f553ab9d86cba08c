import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { DELIVERY_STATUSES } from '../delivering/delivery.entity.js';
import type { Owner } from '../endpoints/endpoints.store.js';
import type { NewEvent } from './event-matching.js';
import type { EventType } from './event.entity.js';

/** `cancelled`: the endpoint was deleted before the event was delivered. */
export const SHOWN_STATUSES = [...DELIVERY_STATUSES, 'cancelled'] as const;
export type ShownStatus = (typeof SHOWN_STATUSES)[number];

/** A delivery as services and admins see it. Times are ISO 8601. */
export interface ShownDelivery {
  readonly endpointId: string;
  /** Null if the endpoint was deleted. */
  readonly url: string | null;
  readonly status: ShownStatus;
  readonly attempts: number;
  /** Null if an attempt is under way, and while the endpoint is disabled. */
  readonly nextAttemptAt: string | null;
  readonly endedAt: string | null;
}

export interface ShownEvent {
  readonly id: string;
  readonly service: string;
  readonly type: EventType;
  readonly jobId: string | null;
  /** The endpoint that the event is about. */
  readonly endpointId: string | null;
  readonly createdAt: Date;
  readonly deliveries: readonly ShownDelivery[];
}

export interface EventFilter {
  readonly type?: EventType | undefined;
  readonly jobId?: string | undefined;
  /** Only events with a delivery to this endpoint. */
  readonly endpointId?: string | undefined;
  /** Only events with a delivery of this status. */
  readonly status?: ShownStatus | undefined;
}

/**
 * A page: newest first, from before the id `before`; or oldest first, from after the id `after` (`0`: from the first).
 * The event need not exist.
 */
export type Page = { readonly before?: string | undefined } | { readonly after: string };

export interface EventPage {
  readonly events: readonly ShownEvent[];
  /** Where the next page begins: all events up to this id were examined. Newest first: null if none are left. */
  readonly next: string | null;
  /** Whether events were not examined yet. */
  readonly hasMore: boolean;
}

/** Events that one read compares with a filter which no index serves. */
export const MAX_EXAMINED = 5000;

/** A page without matches is one row without an event. */
type FoundRow = (ShownEvent | { readonly id: null }) & {
  readonly lastExamined: string | null;
  readonly newest: string | null;
};

/** Reads of events. Their ids are their order. */
@Injectable()
export class EventsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Up to `limit` matches among the next `MAX_EXAMINED` events that an index leads to. */
  async list(owner: Owner, filter: EventFilter, page: Page, limit: number): Promise<EventPage> {
    const parameters: unknown[] = [limit + 1];
    const parameter = (value: unknown): string => `$${parameters.push(value)}`;
    const isFeed = 'after' in page;
    const [order, isNext] = isFeed ? ['ASC', '>'] : ['DESC', '<'];
    const begin = isFeed ? (page.after === '0' ? NIL : page.after) : page.before;
    const own = owner === null ? OF_ALL : `service = ${parameter(owner)}`;
    const newest = isFeed
      ? `(SELECT id FROM events WHERE ${own} ORDER BY id DESC LIMIT 1)`
      : 'NULL';
    const { source, conditions, rest } = planOf(filter, own, parameter);
    if (begin !== undefined) conditions.push(`id ${isNext} ${parameter(begin)}::uuid`);
    const examined = `SELECT id FROM ${source} WHERE ${['true', ...conditions].join(' AND ')} ORDER BY id ${order}`;
    const isPartial = rest.length > 0;
    const found = await rows<FoundRow>(
      this.database,
      // One snapshot, so that no event appears between the parts.
      `SELECT progress.*, ${COLUMNS}
         FROM (SELECT ${isPartial ? `(${examined} OFFSET ${MAX_EXAMINED - 1} LIMIT 1)` : 'NULL::uuid'} AS "lastExamined",
                      ${newest}::uuid AS newest) AS progress
         LEFT JOIN (
           SELECT event.*
             FROM (${examined} LIMIT ${isPartial ? MAX_EXAMINED : '$1'}) AS examined JOIN events AS event USING (id)
            WHERE ${['true', ...rest].join(' AND ')}
            ORDER BY id ${order} LIMIT $1) AS event ON true
        ORDER BY event.id ${order}`,
      parameters,
    );
    return toPage(found, limit, isFeed ? page.after.toLowerCase() : null);
  }

  async find(owner: Owner, id: string): Promise<(ShownEvent & { body: string }) | undefined> {
    const [event] = await rows<ShownEvent & { body: string }>(this.database, FIND, [id, owner]);
    return event;
  }

  /** The event with what endpoints filter it by. Undefined if it is about a job that was deleted. */
  async findForMatching(id: string): Promise<NewEvent | undefined> {
    const [found] = await rows<MatchingRow>(this.database, FIND_FOR_MATCHING, [id]);
    if (found === undefined) return undefined;
    const { jobId, jobType, channels, webhookUrl, metadata, ...event } = found;
    if (jobId === null) return event;
    if (jobType === null) return undefined;
    return { ...event, job: { type: jobType, channels, webhookUrl, metadata } };
  }
}

interface MatchingRow extends Required<Omit<NewEvent, 'job'>> {
  readonly jobId: string | null;
  readonly jobType: string | null;
  readonly channels: readonly string[] | null;
  readonly webhookUrl: string | null;
  readonly metadata: string | null;
}

/** The condition of an admin’s list. */
const OF_ALL = 'true';

interface Plan {
  /** Has the column `id`, in whose order an index leads to the rows of `conditions`. */
  readonly source: string;
  readonly conditions: string[];
  /** The conditions on `event` that no index serves. */
  readonly rest: readonly string[];
}

function planOf(
  { type, jobId, endpointId, status }: EventFilter,
  own: string,
  parameter: (value: unknown) => string,
): Plan {
  const ofType = type === undefined ? [] : [`type = ${parameter(type)}`];
  const ofJob = jobId === undefined ? [] : [`job_id = ${parameter(jobId)}::uuid`];
  const ofEndpoint =
    endpointId === undefined ? [] : [`endpoint_id = ${parameter(endpointId)}::uuid`];
  const failed = `SELECT event_id AS id FROM deliveries WHERE ${[`status = 'failed'`, ...ofEndpoint].join(' AND ')}`;
  if (jobId === undefined && status === 'failed' && endpointId !== undefined) {
    // An endpoint has one service.
    const isOwn = `(SELECT ${own} FROM (${failed}) AS one JOIN events USING (id) LIMIT 1)`;
    return { source: `(${failed}) AS failed`, conditions: [isOwn], rest: ofType };
  }
  if (jobId === undefined && status === 'failed' && own === OF_ALL) {
    return { source: `(${failed} GROUP BY event_id) AS failed`, conditions: [], rest: ofType };
  }
  const isRare = type !== undefined && type !== 'job.completed';
  const delivery = [...ofEndpoint, ...(status === undefined ? [] : [STATUS_CONDITIONS[status]])];
  return {
    source: 'events',
    conditions: [own, ...ofJob, ...(isRare ? [...ofType, `type <> 'job.completed'`] : [])],
    rest: [
      ...(isRare ? [] : ofType),
      ...(delivery.length === 0
        ? []
        : [
            `EXISTS (SELECT FROM deliveries WHERE event_id = event.id AND ${delivery.join(' AND ')})`,
          ]),
    ],
  };
}

/** `after`: the cursor of a feed, which never goes back. */
function toPage(found: readonly FoundRow[], limit: number, after: string | null): EventPage {
  const { lastExamined = null, newest = null } = found[0] ?? {};
  const matches = found.filter((row) => row.id !== null);
  const events = matches.slice(0, limit);
  if (matches.length > limit) return { events, next: events.at(-1)?.id ?? null, hasMore: true };
  if (lastExamined !== null) return { events, next: lastExamined, hasMore: true };
  if (after === null) return { events, next: null, hasMore: false };
  return { events, next: newest !== null && newest > after ? newest : after, hasMore: false };
}

const NIL = '00000000-0000-0000-0000-000000000000';

const IS_DELETED = `NOT EXISTS (SELECT FROM endpoints WHERE endpoints.id = endpoint_id)`;

/** A pending delivery of a deleted endpoint is shown as cancelled. */
const STATUS_CONDITIONS: Readonly<Record<ShownStatus, string>> = {
  pending: `status = 'pending' AND NOT (${IS_DELETED})`,
  cancelled: `status = 'pending' AND ${IS_DELETED}`,
  delivered: `status = 'delivered'`,
  failed: `status = 'failed'`,
};

const ISO = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** A lease moves the time of the next attempt. */
const COLUMNS = `
  event.id, event.service, event.type, event.job_id AS "jobId", event.endpoint_id AS "endpointId",
  event.created_at AS "createdAt",
  coalesce((SELECT json_agg(json_build_object(
              'endpointId', delivery.endpoint_id, 'url', endpoint.url,
              'status', CASE WHEN status = 'pending' AND endpoint.id IS NULL THEN 'cancelled' ELSE status END,
              'attempts', attempts,
              'nextAttemptAt', CASE WHEN status = 'pending' AND lease IS NULL AND endpoint.enabled
                                    THEN ${ISO('greatest(next_attempt_at, delivery.created_at)')} END,
              'endedAt', ${ISO('ended_at')}) ORDER BY delivery.created_at, delivery.endpoint_id)
      FROM deliveries AS delivery LEFT JOIN endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
     WHERE event_id = event.id), '[]') AS deliveries`;

const FIND = `
  SELECT ${COLUMNS}, body FROM events AS event WHERE id = $1 AND ($2::text IS NULL OR service = $2)`;

const FIND_FOR_MATCHING = `
  SELECT event.id, event.service, event.type, endpoint_id AS "endpointId", job_id AS "jobId", job.type AS "jobType", channels,
         webhook_url AS "webhookUrl", metadata
    FROM events AS event LEFT JOIN jobs AS job ON job.id = job_id WHERE event.id = $1`;
