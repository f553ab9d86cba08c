import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { GatewayKeys } from './gateway-keys.js';
import type { Postgres } from './postgres.js';

/** The headers of a direct callback. */
export const CALLBACK_HEADERS = {
  'content-type': 'application/json',
  'user-agent': 'Reducto-Webhooks/1.0',
};

const AT_A_TIME = 10_000;

/** Jobs that Reducto has. They are not due: only their callback triggers a poll. */
const INTO_GATEWAY = `
  INSERT INTO jobs (id, service, type, status, request, request_hash, upstream_id, submit_attempts,
                    submitted_at, next_check_at)
  SELECT id, 'bench', 'parse', 'submitted', '{"input": "reducto://c7a2-rental-agreement.pdf"}',
         sha256(id::text::bytea), upstream_id, 1, now(), now() + interval '1 day'
    FROM unnest($1::uuid[], $2::text[]) AS job (id, upstream_id)`;
const INTO_BY_HAND = `
  INSERT INTO jobs (id, service, type, status, request, upstream_id)
  SELECT id, 'bench', 'parse', 'submitted', '{"input": "reducto://c7a2-rental-agreement.pdf"}', upstream_id
    FROM unnest($1::uuid[], $2::text[]) AS job (id, upstream_id)`;

/** Puts `count` new jobs into a database; the answer is their callbacks, one for each. */
export async function newCallbacks(
  postgres: Postgres,
  databaseUrl: string,
  tables: 'gateway' | 'by hand',
  count: number,
  keys: GatewayKeys,
): Promise<string[]> {
  const bodies: string[] = [];
  while (bodies.length < count) {
    const size = Math.min(AT_A_TIME, count - bodies.length);
    const ids = Array.from({ length: size }, () => uuidv7());
    const upstreamIds = ids.map(() => randomUUID());
    const insert = tables === 'gateway' ? INTO_GATEWAY : INTO_BY_HAND;
    await postgres.query(databaseUrl, insert, [ids, upstreamIds]);
    bodies.push(...ids.map((id, n) => callbackBody(id, upstreamIds[n] ?? '', keys.tokenOf(id))));
  }
  return bodies;
}

export function callbackBody(jobId: string, upstreamId: string, token: string): string {
  return JSON.stringify({
    status: 'Completed',
    job_id: upstreamId,
    metadata: { gateway_job_id: jobId, token },
  });
}

/** Callbacks for jobs that nobody has, with tokens that nobody made. */
export function forgedCallbacks(count: number): string[] {
  return Array.from({ length: count }, () =>
    callbackBody(uuidv7(), randomUUID(), `v1.${Buffer.alloc(32).toString('base64url')}`),
  );
}
