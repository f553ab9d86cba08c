import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { takeEnds } from '../../jobs/job-ends.js';
import { Settings } from '../../platform/config/settings.js';
import { preparedRows, SHORT_TRANSACTION } from '../../platform/database/sql.js';
import type { Match, NewEvent } from './event-matching.js';
import type { EventType } from './event.entity.js';

/** Topic with the services that have new events; `*` stands for all. */
export const EVENTS_STORED = 'events_stored';

/** New events of a batch. */
export interface FannedOut {
  /** Number of jobs that were taken from the outbox. */
  readonly taken: number;
  /** The greatest id of these jobs. */
  readonly last: string | null;
  readonly services: readonly string[];
  /** The events of services with endpoints. */
  readonly events: readonly NewEvent[];
}

interface MadeRow {
  readonly taken: number;
  readonly last: string | null;
  readonly services: readonly string[];
  readonly id: string | null;
  readonly service: string;
  readonly type: string;
  readonly at: Date;
  readonly jobType: string;
  readonly channels: readonly string[] | null;
  readonly webhookUrl: string | null;
  readonly metadata: string | null;
}

/** The data of an event that is not about a job. */
export interface EndpointEvent {
  readonly service: string;
  readonly type: EventType;
  readonly endpointId: string;
  readonly body: string;
}

/** All writes to `events`, and the inserts of deliveries. */
@Injectable()
export class FanOutStore {
  private readonly apiUrl: string;

  constructor(
    settings: Settings,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.apiUrl = JSON.stringify(settings.apiUrl).slice(1, -1);
  }

  /** Makes the events of up to `limit` jobs that ended with ids above `from`, except those of `skipped`. */
  async insertEvents(
    manager: EntityManager,
    limit: number,
    skipped: readonly string[],
    from: string,
  ): Promise<FannedOut> {
    const made = await preparedRows<MadeRow>(manager, INSERT_EVENTS, [
      limit,
      skipped,
      this.apiUrl,
      from,
    ]);
    const { taken = 0, last = null, services = [] } = made[0] ?? {};
    const events = made.flatMap(
      ({ id, service, type, at, jobType, channels, webhookUrl, metadata }) =>
        id === null
          ? []
          : [{ id, service, type, at, job: { type: jobType, channels, webhookUrl, metadata } }],
    );
    return { taken, last, services, events };
  }

  /** Makes one event about an endpoint. */
  async insertEndpointEvent(manager: EntityManager, event: EndpointEvent): Promise<NewEvent> {
    const { service, type, endpointId, body } = event;
    const [made] = await preparedRows<{ id: string }>(manager, INSERT_EVENT, [
      service,
      type,
      endpointId,
      body,
    ]);
    if (made === undefined) throw new Error('an event was not inserted');
    return { id: made.id, service, type, endpointId };
  }

  /** Inserts deliveries that are due. `isFirst`: before all others of their endpoint. */
  async insertDeliveries(
    manager: EntityManager,
    matches: readonly Match[],
    isFirst = false,
  ): Promise<void> {
    await preparedRows(manager, INSERT_DELIVERIES, [
      matches.map(({ eventId }) => eventId),
      matches.map(({ endpointId }) => endpointId),
      isFirst,
      matches.map(({ lane }) => lane),
    ]);
  }

  /** The job that `insertEvents` takes first. */
  async findFirst(skipped: readonly string[], from: string): Promise<string | undefined> {
    const [first] = await preparedRows<{ id: string }>(this.database, FIND_FIRST, [skipped, from]);
    return first?.id;
  }
}

/**
 * SQL of the CTE `turn`. Its lock is held until the commit, so ids become visible in their order: a reader that has
 * seen one never misses a lower one. Every insert of events has it.
 */
const TURN = `turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(hashtextextended('events', 0)) AS held)`;

/** SQL of the JSON of the event of the job in `ended`; the metadata is as the service wrote it. `apiUrl`: the parameter. */
export const bodyOf = (apiUrl: string): string => `
  '{"type":"job.' || status
  || '","timestamp":"' || to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  || '","data":{"id":"' || id || '","type":"' || type || '","status":"' || status
  || '","metadata":' || coalesce(metadata, 'null')
  || ',"error":' || coalesce(error::text, 'null')
  || ',"links":{"job":"' || ${apiUrl}::text || '/v1/jobs/' || id
  || CASE WHEN status = 'completed' THEN '","result":"' || ${apiUrl}::text || '/v1/jobs/' || id || '/result' ELSE '' END
  || '","events":"' || ${apiUrl}::text || '/v1/jobs/' || id || '/events"}}}'`;

/** A notification has at most 8000 bytes. */
const MAX_NOTIFIED_BYTES = 7000;

/** One row for each event that an endpoint may get; at least one row. */
const INSERT_EVENTS = {
  name: 'events-insert',
  text: `
  WITH ${TURN},
  ${takeEnds('$1', '$2', '$4', 'turn')},
  event AS (
    INSERT INTO events (id, service, type, job_id, body)
    SELECT new_event_id(), service, 'job.' || status, id, ${bodyOf('$3')} FROM ended ORDER BY ended_at, id
    RETURNING id, service, type, job_id),
  made AS MATERIALIZED (
    SELECT array_agg(DISTINCT service) AS services, string_agg(DISTINCT service, ',') AS names FROM event),
  notified AS MATERIALIZED (
    SELECT pg_notify('reducto_gateway', '${EVENTS_STORED} '
             || CASE WHEN length(names) < ${MAX_NOTIFIED_BYTES} THEN names ELSE '*' END)
      FROM made WHERE names IS NOT NULL),
  wanted AS (
    SELECT event.id, event.service, event.type, ended.ended_at, ended.type AS job_type, ended.channels, ended.webhook_url, ended.metadata
      FROM event JOIN ended ON ended.id = event.job_id
     WHERE ended.webhook_url IS NOT NULL
        OR EXISTS (SELECT FROM endpoints WHERE endpoints.service = event.service)),
  ${SHORT_TRANSACTION}
  SELECT (SELECT count(*)::integer FROM taken) AS taken,
         (SELECT job_id FROM taken ORDER BY job_id DESC LIMIT 1) AS last, coalesce(services, '{}') AS services,
         wanted.id, wanted.service, wanted.type, ended_at AS at, job_type AS "jobType", channels, webhook_url AS "webhookUrl", metadata
    FROM short, made LEFT JOIN notified ON true LEFT JOIN wanted ON true`,
};

const INSERT_EVENT = {
  name: 'events-insert-one',
  text: `
  WITH ${TURN},
  event AS (
    INSERT INTO events (id, service, type, endpoint_id, body)
    SELECT new_event_id(), $1, $2, $3, $4 FROM turn
    RETURNING id, service),
  ${SHORT_TRANSACTION}
  SELECT id, pg_notify('reducto_gateway', '${EVENTS_STORED} ' || service) FROM event, short`,
};

const INSERT_DELIVERIES = {
  name: 'deliveries-insert',
  text: `
  INSERT INTO deliveries (event_id, endpoint_id, lane, next_attempt_at)
  SELECT event_id, endpoint_id, lane, now() - CASE WHEN $3::boolean THEN interval '7 days' ELSE interval '0' END
    FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $4::smallint[])) AS delivery (event_id, endpoint_id, lane)
  ON CONFLICT DO NOTHING`,
};

const FIND_FIRST = {
  name: 'event-outbox-first',
  text: `
  SELECT job_id AS id FROM event_outbox WHERE job_id > $2::uuid AND job_id <> ALL ($1::uuid[]) ORDER BY job_id LIMIT 1`,
};
