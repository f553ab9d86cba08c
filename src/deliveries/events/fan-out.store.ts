import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { takeEnds } from '../../jobs/job-ends.js';
import { Settings } from '../../platform/config/settings.js';
import { preparedRows } from '../../platform/database/sql.js';

/** Topic with the services that have new events; `*` stands for all. */
export const EVENTS_STORED = 'events_stored';

/** New events of a batch. */
export interface FannedOut {
  /** Number of jobs that were taken from the outbox. */
  readonly taken: number;
  readonly services: readonly string[];
}

/** The statement that turns ends of jobs into events. */
@Injectable()
export class FanOutStore {
  private readonly prefix: string;

  constructor(
    settings: Settings,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.prefix = JSON.stringify(settings.pathPrefix).slice(1, -1);
  }

  /** Makes the events of up to `limit` jobs that ended, except those of `skipped`. */
  async insertEvents(limit: number, skipped: readonly string[]): Promise<FannedOut> {
    const [made] = await preparedRows<FannedOut>(this.database, INSERT_EVENTS, [
      limit,
      skipped,
      this.prefix,
    ]);
    return made ?? { taken: 0, services: [] };
  }

  /** The job that `insertEvents` takes first. */
  async findFirst(skipped: readonly string[]): Promise<string | undefined> {
    const [first] = await preparedRows<{ id: string }>(this.database, FIND_FIRST, [skipped]);
    return first?.id;
  }
}

/**
 * SQL of the CTE `turn`. Its lock is held until the commit, so positions become visible in their order: a reader that
 * has seen one never misses a lower one. Every insert of events has it.
 */
export const EVENT_TURN = `turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(hashtextextended('events', 0)) AS held)`;

/** JSON of the data of an event of the job in `ended`; the metadata is as the service wrote it. $3: prefix of links. */
const BODY = `
  '{"type":"job.' || status
  || '","timestamp":"' || to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  || '","data":{"id":"' || id || '","type":"' || type || '","status":"' || status
  || '","metadata":' || coalesce(metadata, 'null')
  || ',"error":' || coalesce(error::text, 'null')
  || ',"links":{"job":"' || $3::text || '/v1/jobs/' || id
  || CASE WHEN status = 'completed' THEN '","result":"' || $3::text || '/v1/jobs/' || id || '/result' ELSE '' END
  || '","events":"' || $3::text || '/v1/jobs/' || id || '/events"}}}'`;

/** A notification has at most 8000 bytes. */
const MAX_NOTIFIED_BYTES = 7000;

const INSERT_EVENTS = {
  name: 'events-insert',
  text: `
  WITH ${EVENT_TURN},
  ${takeEnds('$1', '$2', 'turn')},
  event AS (
    INSERT INTO events (id, service, type, job_id, body)
    SELECT new_event_id(), service, 'job.' || status, id, ${BODY} FROM ended ORDER BY ended_at, id
    RETURNING service),
  made AS MATERIALIZED (
    SELECT array_agg(DISTINCT service) AS services, string_agg(DISTINCT service, ',') AS names FROM event),
  notified AS MATERIALIZED (
    SELECT pg_notify('reducto_gateway', '${EVENTS_STORED} '
             || CASE WHEN length(names) < ${MAX_NOTIFIED_BYTES} THEN names ELSE '*' END)
      FROM made WHERE names IS NOT NULL)
  SELECT (SELECT count(*)::integer FROM taken) AS taken, coalesce(services, '{}') AS services
    FROM made LEFT JOIN notified ON true`,
};

const FIND_FIRST = {
  name: 'event-outbox-first',
  text: `
  SELECT job_id AS id FROM event_outbox WHERE job_id <> ALL ($1::uuid[]) ORDER BY job_id LIMIT 1`,
};
