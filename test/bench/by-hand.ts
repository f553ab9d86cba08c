import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Pool } from 'pg';
import { isRecord } from '../../src/platform/json/is-record.js';
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

async function callback(body: Record<string, unknown>): Promise<[number, object]> {
  const metadata = isRecord(body['metadata']) ? body['metadata'] : {};
  const id = String(metadata['gateway_job_id']);
  const upstreamId = String(body['job_id']);
  const expected = `v1.${createHmac('sha256', tokenKey).update(id).digest('base64url')}`;
  if (!same(String(metadata['token']), expected)) return [401, { error: 'token' }];
  const { rows } = await pool.query<{ upstream_id: string }>({ ...FIND, values: [id] });
  if (rows[0]?.upstream_id !== upstreamId) return [404, { error: 'job' }];
  await transaction([
    { ...KEEP, values: [id, upstreamId, String(body['status'])] },
    { ...REQUEST_POLL, values: [id] },
    { ...TASK, values: ['poll', id] },
  ]);
  return [200, { received: true }];
}

async function submit(
  body: Record<string, unknown>,
  authorization = '',
): Promise<[number, object]> {
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

async function answer(request: IncomingMessage, body: string): Promise<[number, object]> {
  const parsed: unknown = JSON.parse(body);
  if (!isRecord(parsed)) return [400, { error: 'body' }];
  if (request.url === '/webhooks/reducto') return callback(parsed);
  if (request.url === '/v1/jobs') return submit(parsed, request.headers.authorization);
  return [404, { error: 'route' }];
}

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const send = ([status, body]: [number, object]): void => {
      const text = JSON.stringify(body);
      response.writeHead(status, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      });
      response.end(text);
    };
    answer(request, Buffer.concat(parts).toString()).then(send, () => send([500, {}]));
  });
});
listenForBench(server);

function same(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
