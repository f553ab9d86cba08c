import { createHash, createHmac, randomUUID } from 'node:crypto';
import { Agent, request as ask } from 'node:http';
import { gzipSync } from 'node:zlib';
import { Pool } from 'pg';
import { isRecord } from '../../src/platform/json/is-record.js';
import { isSame, jsonService, type Answer } from './json-service.js';
import { listenForBench } from './listen.js';

/*
 * The whole path as a good engineer writes it in an afternoon: node:http and `pg`, prepared statements, one transaction
 * for each step of a job, and everything between the steps in memory. No log, no audit, no timeline, no limits, no recovery.
 */

const ACCEPT = {
  name: 'accept',
  text: `INSERT INTO jobs (id, service, type, status, request) VALUES ($1, $2, $3, 'queued', $4)`,
};
const SUBMITTED = {
  name: 'submitted',
  text: `UPDATE jobs SET status = 'submitted', upstream_id = $2, submitted_at = now() WHERE id = $1`,
};
/** Also where the callback comes before the answer to the submit. */
const CALLED_BACK = {
  name: 'called-back',
  text: `UPDATE jobs SET called_back_at = now()
          WHERE id = $1 AND (upstream_id = $2 OR upstream_id IS NULL) RETURNING id`,
};
const COMPLETED = {
  name: 'completed',
  text: `WITH result AS (INSERT INTO results (job_id, sha256, body) VALUES ($1, $2, $3))
         UPDATE jobs SET status = 'completed', ended_at = now(), request = NULL WHERE id = $1`,
};

const { DATABASE_URL, TOKEN_KEY = '', API_KEY_SHA256, UPSTREAM_URL = '', PUBLIC_URL } = process.env;
const CONCURRENCY = Number(process.env['CONCURRENCY']);
const pool = new Pool({ connectionString: DATABASE_URL, max: 20 });
const tokenKey = Buffer.from(TOKEN_KEY, 'base64');
const agent = new Agent({ keepAlive: true });

function tokenOf(id: string): string {
  return `v1.${createHmac('sha256', tokenKey).update(id).digest('base64url')}`;
}

function upstream(method: string, path: string, body = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer key', 'content-type': 'application/json' };
    const call = ask(UPSTREAM_URL + path, { method, agent, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve(Buffer.concat(parts).toString()));
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** Hands jobs on in memory, at most `CONCURRENCY` at a time; what a crash leaves undone is not its concern. */
class Queue<Item> {
  private readonly waiting: Item[] = [];
  private running = 0;

  constructor(private readonly work: (item: Item) => Promise<void>) {}

  add(item: Item): void {
    this.waiting.push(item);
    if (this.running < CONCURRENCY) void this.run();
  }

  private async run(): Promise<void> {
    this.running += 1;
    for (let item = this.waiting.shift(); item !== undefined; item = this.waiting.shift()) {
      await this.work(item);
    }
    this.running -= 1;
  }
}

const submits = new Queue<{ id: string; request: object }>(async ({ id, request }) => {
  const webhook = { mode: 'direct', url: `${PUBLIC_URL}/webhooks/reducto` };
  const metadata = { gateway_job_id: id, token: tokenOf(id) };
  const body = JSON.stringify({ ...request, async: { metadata, webhook } });
  const answer = JSON.parse(await upstream('POST', '/parse_async', body));
  await pool.query({ ...SUBMITTED, values: [id, answer.job_id] });
});

const polls = new Queue<{ id: string; upstreamId: string }>(async ({ id, upstreamId }) => {
  const answer = JSON.parse(await upstream('GET', `/job/${upstreamId}`));
  const result = JSON.stringify({ ...answer.result, job_id: id });
  const sha256 = createHash('sha256').update(result).digest('hex');
  await pool.query({ ...COMPLETED, values: [id, sha256, gzipSync(result)] });
});

async function callback(body: Record<string, unknown>): Promise<Answer> {
  const metadata = isRecord(body['metadata']) ? body['metadata'] : {};
  const id = String(metadata['gateway_job_id']);
  if (!isSame(String(metadata['token']), tokenOf(id))) return [401, { error: 'token' }];
  const upstreamId = String(body['job_id']);
  const { rowCount } = await pool.query({ ...CALLED_BACK, values: [id, upstreamId] });
  if (rowCount !== 1) return [404, { error: 'job' }];
  polls.add({ id, upstreamId });
  return [200, { received: true }];
}

const services = new Map([[API_KEY_SHA256, 'bench']]);

async function submit(body: Record<string, unknown>, authorization = ''): Promise<Answer> {
  const key = createHash('sha256').update(authorization.slice('Bearer '.length)).digest('hex');
  const service = services.get(key);
  if (service === undefined) return [401, { error: 'key' }];
  const { type, metadata: _metadata, ...request } = body;
  if (typeof type !== 'string' || typeof request['input'] !== 'string')
    return [422, { error: 'body' }];
  const id = randomUUID();
  await pool.query({ ...ACCEPT, values: [id, service, type, JSON.stringify(request)] });
  submits.add({ id, request });
  return [202, { id, type, status: 'queued', createdAt: new Date().toISOString() }];
}

const service = jsonService((request, body) =>
  request.url === '/v1/jobs' ? submit(body, request.headers.authorization) : callback(body),
);
listenForBench(service, Number(process.env['PORT']));
