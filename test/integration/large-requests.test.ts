import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const FIVE_MEGABYTES = 5_000_000;
const repeated = (text: string): string => text.repeat(FIVE_MEGABYTES / text.length);
const members = Array.from({ length: 300_000 }, (_, index) => `"k${index}":1`).join(',');

it.each([
  [
    '400,000 parts',
    `{"type":"split","input":"x","split_description":[${'{"name":1},'.repeat(400_000)}{}]}`,
  ],
  ['a wide object', `{"type":"parse","input":"x","other":{${members}}}`],
  ['many fields at the top', `{"type":"parse","input":"x",${members}}`],
  ['empty objects', `{"type":"parse","input":"x","other":[${repeated('{},')}{}]}`],
  ['small strings', `{"type":"parse","input":"x","other":[${repeated('"a",')}"a"]}`],
  ['millions of opening brackets', `{"type":"parse","input":"x","other":${repeated('[')}`],
])('refuses a job of 5 MB with 422 before it is parsed: %s', async (_shape, body) => {
  const answer = await gateway.call('POST', '/v1/jobs', body, {
    'content-type': 'application/json',
  });
  expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
  expect(JSON.stringify(answer.body).length).toBeLessThan(20_000);
});

it('accepts a job with 4 MB of instructions', async () => {
  const instructions = { schema: {}, system_prompt: 'é'.repeat(2_000_000) };
  const job = { type: 'extract', input: 'https://example.com/a.pdf', instructions };
  expect((await gateway.call('POST', '/v1/jobs', job)).status).toBe(202);
});

it('refuses an input with references to 1,001 jobs', async () => {
  const id = (index: number): string =>
    `jobid://01a2082b-ff8e-76c7-b113-${String(index).padStart(12, '0')}`;
  const input = { file_id: id(0), more: Array.from({ length: 1001 }, (_, index) => id(index)) };
  const answer = await gateway.call('POST', '/v1/jobs', { type: 'extract', input });
  expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: 'input' }] } });
});

it('refuses a query string with thousands of parameters', async () => {
  const query = Array.from({ length: 2000 }, (_, index) => `a${index}=`).join('&');
  const answer = await gateway.call('GET', `/v1/jobs?${query}`);
  expect(answer).toMatchObject({ status: 422, body: { code: 'invalid_query' } });
});

it('refuses a console form with thousands of fields', async () => {
  const response = await fetch(`${gateway.url}/admin/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'a=&'.repeat(20_000),
  });
  expect(response.status).toBe(400);
});
