import { SHORT_TRANSACTION } from '../../platform/database/sql.js';

/** Consecutive failures after which the circuit breaker opens. */
export const BREAKER_FAILURES = 5;
/** Concurrent deliveries to an endpoint that has not answered well yet. */
const UNPROVEN_CONCURRENCY = 4;

/** A lease need not wait for the disk: the record of its attempt is after it in the log, so no crash loses the lease alone. */
export const LOCK = {
  name: 'deliveries-lock',
  text: `
  WITH ${SHORT_TRANSACTION},
  lazy AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
  SELECT pg_advisory_xact_lock(hashtextextended('deliveries', 0)) FROM short, lazy`,
};

const SLOTS = '(SELECT $1::integer)';

/** GCRA: a burst is a tenth of a second, and at least one. */
const RATE_ROOM = `
  CASE WHEN rate_limit_per_second IS NULL THEN ${SLOTS}
       ELSE floor(greatest(1, ceil(rate_limit_per_second / 10.0))
                  - rate_limit_per_second * extract(epoch FROM greatest(next_send_at, clock.at) - clock.at))::integer
  END`;

/** While the circuit breaker is half open, one request at a time probes the endpoint. A lane of webhooks has no breaker. */
const CONCURRENCY = `
  CASE WHEN for_jobs THEN CASE WHEN lane % 2 = 1 THEN ceil($4::integer / 4.0)::integer ELSE $4::integer END
       WHEN consecutive_failures >= ${BREAKER_FAILURES} THEN 1
       WHEN consecutive_failures > 0 OR last_success_at IS NULL THEN least($4::integer, ${UNPROVEN_CONCURRENCY})
       ELSE $4::integer END`;

/** What a lease gives to a lane at most: of many lanes of webhooks none gets all slots, so that their counts are cheap. */
const SHARE = `CASE WHEN for_jobs THEN ceil($4::integer * 8.0 / count(*) OVER (PARTITION BY turn))::integer END`;

/**
 * All webhooks of a service’s jobs have twice the slots of an endpoint, of which retries take only the first half. Up to twice
 * as many go to lanes with nothing under way, so that webhooks that hang hold up no others.
 */
const WEBHOOK_SLOTS = `
  (nth <= $4::integer * CASE WHEN lane % 2 = 1 THEN 1 ELSE 2 END OR (in_flight + place = 1 AND nth <= $4::integer * 4))`;

/** The lanes with pending deliveries, by a loose scan of an index. Only webhooks of jobs have several for an endpoint. */
const WAITING = `
  waiting AS (
    (SELECT endpoint_id, lane FROM deliveries WHERE status = 'pending' ORDER BY endpoint_id, lane LIMIT 1)
    UNION ALL
    SELECT next.endpoint_id, next.lane
      FROM waiting,
           LATERAL (SELECT endpoint_id, lane FROM deliveries AS delivery
                     WHERE status = 'pending'
                       AND (delivery.endpoint_id, delivery.lane) > (waiting.endpoint_id, waiting.lane)
                     ORDER BY endpoint_id, lane LIMIT 1) AS next)`;

/** The lanes that may get requests now, and how many. */
const OPEN = `
  open AS (
    SELECT id, lane, for_jobs, rate_limit_per_second, in_flight, turn,
           (sum(in_flight) OVER (PARTITION BY turn))::integer AS in_flight_of_turn,
           ${RATE_ROOM} AS rate_room, least(${CONCURRENCY} - in_flight, ${SHARE}) AS room
      FROM clock, waiting JOIN endpoints ON endpoints.id = waiting.endpoint_id
                           AND enabled AND coalesce(paused_until <= now(), true),
           LATERAL (SELECT count(*)::integer AS in_flight FROM deliveries
                     WHERE endpoint_id = endpoints.id AND lane = waiting.lane AND lease IS NOT NULL
                       AND next_attempt_at > now()) AS leased,
           LATERAL (SELECT CASE WHEN for_jobs THEN service ELSE id::text END AS turn) AS turns)`;

/** Counts up to $1 due deliveries of each open lane, and no more than it has room for. */
const DUE = `
  due AS MATERIALIZED (
    SELECT open.*, count
      FROM open,
           LATERAL (SELECT count(*)::integer AS count
                      FROM (SELECT FROM deliveries
                             WHERE endpoint_id = open.id AND lane = open.lane AND status = 'pending' AND next_attempt_at <= now()
                             ORDER BY next_attempt_at LIMIT least(${SLOTS}, greatest(room, 0))) AS found) AS counted
     WHERE count > 0)`;

/**
 * Divides the slots, so that all endpoints have as many requests under way as each can use. The webhooks of the jobs of a
 * service count as one endpoint.
 */
const PLAN = `
  plan AS MATERIALIZED (
    SELECT id, lane, count(*)::integer AS planned
      FROM (SELECT id, lane
              FROM (SELECT due.*, place,
                           row_number() OVER (PARTITION BY id ORDER BY place) AS nth_of_endpoint,
                           in_flight_of_turn
                             + row_number() OVER (PARTITION BY turn ORDER BY in_flight + place, lane % 2, random()) AS nth
                      FROM due, generate_series(1, least(count, room, rate_room)) AS place) AS wanted
             WHERE nth_of_endpoint <= rate_room AND (NOT for_jobs OR ${WEBHOOK_SLOTS})
             ORDER BY nth, random() LIMIT ${SLOTS}) AS slots
     GROUP BY id, lane)`;

