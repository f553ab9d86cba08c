import { describe, expect, it } from 'vitest';
import { ApiContract } from '../support/api-contract.js';

const contract = new ApiContract({
  openapi: '3.1.0',
  paths: {
    '/v1/things/{id}': {
      get: {
        responses: {
          200: {
            headers: { ETag: { required: true } },
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } },
          },
        },
      },
    },
  },
  components: {
    schemas: {
      Thing: { type: 'object', properties: { at: { type: 'string', format: 'date-time' } } },
      Problem: { type: 'object', required: ['code'] },
    },
  },
});

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => ({
  status,
  body,
  headers: new Headers({ etag: '"1"', 'content-type': 'application/json', ...headers }),
});
const check = (...args: Parameters<typeof answer>) =>
  contract.check('GET', '/v1/things/1', answer(...args));

describe('the API contract check', () => {
  it('accepts a response that is described', () => {
    expect(() => check(200, { at: '2026-11-25T18:13:00.000Z' })).not.toThrow();
  });

  it.each<[string, Parameters<typeof answer>, RegExp]>([
    ['a status', [418, {}], /418 is not described/],
    ['a field', [200, { other: 1 }], /must NOT have additional properties/],
    ['a format', [200, { at: 'today' }], /must match format "date-time"/],
    ['a content type', [200, {}, { 'content-type': 'text/plain' }], /is text\/plain/],
  ])('refuses %s that is not described', (_, args, message) => {
    expect(() => check(...args)).toThrow(message);
  });

  it('refuses a response without a required header', () => {
    const bare = { ...answer(200, {}), headers: new Headers() };
    expect(() => contract.check('GET', '/v1/things/1', bare)).toThrow('has no header ETag');
  });

  it('refuses a route that is not described', () => {
    expect(() => contract.check('GET', '/v1/others', answer(200, {}))).toThrow('is unexpected');
  });
});
