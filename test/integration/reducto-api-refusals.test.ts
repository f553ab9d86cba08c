import { afterAll, beforeAll, expect, it } from 'vitest';
import { send, startGateway, type Answer, type TestGateway } from '../support/gateway.js';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.js';

/* Requests that Reducto itself refuses, in synchronous calls. */

let gateway: TestGateway;
let upstream: RawUpstream;
beforeAll(async () => {
  upstream = await startRawUpstream();
  gateway = await startGateway({ REDUCTO_BASE_URL: upstream.url });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

const parse = (): Promise<Answer> =>
  send(
    `${gateway.url}/reducto/parse`,
    'POST',
    { input: 'https://example.com/a.pdf' },
    { authorization: `Bearer ${gateway.key}` },
  );

it('answers the validation errors of Reducto in its shape', async () => {
  const detail = [
    { loc: ['body', 'settings', 'page_range', 0], msg: 'bad range', type: 'value_error' },
    { loc: ['body', 'a.b'], msg: 'Field required', type: 'missing', input: { secret: 1 } },
  ];
  upstream.answers.submit = { status: 422, body: JSON.stringify({ detail }) };
  const answer = await parse();
  expect(answer.status).toBe(422);
  expect(answer.body).toEqual({
    detail: detail.map(({ loc, msg, type }) => ({ loc, msg, type })),
  });
  expect(answer.headers.get('x-should-retry')).toBe('false');
});

it('answers another 422 of Reducto with its text', async () => {
  upstream.answers.submit = { status: 422, body: '{"detail":"no such page"}' };
  const answer = await parse();
  expect(answer).toMatchObject({ status: 422, body: { detail: 'no such page' } });
});
