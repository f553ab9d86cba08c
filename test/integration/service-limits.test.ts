import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { consoleUser, type ConsoleUser } from '../support/console.js';
import { send, type Answer, type TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';

/* Weights and limits of services, in the API and the console. No worker runs by itself, so that jobs stay queued. */

let gateway: TestGateway;
let adminKey: string;
beforeAll(async () => {
  gateway = await startIdleGateway();
  adminKey = await gateway.newKey('platform', ['admin']);
});
afterAll(() => gateway.close());
afterEach(() => gateway.pool.query('TRUNCATE jobs, services CASCADE'));

const admin = (method: string, path: string, body?: unknown, key = adminKey): Promise<Answer> =>
  send(`${gateway.url}/v1/admin/${path}`, method, body, { authorization: `Bearer ${key}` });
const submit = (body: Record<string, unknown> = {}, headers = {}): Promise<Answer> =>
  gateway.call(
    'POST',
    '/v1/jobs',
    { type: 'parse', input: 'https://example.com/a.pdf', ...body },
    headers,
  );
async function lastChange(): Promise<unknown> {
  const { body } = await admin('GET', 'actions');
  return body.actions.find(({ action }: { action: string }) => action === 'service.limits');
}
const DEFAULTS = { weight: 1, maxInFlight: null, maxQueued: null };
const NO_JOBS = { queued: 0, inFlight: 0 };

describe('the admin API', () => {
  it('answers a service without settings with the defaults', async () => {
    const { status, body } = await admin('GET', 'services/never-seen');
    expect(status).toBe(200);
    expect(body).toEqual({ service: 'never-seen', ...DEFAULTS, ...NO_JOBS });
  });

  it('sets and reads weight and limits', async () => {
    const limits = { weight: 3, maxInFlight: 20, maxQueued: 5000 };
    const set = await admin('PUT', 'services/archive', limits);
    expect(set.body).toEqual({ service: 'archive', ...limits, ...NO_JOBS });
    expect((await admin('GET', 'services/archive')).body).toEqual(set.body);
  });

  it('gives what is left out its default', async () => {
    await admin('PUT', 'services/archive', { weight: 3, maxInFlight: 20, maxQueued: 5000 });
    const { body } = await admin('PUT', 'services/archive', { maxQueued: null, maxInFlight: 7 });
    expect(body).toMatchObject({ weight: 1, maxInFlight: 7, maxQueued: null });
  });

  it.each([
    [{ weight: 0 }, 'weight'],
    [{ weight: 1001 }, 'weight'],
    [{ weight: 1.5 }, 'weight'],
    [{ weight: null }, 'weight'],
    [{ weight: '3' }, 'weight'],
    [{ maxInFlight: 0 }, 'maxInFlight'],
    [{ maxInFlight: -1 }, 'maxInFlight'],
    [{ maxQueued: 1e12 }, 'maxQueued'],
    [{ maxQueued: true }, 'maxQueued'],
    [{ limit: 3 }, 'limit'],
  ])('refuses %j', async (body, path) => {
    const answer = await admin('PUT', 'services/archive', body);
    expect(answer.status).toBe(422);
    const paths = new Set(answer.body.errors.map((error: { path: string }) => error.path));
    expect([answer.body.code, [...paths]]).toEqual(['validation_failed', [path]]);
  });

  it.each(['GET', 'PUT'])('refuses a %s with a name that no service can have', async (method) => {
    const body = method === 'PUT' ? {} : undefined;
    const answer = await admin(method, `services/${encodeURIComponent('no spaces')}`, body);
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
  });

  it('refuses a key without the scope admin', async () => {
    for (const [method, path, body] of [
      ['GET', 'services'],
      ['GET', 'services/archive'],
      ['PUT', 'services/archive', {}],
    ] as const) {
      expect((await admin(method, path, body, gateway.key)).status).toBe(403);
    }
  });

  it('lists services with jobs, limits, or a valid key, with their open jobs', async () => {
    await submit();
    await submit();
    await gateway.pool.query(
      `UPDATE jobs SET status = 'submitted', upstream_id = 'x' WHERE id = (SELECT min(id::text)::uuid FROM jobs)`,
    );
    await admin('PUT', 'services/archive', { weight: 2 });
    const { body } = await admin('GET', 'services');
    expect(body.services).toEqual([
      { service: 'archive', ...DEFAULTS, weight: 2, ...NO_JOBS },
      { service: 'invoices', ...DEFAULTS, queued: 1, inFlight: 1 },
      { service: 'platform', ...DEFAULTS, ...NO_JOBS },
    ]);
  });

  it('records a change with its values', async () => {
    await admin('PUT', 'services/archive', { weight: 3, maxQueued: 10 });
    expect(await lastChange()).toMatchObject({
      state: 'done',
      actor: { via: 'api', service: 'platform' },
      detail: { service: 'archive', weight: 3, maxInFlight: null, maxQueued: 10 },
    });
  });

  it('changes nothing where the audit cannot be written', async () => {
    await gateway.pool.query('ALTER TABLE audit_entries RENAME TO hidden');
    const { status } = await admin('PUT', 'services/archive', { weight: 3 });
    await gateway.pool.query('ALTER TABLE hidden RENAME TO audit_entries');
    expect(status).toBe(500);
    expect((await admin('GET', 'services/archive')).body).toMatchObject(DEFAULTS);
  });
});

describe('maxQueued', () => {
  const limit = (maxQueued: number | null) => admin('PUT', 'services/invoices', { maxQueued });
  const counts = (answers: readonly Answer[]): Record<number, number> => {
    const found: Record<number, number> = {};
    for (const { status } of answers) found[status] = (found[status] ?? 0) + 1;
    return found;
  };

  it('refuses a submit beyond it with 429 and Retry-After', async () => {
    await limit(1);
    expect((await submit()).status).toBe(202);
    const refused = await submit();
    expect(refused).toMatchObject({ status: 429, body: { code: 'queue_full' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused.body.detail).toMatch(/invoices/);
  });

  it('is not exceeded by concurrent submits', async () => {
    await limit(7);
    const answers = await Promise.all(Array.from({ length: 60 }, () => submit()));
    expect(counts(answers)).toEqual({ 202: 7, 429: 53 });
  });

  it('is not exceeded by concurrent submits of jobs that wait for another', async () => {
    const { body: source } = await submit();
    await limit(4);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        submit({ type: 'extract', input: `jobid://${source.id}`, instructions: { schema: {} } }),
      ),
    );
    expect(counts(answers)).toEqual({ 202: 3, 429: 17 });
  });

  it('applies to large requests', async () => {
    await limit(1);
    const large = { options: { note: 'x'.repeat(120_000) } };
    expect((await submit(large)).status).toBe(202);
    expect(await submit(large)).toMatchObject({ status: 429, body: { code: 'queue_full' } });
  });

  it('does not apply to other services', async () => {
    await limit(1);
    await submit();
    const authorization = `Bearer ${await gateway.newKey('letters')}`;
    expect((await submit({}, { authorization })).status).toBe(202);
  });

  it('accepts jobs again once queued ones have been sent', async () => {
    await limit(2);
    await Promise.all([submit(), submit(), submit()]);
    await gateway.pool.query(`UPDATE jobs SET status = 'submitted', upstream_id = id::text`);
    expect((await submit()).status).toBe(202);
  });

  it('answers the repeat of an accepted request with its job', async () => {
    await limit(1);
    const headers = { 'idempotency-key': 'invoice-815' };
    const first = await submit({}, headers);
    expect((await submit({}, headers)).body.id).toBe(first.body.id);
  });

  it('gives concurrent repeats of a request one job', async () => {
    await limit(2);
    const headers = { 'idempotency-key': 'invoice-816' };
    const answers = await Promise.all(Array.from({ length: 10 }, () => submit({}, headers)));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  it('is gone once it is removed', async () => {
    await limit(1);
    await submit();
    await limit(null);
    expect((await submit()).status).toBe(202);
  });
});

describe('the console', () => {
  let user: ConsoleUser;
  beforeAll(async () => {
    user = await consoleUser(gateway, adminKey);
  });

  it('lists services with their open jobs and limits', async () => {
    await submit();
    await admin('PUT', 'services/invoices', { maxQueued: 1200, weight: 4 });
    const page = String((await user.get('/admin/services')).body);
    expect(page).toContain('1<span class="muted"> of 1\u202f200</span>');
    expect(page).toContain('/admin/services/invoices');
  });

  it('changes weight and limits, and records it', async () => {
    const fields = { weight: '5', maxInFlight: ' 40 ', maxQueued: '' };
    const saved = await user.post('/admin/services/invoices', fields);
    expect(saved.status).toBe(303);
    expect(saved.headers.get('location')).toBe('/admin/services?saved=invoices');
    const { body } = await admin('GET', 'services/invoices');
    expect(body).toMatchObject({ weight: 5, maxInFlight: 40, maxQueued: null });
    expect(await lastChange()).toMatchObject({ state: 'done', actor: { via: 'console' } });
  });

  it('shows the form with the present values', async () => {
    await admin('PUT', 'services/invoices', { weight: 6, maxInFlight: 70 });
    const page = String((await user.get('/admin/services/invoices')).body);
    expect(page).toMatch(/name="weight"[^>]*value="6"/);
    expect(page).toMatch(/name="maxInFlight"[^>]*value="70"/);
  });

  it.each([{ weight: '0' }, { weight: 'many' }, { maxQueued: '1.5' }])(
    'refuses %j',
    async (fields) => {
      const answer = await user.post('/admin/services/invoices', fields);
      expect(answer.status).toBe(422);
    },
  );
});