/**
 * Locks the endpoints that `charged` changes, before deliveries and in order, as `deliveries-record` does; then as many
 * deliveries as planned.
 */
const TAKEN = `
  limited AS MATERIALIZED (
    SELECT id FROM endpoints
     WHERE id = ANY (ARRAY(SELECT id FROM plan)) AND rate_limit_per_second IS NOT NULL ORDER BY id FOR NO KEY UPDATE OF endpoints),
  taken AS MATERIALIZED (
    SELECT row
      FROM (SELECT * FROM plan WHERE (SELECT count(*) FROM limited) IS NOT NULL) AS plan,
           LATERAL (SELECT ctid AS row FROM deliveries
                     WHERE endpoint_id = plan.id AND lane = plan.lane AND status = 'pending' AND next_attempt_at <= now()
                     ORDER BY next_attempt_at LIMIT plan.planned FOR NO KEY UPDATE SKIP LOCKED) AS found)`;

/** A rate limit counts each request when it is leased. */
const CHARGED = `
  charged AS (
    UPDATE endpoints
       SET next_send_at = greatest(next_send_at, clock.at) + make_interval(secs => planned::float8 / rate_limit_per_second)
      FROM (SELECT id, sum(planned) AS planned FROM plan GROUP BY id) AS plan, clock
     WHERE endpoints.id = plan.id AND rate_limit_per_second IS NOT NULL)`;

/** Updates the deliveries by their place, because a join that PostgreSQL planned while the table was small would read all of it. */
const LEASED = `
  leased AS (
    UPDATE deliveries
       SET lease = $2, worker = $3, next_attempt_at = now() + make_interval(secs => $5)
     WHERE ctid = ANY (ARRAY(SELECT row FROM taken))
    RETURNING event_id, endpoint_id, attempts, failures)`;

/** When a rate limit lets further due deliveries leave. */
const HELD_BACK = `
  held_back AS (
    SELECT least(max(1.0 / rate_limit_per_second), 0.1)::float8 AS wait
      FROM due LEFT JOIN plan USING (id, lane)
     WHERE rate_limit_per_second IS NOT NULL AND count > coalesce(planned, 0) AND room > coalesce(planned, 0))`;

/**
 * Leases up to $1 due deliveries for $5 seconds, as the lease $2 of the worker $3. An endpoint has up to $4 requests under way.
 * Returns at least one row.
 */
export const LEASE = {
  name: 'deliveries-lease',
  text: `
  WITH RECURSIVE clock AS MATERIALIZED (SELECT clock_timestamp() AS at),
  ${[WAITING, OPEN, DUE, PLAN, TAKEN, CHARGED, LEASED, HELD_BACK].join(',')}
  SELECT held_back.wait AS "waitSeconds", leased.event_id AS "eventId", leased.endpoint_id AS "endpointId", $2::uuid AS lease,
         leased.attempts, leased.failures, event.service, event.job_id AS "jobId", event.body,
         CASE WHEN for_jobs AND event.job_id IS NOT NULL THEN job.webhook_url ELSE endpoint.url END AS url,
         for_jobs AS "forJobs", CASE WHEN for_jobs THEN 'reducto' ELSE payload_format END AS "payloadFormat",
         endpoint.headers, secret, svix_headers AS "svixHeaders", include_result AS "includeResult",
         CASE WHEN previous_secret_until > now() THEN previous_secret END AS "previousSecret",
         retry_schedule AS "retrySchedule"
    FROM held_back
    LEFT JOIN (leased JOIN events AS event ON event.id = leased.event_id
                      JOIN endpoints AS endpoint ON endpoint.id = leased.endpoint_id
                      LEFT JOIN jobs AS job ON for_jobs AND job.id = event.job_id) ON true`,
};

export const RELEASE = {
  name: 'deliveries-release',
  text: `
  UPDATE deliveries SET lease = NULL, worker = NULL, next_attempt_at = now()
   WHERE ctid = ANY (ARRAY(
     SELECT row
       FROM (SELECT * FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::uuid[]))
                         AS held (event_id, endpoint_id, lease)
              ORDER BY event_id, endpoint_id) AS held,
            LATERAL (SELECT ctid AS row FROM deliveries
                      WHERE event_id = held.event_id AND endpoint_id = held.endpoint_id AND lease = held.lease
                        FOR NO KEY UPDATE) AS found))`,
};

const releaseAll = (condition: string): string => `
  UPDATE deliveries SET lease = NULL, worker = NULL, next_attempt_at = now()
   WHERE ctid = ANY (ARRAY(
     SELECT ctid FROM deliveries WHERE lease IS NOT NULL AND ${condition}
      ORDER BY event_id, endpoint_id FOR NO KEY UPDATE))
  RETURNING event_id`;

export const RELEASE_LOST = releaseAll('lease = ANY ($1::uuid[])');

export const FREE_WORKER = releaseAll('worker = $1');
