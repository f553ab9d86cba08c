import { randomUUID } from 'node:crypto';
import { AuditLog } from '../../src/audit/audit-log.js';
import type { TestGateway } from './gateway.js';

/* A day of a company's gateway, for pictures of the console. */

const HOURS = 24;

/** The id of a job that was accepted 40 s before `at`; `n` and `i` make it unique. */
const UUID_V7 = `(lpad(to_hex((extract(epoch FROM at - interval '40 s') * 1000)::bigint), 12, '0') || '7' ||
  substr(md5(n || '-' || i), 1, 3) || 'a' || substr(md5(n || '-' || i), 4, 15))::uuid`;

/** Completed and failed jobs of three services with their callbacks, more by day than by night. */
const JOBS = `
  WITH moment AS (
    SELECT now() - n * interval '5 min' - i * interval '20 s' AS at, n, i
      FROM generate_series(3, $1::int * 12) AS n,
           generate_series(1, 2 + (3 + 3 * sin(n / 40.0))::int + n % 3) AS i),
  job AS (
    INSERT INTO jobs (id, service, type, status, request_hash, upstream_id, settled_by, error,
                      created_at, submitted_at, ended_at, callback_received_at)
    SELECT id, ('{invoices,contracts,claims}'::text[])[1 + (n * 7 + i) % 3],
           ('{parse,extract,split}'::text[])[1 + (n + i) % 3],
           CASE WHEN bad THEN 'failed' ELSE 'completed' END,
           '\\x00', gen_random_uuid()::text, CASE WHEN lost THEN 'reconciler' ELSE 'webhook' END,
           CASE WHEN bad THEN '{"code":"failed_upstream","message":"The file is encrypted"}'::jsonb END,
           at - interval '40 s', at - interval '39 s', at,
           CASE WHEN NOT lost THEN at - (200 + (n * i) % 300) * interval '1 ms' END
      FROM (SELECT *, (n * 5 + i) % 83 = 0 AS bad, (n * 3 + i) % 41 = 0 AS lost, ${UUID_V7} AS id
              FROM moment) AS fate
    RETURNING id, upstream_id, ended_at, settled_by)
  INSERT INTO callbacks (job_id, upstream_id, status, proved_by, client_address, received_at, last_received_at)
  SELECT id, upstream_id, 'Completed', 'token', '203.0.113.10', ended_at, ended_at
    FROM job WHERE settled_by = 'webhook'`;

/** Fills `gateway` with the jobs and refusals of the last 24 hours. Call it before the gateway refuses callbacks. */
export async function addHistory({ app, pool }: TestGateway): Promise<void> {
  await pool.query(JOBS, [HOURS]);
  const log = app.get(AuditLog, { strict: false });
  await log.appendEntries([
    ...refusals(9, 'token_missing', 'secret', 401, [21, 14]),
    ...refusals(4, 'not_json', 'well_formed', 400, [11, 10]),
    ...refusals(14, 'token_missing', 'secret', 401, [7, 5]),
  ]);
}

function refusals(
  count: number,
  cause: string,
  guard: string,
  status: number,
  [from, to]: readonly [number, number],
): Parameters<AuditLog['appendEntries']>[0][number][] {
  return Array.from({ length: count }, (_, n) => {
    const hoursAgo = from - ((from - to) * n) / count;
    const data = { cause, guard, status, clientAddress: `198.51.100.${20 + (n % 3)}` };
    return {
      entry: {
        at: new Date(Date.now() - hoursAgo * 3_600_000),
        kind: 'refused',
        data: { ...data, assertedUpstreamId: randomUUID() },
      },
    };
  });
}
