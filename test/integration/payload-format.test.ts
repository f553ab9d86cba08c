import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

describe('an endpoint in the form of Reducto refuses', () => {
  const reducto = { url: 'http://127.0.0.1:9/', payloadFormat: 'reducto' };

  it.each([
    ['results', { includeResult: true }, 'includeResult'],
    ['a type of event that it cannot get', { eventTypes: ['endpoint.disabled'] }, 'eventTypes.0'],
    ['such a type beside others', { eventTypes: ['job.failed', 'endpoint.test'] }, 'eventTypes.1'],
  ])('%s', async (_, settings, path) => {
    const body = { ...reducto, ...settings };
    expect(await gateway.call('POST', '/v1/endpoints', body)).toMatchObject({
      status: 422,
      body: { errors: [{ path }] },
    });
  });

  it('a change after which a setting has no effect', async () => {
    const { body } = await gateway.call('POST', '/v1/endpoints', { ...reducto, eventTypes: null });
    const path = `/v1/endpoints/${body.id}`;
    expect(await gateway.call('PATCH', path, { includeResult: true })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'includeResult' }] },
    });
    const back = { payloadFormat: 'event', includeResult: true };
    expect((await gateway.call('PATCH', path, back)).status).toBe(200);
    expect((await gateway.call('PATCH', path, { payloadFormat: 'reducto' })).status).toBe(422);
  });
});

it('answers that an endpoint in the form of Reducto gets the headers svix-*', async () => {
  const { body } = await gateway.call('POST', '/v1/endpoints', {
    url: 'http://127.0.0.1:9/',
    payloadFormat: 'reducto',
  });
  expect(body.svixHeaders).toBe(true);
});
