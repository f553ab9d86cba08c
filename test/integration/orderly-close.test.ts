import { Agent, get, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { startGateway } from '../support/gateway.js';

it('answers open requests on shutdown, and does not wait for clients that keep their connections', async () => {
  const gateway = await startGateway();
  const id = await gateway.submit({ sim: { stuck: 'InProgress', webhook: { send: 'never' } } });
  // A proxy keeps its connections open.
  const agent = new Agent({ keepAlive: true });
  const request = get(`${gateway.url}/v1/jobs/${id}?wait=30`, {
    agent,
    headers: { authorization: `Bearer ${gateway.key}` },
  });
  await once(gateway.app.getHttpServer(), 'request');

  const stopped = gateway.close();
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  expect([answer.statusCode, answer.headers.connection]).toEqual([200, 'close']);
  answer.resume();
  await stopped;
  agent.destroy();
});
