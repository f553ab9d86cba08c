import { recordingStatement } from '../../jobs/callback-jobs.service.js';

/** No genuine job has more; a sender with its token can forge any number. */
const MAX_MESSAGES_OF_JOB = 20;

/**
 * Selects up to $1 entries, without the entries $2: the services take turns, and the oldest entry of each is first. It
 * finds the services by a loose scan of the primary key.
 */
const FAIR_ENTRIES = `
  RECURSIVE service AS (
    (SELECT service FROM callback_inbox ORDER BY service LIMIT 1)
    UNION ALL
    SELECT (SELECT inbox.service FROM callback_inbox AS inbox WHERE inbox.service > service.service
             ORDER BY inbox.service LIMIT 1)
      FROM service WHERE service.service IS NOT NULL),
  waiting AS MATERIALIZED (
    SELECT service.service, count, first
      FROM service,
           LATERAL (SELECT count(*)::integer AS count, min(id) AS first
                      FROM (SELECT id FROM callback_inbox AS inbox
                             WHERE inbox.service = service.service AND id <> ALL ($2::bigint[])
                             ORDER BY id LIMIT (SELECT $1::integer)) AS oldest) AS oldest),
  planned AS (
    SELECT service, first, count(*) AS count
      FROM (SELECT service, first FROM waiting, generate_series(1, waiting.count) AS place
             ORDER BY place LIMIT (SELECT $1::integer)) AS turns
     GROUP BY service, first)`;

/** Without the entries that another relay is taking. A locked entry keeps its place in the table, because none is updated. */
const TAKE_ENTRIES = `${FAIR_ENTRIES},
  locked AS MATERIALIZED (
    SELECT place
      FROM planned,
           LATERAL (SELECT ctid AS place FROM callback_inbox AS inbox
                     WHERE inbox.service = planned.service AND id >= first AND id <> ALL ($2::bigint[])
                     ORDER BY id LIMIT planned.count FOR UPDATE SKIP LOCKED) AS oldest),
  taken AS (
    DELETE FROM callback_inbox WHERE ctid = ANY (ARRAY(SELECT place FROM locked)) RETURNING *)`;

const TAKE_ENTRY = `
  taken AS (DELETE FROM callback_inbox WHERE service = $1 AND id = $2 RETURNING *)`;

/**
 * The commit does not wait for the disk: after a crash of PostgreSQL the entries are still there, and nothing else of the
 * statement is.
 */
const RELAXED = `relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))`;

/**
 * Equal deliveries are one message. Further messages of a job with `MAX_MESSAGES_OF_JOB` count as repeats of the last one
 * of these; several relays at once may each add as many. The stored ones are first, so that it is one of them. The strongest proof
 * of equal deliveries is that of their message; a further one proves nothing of the last one.
 */
const MESSAGES = `
  delivery AS MATERIALIZED (
    SELECT taken.*, row_number() OVER (PARTITION BY service ORDER BY id) AS turn FROM taken, relaxed),
  known AS (
    SELECT job_id, upstream_id, status, NULL::bigint AS stored_id, id, turn,
           CASE proved_by WHEN 'svix' THEN 2 WHEN 'token' THEN 1 END AS strength, client_address, received_at, trace
      FROM delivery
    UNION ALL
    SELECT message.*, NULL, NULL, NULL, NULL, NULL, NULL
      FROM (SELECT DISTINCT job_id FROM delivery) AS job,
           LATERAL (SELECT job_id, upstream_id, status, id FROM callbacks WHERE callbacks.job_id = job.job_id
                     ORDER BY id LIMIT ${MAX_MESSAGES_OF_JOB}) AS message),
  numbered AS (
    SELECT *, dense_rank() OVER (PARTITION BY job_id ORDER BY first_stored, first_id) AS number
      FROM (SELECT *, min(stored_id) OVER same AS first_stored, min(id) OVER same AS first_id FROM known
            WINDOW same AS (PARTITION BY job_id, upstream_id, status)) AS known),
  message AS (
    SELECT job_id, (array_agg(upstream_id ORDER BY number))[1] AS upstream_id,
           (array_agg(status ORDER BY number))[1] AS status,
           coalesce((ARRAY['token', 'svix'])[max(strength) FILTER (WHERE number <= ${MAX_MESSAGES_OF_JOB})], 'none') AS proved_by,
           (array_agg(client_address ORDER BY id))[1] AS client_address,
           count(id)::integer AS deliveries, min(received_at) AS received_at,
           max(received_at) AS last_received_at, max(trace) AS trace, min(turn) AS turn, min(id) AS id
      FROM numbered GROUP BY job_id, least(number, ${MAX_MESSAGES_OF_JOB})
    HAVING count(id) > 0)`;

/**
 * Enters them in the order of the key, so that two processes never wait for each other. The services take turns here as well,
 * because free slots for polls go to the first callbacks. Each message has been entered: the join is full because PostgreSQL
 * then never compares each row with each, whatever it expects.
 */
const ENTER_MESSAGES = `
  entered AS (
    INSERT INTO callbacks
      (job_id, upstream_id, status, proved_by, client_address, deliveries, received_at, last_received_at)
    SELECT job_id, upstream_id, status, proved_by, client_address, deliveries, received_at, last_received_at
      FROM message ORDER BY job_id, upstream_id, status
    ON CONFLICT (job_id, upstream_id, status)
    DO UPDATE SET deliveries = callbacks.deliveries + excluded.deliveries,
                  last_received_at = greatest(callbacks.last_received_at, excluded.last_received_at)
    RETURNING job_id, upstream_id, status, deliveries),
  callback AS (
    SELECT message.*, proved_by <> 'none' AS proven, proved_by = 'svix' AS signed, entered.deliveries > message.deliveries AS repeated,
           row_number() OVER (ORDER BY turn, id) AS place
      FROM message FULL JOIN entered USING (job_id, upstream_id, status))`;

const relay = (name: string, take: string) =>
  recordingStatement(name, [take, RELAXED, MESSAGES, ENTER_MESSAGES].join(',\n  '), 2);

/** Relays up to $1 callbacks, without the entries $2. */
export const RELAY_CALLBACKS = relay('callbacks-relay', TAKE_ENTRIES);

/** Relays the callback of the service $1 with the id $2. */
export const RELAY_CALLBACK = relay('callbacks-relay-one', TAKE_ENTRY);

/** Finds what `RELAY_CALLBACKS` would relay. */
export const FIND_CALLBACKS = {
  name: 'callbacks-find',
  text: `
  WITH ${FAIR_ENTRIES}
  SELECT oldest.service, id, job_id AS "jobId", received_at AS "receivedAt"
    FROM planned,
         LATERAL (SELECT * FROM callback_inbox AS inbox
                   WHERE inbox.service = planned.service AND id >= first AND id <> ALL ($2::bigint[])
                   ORDER BY id LIMIT planned.count) AS oldest
   ORDER BY id`,
};
