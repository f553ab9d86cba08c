import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { endJob } from '../support/endpoints.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { cleanUp, cleanUps } from '../support/processes.js';
import { answer, startReceiver, type Receive, type Receiver } from '../support/receiver.js';

/* Webhooks that jobs name, at one origin: broken URLs do not delay those that work. */

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());
afterEach(cleanUp);

/** Below the first pause of a circuit breaker and the timeout of a request. */
const PROMPT_MILLISECONDS = 4500;

/** A receiver that accepts what is posted to paths with `ok`. */
async function receiver(receive: Receive): Promise<Receiver> {
  const started = await startReceiver((socket, request) => {
    if (/^POST \S*ok/.test(request.line)) socket.write(answer('204 No Content'));
    else receive(socket, request);
  });
  cleanUps.push(() => started.close());
  return started;
}

const endJobs = (service: string, urls: readonly string[]) =>
  Promise.all(urls.map((webhookUrl) => endJob(gateway, service, { webhookUrl })));

const arrived = (hook: Receiver, part: string): number =>
  hook.requests.filter(({ line }) => line.includes(part)).length;

/** Ends a job with a webhook at `path`. Returns the milliseconds until its call. */
async function timeOfCall(service: string, hook: Receiver, path: string): Promise<number> {
  const begin = performance.now();
  await endJobs(service, [new URL(path, hook.url).href]);
  await eventually(`the call of ${path}`, () => (arrived(hook, path) > 0 ? true : undefined));
  return performance.now() - begin;
}

const numbered = (hook: Receiver, path: string, count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, n) => new URL(`${path}${from + n}`, hook.url).href);

const broken: readonly (readonly [string, Receive])[] = [
  ['answers 500', (socket) => void socket.write(answer('500 Internal Server Error'))],
  [
    'asks for a pause',
    (socket) => void socket.write(answer('503 Unavailable', '', { 'retry-after': '300' })),
  ],
  ['is gone', (socket) => void socket.write(answer('410 Gone'))],
  ['resets the connection', (socket) => void socket.resetAndDestroy()],
];

it.each(broken)(
  'a webhook of jobs that %s does not delay a working one at its origin',
  async (name, receive) => {
    const service = name.replaceAll(' ', '-');
    const hook = await receiver(receive);
    for (let round = 0; round < 4; round++) {
      const before = arrived(hook, '/bad/');
      await endJobs(service, numbered(hook, '/bad/', 10, 10 * round));
      await eventually('failures', () =>
        arrived(hook, '/bad/') >= before + 10 ? true : undefined,
      );
      expect(await timeOfCall(service, hook, `/ok/${round}`)).toBeLessThan(PROMPT_MILLISECONDS);
    }
  },
);

it('a hundred webhooks of jobs that hang do not delay a working one at their origin', async () => {
  const hook = await receiver(() => undefined);
  await endJobs('hangs', numbered(hook, '/bad/', 100));
  await eventually('requests', () => (arrived(hook, '/bad/') >= 10 ? true : undefined));
  for (let n = 0; n < 5; n++)
    expect(await timeOfCall('hangs', hook, `/ok/${n}`)).toBeLessThan(PROMPT_MILLISECONDS);
});

it('retries of webhooks that hang do not delay a new one at their URL', async () => {
  const hook = await receiver(() => undefined);
  const service = 'retries';
  await endJobs(service, [new URL('/hook?n=0', hook.url).href]);
  await eventually('requests', () => (arrived(hook, '/hook?n=0') > 0 ? true : undefined));
  // A hundred retries are due. Without a job, they go to the origin.
  await gateway.pool.query(
    `WITH event AS (
       INSERT INTO events (id, service, type, job_id, body)
       SELECT new_event_id(), service, type, NULL, body FROM events, generate_series(1, 100) WHERE service = $1 RETURNING id)
     INSERT INTO deliveries (event_id, endpoint_id, lane, failures, next_attempt_at)
     SELECT event.id, made.endpoint_id, made.lane | 1, 1, now()
       FROM event, deliveries AS made JOIN events ON events.id = made.event_id WHERE service = $1`,
    [service],
  );
  await gateway.pool.query(`SELECT pg_notify('reducto_gateway', 'deliveries_due ')`);
  await eventually('retries', () => (arrived(hook, 'POST / ') > 3 ? true : undefined));
  expect(await timeOfCall(service, hook, '/hook?n=1')).toBeLessThan(PROMPT_MILLISECONDS);
});

it('an origin whose webhooks have failed for days stays enabled', async () => {
  const hook = await receiver((socket) => void socket.write(answer('500 Internal Server Error')));
  await endJobs('days', numbered(hook, '/bad/', 1));
  const endpoint = () =>
    gateway.pool.query(`SELECT enabled, failing_since FROM endpoints WHERE service = 'days'`);
  await eventually(
    'the failure',
    async () => (await endpoint()).rows[0]?.failing_since ?? undefined,
  );
  await gateway.pool.query(
    `UPDATE endpoints SET failing_since = now() - interval '9 days' WHERE service = 'days'`,
  );
  await endJobs('days', numbered(hook, '/bad/', 1, 1));
  await eventually('the attempt', async () => {
    const { rowCount } = await gateway.pool.query(
      `SELECT FROM delivery_attempts JOIN events ON events.id = event_id WHERE service = 'days'`,
    );
    return (rowCount ?? 0) > 1 ? true : undefined;
  });
  expect((await endpoint()).rows[0].enabled).toBe(true);
  expect(await timeOfCall('days', hook, '/ok/1')).toBeLessThan(PROMPT_MILLISECONDS);
});
