import { describe, expect, test } from 'vitest';
import { JOB_TYPES } from '../../src/jobs/job-type.js';
import {
  isSurelyV3,
  shapeOf,
  upstreamRequest,
  type CallbackTarget,
} from '../../src/jobs/submission/upstream-request.js';

const URL_OF_GATEWAY = 'https://gateway.example.com/webhooks/reducto';
const METADATA = { gateway_job_id: 'job', token: 'v1.x' };
const target = (mode: CallbackTarget['mode'], channels: string[] = []): CallbackTarget => ({
  mode,
  url: URL_OF_GATEWAY,
  channels,
});
const parsed = (text: string): Record<string, unknown> => JSON.parse(text);
const REQUEST = { input: 'https://x', settings: { a: [1] } };

describe('a request of the v3 form', () => {
  const build = (to: CallbackTarget, priority = false) =>
    parsed(upstreamRequest({ priority }, JSON.stringify(REQUEST), 'v3', METADATA, to));

  test('asks for callbacks to the gateway’s URL in direct mode', () => {
    expect(build(target('direct'))).toEqual({
      ...REQUEST,
      async: { metadata: METADATA, webhook: { mode: 'direct', url: URL_OF_GATEWAY } },
    });
  });

  test('names the configured channels and no URL in svix mode', () => {
    expect(build(target('svix', ['a', 'b']))).toEqual({
      ...REQUEST,
      async: { metadata: METADATA, webhook: { mode: 'svix', channels: ['a', 'b'] } },
    });
    expect(build(target('svix'))).toMatchObject({ async: { webhook: { mode: 'svix' } } });
    expect(JSON.stringify(build(target('svix')))).not.toContain('channels');
  });

  test('sends only the metadata in none mode', () => {
    expect(build(target('none', ['a']))).toEqual({
      ...REQUEST,
      async: { metadata: METADATA, webhook: null },
    });
  });

  test('asks for priority only if the service did', () => {
    expect(build(target('none'), true)).toEqual({
      ...REQUEST,
      async: { metadata: METADATA, webhook: null, priority: true },
    });
  });
});

describe('a request of the legacy form', () => {
  const request = { document_url: 'https://x', edit_instructions: 'sign' };
  const build = (to: CallbackTarget, priority = false) =>
    parsed(upstreamRequest({ priority }, JSON.stringify(request), 'legacy', METADATA, to));

  test('has the webhook with the metadata and the priority at the top level', () => {
    expect(build(target('direct'), true)).toEqual({
      ...request,
      priority: true,
      webhook: { mode: 'direct', url: URL_OF_GATEWAY, metadata: METADATA },
    });
    expect(build(target('svix', ['a']))).toEqual({
      ...request,
      webhook: { mode: 'svix', channels: ['a'], metadata: METADATA },
    });
  });

  test('disables the webhook in none mode', () => {
    expect(build(target('none'))).toEqual({
      ...request,
      webhook: { mode: 'disabled', metadata: METADATA },
    });
  });
});

test.each(['v3', 'legacy'] as const)('leaves every byte of a %s request as written', (shape) => {
  const request =
    '{ "2024": 1.10, "2023": 9007199254740993,\n "constructor": {"a": "\\u0041\\/"} }';
  const built = upstreamRequest({ priority: false }, request, shape, METADATA, target('direct'));
  expect(built.startsWith(request.slice(0, -1))).toBe(true);
  expect(Object.keys(parsed(built)).at(-1)).toBe(shape === 'legacy' ? 'webhook' : 'async');
});

const NO_EDIT = JOB_TYPES.filter((type) => type !== 'edit');
const EVERY_SHAPE = [
  ['v3', '{"input":"https://x"}'],
  ['v3', '{"input":"https://x","settings":{"document_url":"https://y"}}'],
  ['v3', '{"input":"document_url"}'],
  ['legacy', '{"document_url":"https://x"}'],
  ['legacy', '{ "options":{"a":"\\"document_url\\":1"}, "document_\\u0075rl" : ["https://x"] }'],
] as const;

test.each(NO_EDIT.flatMap((type) => EVERY_SHAPE.map((shape) => [type, ...shape] as const)))(
  'reads a %s as %s: %s',
  async (type, shape, request) => {
    expect(await shapeOf(type, request)).toBe(shape);
    expect(shape === 'legacy' && isSurelyV3(type, request)).toBe(false);
  },
);

test('reads every edit as legacy', async () => {
  expect(isSurelyV3('edit', '{"input":"https://x"}')).toBe(false);
  expect(await shapeOf('edit', '{"input":"https://x"}')).toBe('legacy');
});
