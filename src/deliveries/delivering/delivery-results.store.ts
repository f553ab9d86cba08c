import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import { SINGLE_LANE } from './delivery-lane.js';
import { BREAKER_FAILURES } from './lease-statements.js';
import type { Outcome } from './retry-policy.js';

/** A request that was made, and what becomes of its delivery. */
export interface AttemptRecord {
  readonly eventId: string;
  readonly endpointId: string;
  readonly lease: string;
  readonly attempt: number;
  readonly at: Date;
  readonly durationMs: number;
  readonly status: number | null;
  readonly errorCode: string | null;
  readonly error: string | null;
  /** JSON text. */
  readonly responseHeaders: string | null;
  readonly responseBody: string | null;
  readonly outcome: Outcome;
}

/** An endpoint whose attempts failed. */
export interface FailingEndpoint {
  readonly id: string;
  /** It has failed for as long as an endpoint may. */
  readonly isOverdue: boolean;
}

/** First pause of an open circuit breaker; it doubles up to the maximum. */
const BREAKER_SECONDS = 5;
const MAX_BREAKER_SECONDS = 300;

/** The batched statement that records attempts. */
@Injectable()
export class DeliveryResultsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /**
   * Records attempts, and ends or reschedules the deliveries that are still held under their leases. Returns the endpoints
   * that fail.
   */
  record(
    records: readonly AttemptRecord[],
    process: string,
    failedHours: number,
  ): Promise<FailingEndpoint[]> {
    const of = <T>(value: (record: AttemptRecord) => T): T[] => records.map(value);
    const health = healthOf(records);
    return preparedRows<FailingEndpoint>(this.database, RECORD, [
      of(({ eventId }) => eventId),
      of(({ endpointId }) => endpointId),
      of(({ lease }) => lease),
      of(({ attempt }) => attempt),
      of(({ at }) => at),
      of(({ durationMs }) => durationMs),
      of(({ status }) => status),
      of(({ errorCode }) => errorCode),
      of(({ error }) => error),
      of(({ responseHeaders }) => responseHeaders),
      of(({ responseBody }) => responseBody),
      of(({ outcome }) => STATUS_AFTER[outcome.kind]),
      of(({ outcome }) => (outcome.kind === 'retry' ? outcome.seconds : null)),
      process,
      health.map(({ endpointId }) => endpointId),
      health.map(({ hasSucceeded }) => hasSucceeded),
      health.map(({ failures }) => failures),
      health.map(({ pauseSeconds }) => pauseSeconds),
      failedHours,
    ]);
  }
}

/** A receiver that wants no more events may be recovered: the delivery waits for that. */
const STATUS_AFTER = {
  delivered: 'delivered',
  retry: 'pending',
  failed: 'failed',
  gone: 'failed',
} as const satisfies Record<Outcome['kind'], string>;

interface Health {
  readonly endpointId: string;
  hasSucceeded: boolean;
  /** Since the last success of the batch. */
  failures: number;
  pauseSeconds: number;
}

/** How the endpoints of a batch fared, in the order of their ids. */
function healthOf(records: readonly AttemptRecord[]): Health[] {
  const all = new Map<string, Health>();
  for (const { endpointId, outcome } of records) {
    const health = all.get(endpointId) ?? {
      endpointId,
      hasSucceeded: false,
      failures: 0,
      pauseSeconds: 0,
    };
    all.set(endpointId, health);
    if (outcome.kind === 'delivered') {
      Object.assign(health, { hasSucceeded: true, failures: 0 });
      continue;
    }
    health.failures += 1;
    const pause = outcome.kind === 'gone' ? 0 : outcome.pauseSeconds;
    health.pauseSeconds = Math.max(health.pauseSeconds, pause);
  }
  return [...all.values()];
}

/** Failures that end together count up to the threshold, so that they double the pause once. */
const FAILURES_AFTER = `
  CASE WHEN has_succeeded THEN least(health.failures, ${BREAKER_FAILURES})
       WHEN consecutive_failures < ${BREAKER_FAILURES}
       THEN least(consecutive_failures + health.failures, ${BREAKER_FAILURES})
       ELSE consecutive_failures + 1 END`;

/**
 * An endpoint of jobs’ webhooks is neither paused nor disabled: its other URLs may work, and each delivery has its own retries.
 * The row of an endpoint is written if it fails, recovers, or has not been written for 10 s. Rows are locked in the order
 * of their keys, endpoints first, so that two processes never wait for each other. Deliveries are found by their key and updated by their place:
 * a join that PostgreSQL planned while the table was small would read all pending ones.
 */
