import { afterEach, beforeEach, expect, it } from 'vitest';
import { AlertsService } from '../../src/alerts/alerts.service.js';
import { ApiKeyStatus } from '../../src/reducto/api-key-status.js';
import { closeAll, closeLater, logged, start, sweep } from '../support/alert-steps.js';
import { eventually, send, type Answer, type TestGateway } from '../support/gateway.js';
import { pollNow } from '../support/due-work.js';
import { endCoolDowns } from '../support/rate-limits.js';
import { startRawUpstream, type RawAnswer, type RawUpstream } from '../support/raw-upstream.js';

const REFUSED: RawAnswer = { status: 401, body: '{"detail":"Invalid API key"}' };

let upstream: RawUpstream;
let gateway: TestGateway;
let adminKey: string;

beforeEach(async () => {
  upstream = await startRawUpstream();
  closeLater(upstream);
  gateway = await start({ REDUCTO_BASE_URL: upstream.url });
  adminKey = await gateway.newKey('platform', ['admin']);
});
afterEach(closeAll);

const alerts = async (): Promise<Answer['body']> => {
  const { body } = await send(`${gateway.url}/v1/admin/alerts`, 'GET', undefined, {
    authorization: `Bearer ${adminKey}`,
  });
  return body.alerts;
};
/** A job that waits because Reducto refuses the key. */
async function refusedJob(): Promise<string> {
  const id = await gateway.submit();
  await eventually('the submit is deferred', async () =>
    (await gateway.events(id)).includes('submit_deferred') ? true : undefined,
  );
  return id;
}
const refusals = (): string[] => logged().filter((line) => line.includes('refuses the API key'));

it('logs an error with the remedy once, on the first 401 to a submit', async () => {
  upstream.answers.submit = REFUSED;
  await refusedJob();
  await endCoolDowns(gateway);
  await refusedJob();
  expect(refusals()).toEqual([expect.stringMatching(/"level":"error".*REDUCTO_API_KEY/)]);
});

it('keeps the refusal of the key when Reducto tells its version, for which it needs no key', async () => {
  upstream.answers.submit = REFUSED;
  await refusedJob();
  upstream.answers.other = { body: '"v1.12.12"' };
  expect((await send(`${gateway.url}/reducto/version`, 'GET')).body).toBe('v1.12.12');
  expect(gateway.app.get(ApiKeyStatus).refusedWith).toBe(401);
});

it('raises a critical alert after a 401 to a poll', async () => {
  const id = await gateway.submit();
  await expect.poll(async () => (await gateway.events(id)).includes('submitted')).toBe(true);
  upstream.answers.poll = REFUSED;
  await pollNow(gateway, id);
  expect(await sweep(gateway)).toMatchObject({ raised: 1, expedited: 0 });
  expect(await alerts()).toMatchObject([
    {
      kind: 'api_key',
      severity: 'critical',
      message: expect.stringContaining('401'),
      advice: expect.stringContaining('REDUCTO_API_KEY'),
      refusals: null,
      closedAt: null,
    },
  ]);
});

it('raises the alert once while the key stays refused', async () => {
  upstream.answers.submit = REFUSED;
  await refusedJob();
  await sweep(gateway);
  expect(await sweep(gateway)).toMatchObject({ raised: 0 });
  expect(await alerts()).toHaveLength(1);
});

it('logs an error after a 401 to an upload', async () => {
  upstream.answers.other = REFUSED;
  const form = new FormData();
  form.append('file', new Blob(['%PDF-1.7']), 'a.pdf');
  expect((await gateway.call('POST', '/v1/uploads', form)).status).toBe(502);
  expect(refusals()).toHaveLength(1);
});

it('raises no alert after a 403, which may be about a document', async () => {
  upstream.answers.submit = { status: 403, body: '{"detail":"Forbidden"}' };
  await gateway.ended(await gateway.submit());
  expect(await sweep(gateway)).toMatchObject({ raised: 0 });
  expect(refusals()).toEqual([]);
});

it('raises the alert after a 403 to a submit and to the listing, which needs the key alone', async () => {
  const forbidden = { status: 403, body: '<html><title>403 Forbidden</title></html>' };
  Object.assign(upstream.answers, { submit: forbidden, list: forbidden });
  await refusedJob();
  expect(await sweep(gateway)).toMatchObject({ raised: 1 });
  expect(await alerts()).toMatchObject([
    { kind: 'api_key', message: expect.stringContaining('403') },
  ]);
});

it('closes the alert five minutes after Reducto accepts the key again', async () => {
  const { submit } = upstream.answers;
  upstream.answers.submit = REFUSED;
  await refusedJob();
  await sweep(gateway);
  // Reducto accepts the refused job, too.
  upstream.answers.submit = submit;
  await endCoolDowns(gateway);
  const id = await gateway.submit();
  await expect.poll(async () => (await gateway.events(id)).includes('submitted')).toBe(true);
  await gateway.pool.query(`UPDATE alerts SET last_seen_at = now() - interval '6 minutes'`);
  expect(await gateway.app.get(AlertsService, { strict: false }).sweep()).toMatchObject({
    raised: 0,
    closed: 1,
  });
});
