import { describe, expect, test } from 'vitest';
import { parseJson, readMessage } from '../../src/webhooks/receiving/callback-message.js';

const ID = '0198C0DE-0000-7000-8000-000000000001';
const read = (json: string) => readMessage(parseJson(Buffer.from(json)));

describe('parseJson', () => {
  test.each(['', ' ', '{', '{"a":1}}', "{'a':1}", 'undefined', 'NaN', '{"a":01}', '\uFEFF{}'])(
    'answers undefined for %j',
    (text) => {
      expect(parseJson(Buffer.from(text))).toBeUndefined();
    },
  );

  test('answers undefined for bytes that are no UTF-8, even inside a string', () => {
    expect(parseJson(Buffer.from([0x22, 0xc3, 0x28, 0x22]))).toBeUndefined();
  });

  test('tells JSON null from no JSON', () => {
    expect(parseJson(Buffer.from('null'))).toBeNull();
  });
});

describe('readMessage', () => {
  test('reads the three fields, and the id in one case', () => {
    const metadata = { gateway_job_id: ID, token: 'v1.x', extra: 1 };
    expect(readMessage({ status: 'Completed', job_id: 'up-1', metadata, result: [] })).toEqual({
      status: 'Completed',
      upstreamId: 'up-1',
      gatewayJobId: ID.toLowerCase(),
      token: 'v1.x',
    });
  });

  test.each([
    'null',
    '[]',
    '[{"status":"Completed","job_id":"a"}]',
    '"text"',
    '1',
    'true',
    '{}',
    '{"status":"Completed"}',
    '{"job_id":"a"}',
    '{"status":null,"job_id":"a"}',
    '{"status":1,"job_id":"a"}',
    '{"status":["Completed"],"job_id":"a"}',
    '{"status":"Completed","job_id":1}',
    '{"status":"Completed","job_id":null}',
    '{"status":"Completed","job_id":["a"]}',
    '{"__proto__":{"status":"Completed","job_id":"a"}}',
  ])('takes %s for no callback', (json) => {
    expect(read(json)).toBeUndefined();
  });

  test.each([
    '',
    '/',
    '../jobs',
    'a/b',
    'a%2Fb',
    'a?b',
    'a#b',
    '.',
    '-a',
    '_a',
    'a b',
    'a\n',
    'ä',
    'a'.repeat(129),
  ])('refuses the upstream id %j: it goes into a path', (id) => {
    expect(readMessage({ status: 'Completed', job_id: id })).toBeUndefined();
  });

  test('takes ids up to their limit, and refuses a status that is no word', () => {
    expect(readMessage({ status: '', job_id: 'a'.repeat(128) })?.upstreamId).toHaveLength(128);
    expect(readMessage({ status: 'x'.repeat(64), job_id: 'a' })).toBeDefined();
    expect(readMessage({ status: 'x'.repeat(65), job_id: 'a' })).toBeUndefined();
  });

  test.each([
    ['', 'absent'],
    [',"metadata":null', 'null'],
    [`,"metadata":[{"gateway_job_id":"${ID}"}]`, 'an array'],
    [`,"metadata":"{\\"gateway_job_id\\":\\"${ID}\\"}"`, 'a string'],
    [',"metadata":7', 'a number'],
    [',"metadata":{"gateway_job_id":["a"],"token":{"a":1}}', 'of odd values'],
    [`,"metadata":{"__proto__":{"token":"v1.x","gateway_job_id":"${ID}"}}`, 'with a prototype'],
  ])('reads a callback without our ids where metadata%s is %s', (metadata) => {
    const message = read(`{"status":"Failed","job_id":"a"${metadata}}`);
    expect(message).toEqual({ status: 'Failed', upstreamId: 'a' });
  });

  test('reads an id and a token each for itself', () => {
    expect(readMessage({ status: 's', job_id: 'a', metadata: { token: 't' } })).toEqual({
      status: 's',
      upstreamId: 'a',
      token: 't',
    });
  });

  test('lets the last of two equal keys count, as everything after it does', () => {
    expect(read('{"status":"a","job_id":"a","job_id":"b"}')?.upstreamId).toBe('b');
    expect(read('{"status":"a","job_id":"a","job_id":"../b"}')).toBeUndefined();
  });

  test('survives JSON of great depth', () => {
    const deep = '['.repeat(30_000) + ']'.repeat(30_000);
    expect(read(`{"status":"a","job_id":"a","metadata":${deep}}`)?.upstreamId).toBe('a');
  });
});
