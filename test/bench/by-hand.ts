import { createHash, createHmac, randomUUID } from 'node:crypto';
import { Pool } from 'pg';
import { isRecord } from '../../src/platform/json/is-record.js';
import { isSame, jsonService, type Answer } from './json-service.js';
import { listenForBench } from './listen.js';

/*
 * What a good engineer writes in an afternoon: node:http and `pg`, prepared statements, one lookup and one
 * transaction per callback, one transaction per submission. No log, no audit, no timeline, no limits.
 */

const FIND = {
  name: 'find',
  text: 'SELECT id, status, upstream_id FROM jobs WHERE id = $1',
};
const KEEP = {
  name: 'keep',
  text: `INSERT INTO callbacks (job_id, upstream_id, status) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING`,
};
const REQUEST_POLL = {
  name: 'request-poll',
  text: 'UPDATE jobs SET poll_requested = true WHERE id = $1',
};
const TASK = {
  name: 'task',
  text: 'INSERT INTO tasks (kind, job_id) VALUES ($1, $2) ON CONFLICT DO NOTHING',
};
const ACCEPT = {
  name: 'accept',
  text: `INSERT INTO jobs (id, service, type, status, request) VALUES ($1, $2, $3, 'queued', $4)`,
};

const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 20 });
const tokenKey = Buffer.from(process.env['TOKEN_KEY'] ?? '', 'base64');
const services = new Map([[process.env['API_KEY_SHA256'], 'bench']]);

async function transaction(
  statements: readonly { name: string; text: string; values: unknown[] }[],
): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    for (const statement of statements) await client.query(statement);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

async function callback(body: Record<string, unknown>): Promise<Answer> {
  const metadata = isRecord(body['metadata']) ? body['metadata'] : {};
  const id = String(metadata['gateway_job_id']);
  const upstreamId = String(body['job_id']);
  const expected = `v1.${createHmac('sha256', tokenKey).update(id).digest('base64url')}`;
  if (!isSame(String(metadata['token']), expected)) return [401, { error: 'token' }];
  const { rows } = await pool.query<{ upstream_id: string }>({ ...FIND, values: [id] });
  if (rows[0]?.upstream_id !== upstreamId) return [404, { error: 'job' }];
  await transaction([
    { ...KEEP, values: [id, upstreamId, String(body['status'])] },
    { ...REQUEST_POLL, values: [id] },
    { ...TASK, values: ['poll', id] },
  ]);
  return [200, { received: true }];
}

async function submit(body: Record<string, unknown>, authorization = ''): Promise<Answer> {
  const key = createHash('sha256').update(authorization.slice('Bearer '.length)).digest('hex');
  const service = services.get(key);
  if (service === undefined) return [401, { error: 'key' }];
  const { type, metadata: _metadata, ...request } = body;
  if (typeof type !== 'string' || typeof request['input'] !== 'string')
    return [422, { error: 'body' }];
  const id = randomUUID();
  await transaction([
    { ...ACCEPT, values: [id, service, type, request] },
    { ...TASK, values: ['submit', id] },
  ]);
  return [202, { id, type, status: 'queued', createdAt: new Date().toISOString() }];
}

const service = jsonService((request, body) => {
  if (request.url === '/webhooks/reducto') return callback(body);
  if (request.url === '/v1/jobs') return submit(body, request.headers.authorization);
  return Promise.resolve([404, { error: 'route' }]);
});
listenForBench(service);