export const RECORD = {
  name: 'deliveries-record',
  text: `
  WITH record AS MATERIALIZED (
    SELECT * FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::uuid[]), (SELECT $4::integer[]),
                         (SELECT $5::timestamptz[]), (SELECT $6::integer[]), (SELECT $7::integer[]),
                         (SELECT $8::text[]), (SELECT $9::text[]), (SELECT $10::text[]), (SELECT $11::text[]), (SELECT $12::text[]),
                         (SELECT $13::float8[]))
      AS record (event_id, endpoint_id, lease, attempt, at, duration_ms, status, error_code, error, response_headers,
                 response_body, status_after, retry_seconds)),
  attempt AS (
    INSERT INTO delivery_attempts (event_id, endpoint_id, attempt, at, duration_ms, status, error_code, error, response_headers,
                                   response_body, process)
    SELECT event_id, endpoint_id, attempt, at, duration_ms, status, error_code, error, response_headers, response_body, $14
      FROM record
     WHERE (SELECT true FROM deliveries AS delivery
             WHERE delivery.event_id = record.event_id AND delivery.endpoint_id = record.endpoint_id)
     ORDER BY at),
  health AS MATERIALIZED (
    SELECT * FROM unnest((SELECT $15::uuid[]), (SELECT $16::boolean[]), (SELECT $17::integer[]), (SELECT $18::float8[]))
      AS health (endpoint_id, has_succeeded, failures, pause_seconds)),
  locked AS MATERIALIZED (
    SELECT id FROM endpoints JOIN health ON health.endpoint_id = endpoints.id
     WHERE health.failures > 0 OR consecutive_failures > 0 OR failing_since IS NOT NULL
        OR coalesce(last_success_at < now() - interval '10 s', true)
     ORDER BY id FOR NO KEY UPDATE OF endpoints),
  held AS MATERIALIZED (
    SELECT row, status_after, retry_seconds
      FROM (SELECT * FROM record WHERE (SELECT count(*) FROM locked) IS NOT NULL
             ORDER BY event_id, endpoint_id) AS record,
           LATERAL (SELECT ctid AS row FROM deliveries
                     WHERE event_id = record.event_id AND endpoint_id = record.endpoint_id AND lease = record.lease
                       FOR NO KEY UPDATE) AS found),
  recorded AS (
    UPDATE deliveries
       SET status = status_after, attempts = attempts + 1, lease = NULL, worker = NULL,
           failures = CASE WHEN status_after = 'delivered' THEN failures ELSE failures + 1 END,
           lane = CASE WHEN lane > ${SINGLE_LANE} THEN lane | 1 ELSE lane END,
           next_attempt_at = now() + make_interval(secs => retry_seconds),
           ended_at = CASE WHEN status_after <> 'pending' THEN now() END
      FROM held
     WHERE ctid = row AND ctid = ANY (ARRAY(SELECT row FROM held))),
  changed AS (
    UPDATE endpoints
       SET consecutive_failures = ${FAILURES_AFTER},
           failing_since = CASE WHEN health.failures = 0 THEN NULL
                                WHEN has_succeeded THEN now() ELSE coalesce(failing_since, now()) END,
           last_success_at = CASE WHEN has_succeeded THEN now() ELSE last_success_at END,
           last_failure_at = CASE WHEN health.failures > 0 THEN now() ELSE last_failure_at END,
           paused_until = CASE WHEN health.failures > 0 AND NOT for_jobs THEN nullif(greatest(
             now() + make_interval(secs => pause_seconds),
             CASE WHEN (${FAILURES_AFTER}) >= ${BREAKER_FAILURES}
                  THEN now() + make_interval(secs => least(${MAX_BREAKER_SECONDS},
                         ${BREAKER_SECONDS} * 2 ^ least((${FAILURES_AFTER}) - ${BREAKER_FAILURES}, 6))) END), now()) END
      FROM health
     WHERE endpoints.id = health.endpoint_id AND endpoints.id = ANY (ARRAY(SELECT id FROM locked))
    RETURNING endpoints.id, failing_since, for_jobs)
  SELECT id, NOT for_jobs AND failing_since <= now() - make_interval(hours => $19) AS "isOverdue"
    FROM changed WHERE failing_since IS NOT NULL`,
};
