/** Maximum channels of a job or an endpoint. */
export const MAX_CHANNELS = 10;
/** As Svix, so that every channel of Reducto’s portal is one. */
export const CHANNEL = /^[A-Za-z0-9._-]{1,128}$/;
export const CHANNEL_RULE = 'must be 1 to 128 letters, digits, dots, dashes or underscores';

/** Topic with the id of each job that ends. */
export const JOB_ENDED = 'job_ended';

/** Topic: jobs were deleted, here or at Reducto, and what remains of them is to be deleted. */
export const DELETIONS_DUE = 'deletions_due';

/**
 * SQL of a CTE that records the ends of the jobs of the CTE `ended`, whose ids are in `id`. Every statement that ends jobs
 * has it: a job that ended is in the outbox until its event exists, and nothing is in it twice.
 */
export const recordEnds = (ended: string): string =>
  `INSERT INTO event_outbox (job_id) SELECT id FROM ${ended}`;

/** SQL of whether an open job of `service` names a webhook at `origin`, which ends with `/`. */
export const hasOpenWebhook = (service: string, origin: string): string => `
  EXISTS (SELECT FROM jobs
           WHERE ended_at IS NULL AND webhook_url IS NOT NULL AND jobs.service = ${service}
             AND substring(webhook_url FROM '^[^/]*//[^/]*/') = ${origin})`;

/**
 * SQL of the CTE `ended`: up to `limit` jobs that are removed from the outbox, with ids above `from`, except those of the array
 * `skipped`, after the CTE `after`. The same transaction must insert their events.
 */
export const takeEnds = (limit: string, skipped: string, from: string, after: string): string => `
  taken AS (
    DELETE FROM event_outbox
     WHERE job_id = ANY (ARRAY(
       SELECT job_id FROM event_outbox, ${after}
        WHERE job_id > ${from}::uuid AND job_id <> ALL (${skipped}::uuid[])
        ORDER BY job_id LIMIT (SELECT ${limit}::integer)))
    RETURNING job_id, metadata AS kept_metadata),
  ended AS (
    SELECT jobs.id, service, type, status, coalesce(kept_metadata, metadata) AS metadata, error, channels, ended_at, webhook_url
      FROM taken JOIN jobs ON jobs.id = taken.job_id)`;
