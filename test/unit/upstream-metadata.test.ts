import { describe, expect, it } from 'vitest';
import { CallbackTokenService } from '../../src/jobs/callback-token.service.js';
import { isWholeRequest, jobIdsOf } from '../../src/jobs/recovery/upstream-metadata.js';
import { Settings } from '../../src/platform/config/settings.js';

const ID = '01a20824-0000-7000-8000-00000000000a';
const OTHER = '01a20824-0000-7000-8000-00000000000b';
const polling = { NODE_ENV: 'test', WEBHOOK_MODE: 'none' };
const keyless = new CallbackTokenService(Settings.load(polling));
const tokens = new CallbackTokenService(
  Settings.load({ ...polling, TOKEN_KEYS: `1:${Buffer.alloc(32, 7).toString('base64')}` }),
);
const token = tokens.signJobId(ID);
const metadata = { gateway_job_id: ID, token };

describe('with token keys, the request of a job', () => {
  it.each([
    ['as JSON', JSON.stringify({ input: 'x', async: { metadata } })],
    [
      'with its names in another order',
      JSON.stringify({ metadata: { token, gateway_job_id: ID } }),
    ],
    ['as JSON within JSON', JSON.stringify({ config: JSON.stringify({ webhook: { metadata } }) })],
    ['with single quotes', `{'metadata': {'gateway_job_id': '${ID}', 'token': '${token}'}}`],
    ['with an id in capitals', JSON.stringify({ ...metadata, gateway_job_id: ID.toUpperCase() })],
  ])('is known %s', (_, rawConfig) => {
    expect(jobIdsOf(rawConfig, tokens)).toEqual([ID]);
  });

  it.each([
    ['the id alone', { schema: { gateway_job_id: ID } }],
    ['the id with the token of another job', { ...metadata, token: tokens.signJobId(OTHER) }],
    ['the id with a token that is none', { ...metadata, token: 'v1.'.padEnd(46, 'A') }],
    [
      'the id in the member of the gateway, without a token',
      { async: { metadata: { gateway_job_id: ID } } },
    ],
  ])('is not known by %s', (_, request) => {
    expect(jobIdsOf(JSON.stringify(request), tokens)).toEqual([]);
  });
});

describe('without token keys, the request of a job', () => {
  it.each(['async', 'webhook'])('is recognized by the member %s', (name) => {
    const request = { [name]: { metadata: { gateway_job_id: ID } } };
    expect(jobIdsOf(JSON.stringify(request), keyless)).toEqual([ID]);
  });

  it.each([
    ['a field of the service', JSON.stringify({ schema: { async: { metadata } }, metadata })],
    ['text that is no JSON', `async: { metadata: { gateway_job_id: '${ID}' } }`],
    [
      'a text of the service',
      JSON.stringify({ system_prompt: JSON.stringify({ async: { metadata } }) }),
    ],
  ])('is not known by %s', (_, rawConfig) => {
    expect(jobIdsOf(rawConfig, keyless)).toEqual([]);
  });
});

describe('a request without a valid gateway id', () => {
  const ids = new Set([ID]);

  it.each([
    ['is shown', JSON.stringify({ input: 'x' })],
    ['has the id of a job that is not searched', JSON.stringify({ gateway_job_id: OTHER })],
  ])('is whole if it %s', (_, rawConfig) => {
    expect(isWholeRequest(rawConfig, ids)).toBe(true);
  });

  it.each([
    ['is hidden', null],
    ['is cut', JSON.stringify({ input: 'x', async: { metadata } }).slice(0, 40)],
    ['is no object', '"…"'],
    ['has the id of a searched job', JSON.stringify({ gateway_job_id: ID.toUpperCase() })],
  ])('is not whole if it %s', (_, rawConfig) => {
    expect(isWholeRequest(rawConfig, ids)).toBe(false);
  });
});
