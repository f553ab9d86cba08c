import { Agent, get, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { startGateway } from '../support/gateway.js';

it('a stop answers what was asked, and does not wait for clients that keep their connections', async () => {
  const gateway = await startGateway();
  const id = await gateway.submit({ sim: { stuck: 'InProgress', webhook: { send: 'never' } } });
  // As a proxy has it: it keeps connections for as long as it is let.
  const agent = new Agent({ keepAlive: true });
  const request = get(`${gateway.url}/v1/jobs/${id}?wait=30`, {
    agent,
    headers: { authorization: `Bearer ${gateway.key}` },
  });
  await once(request, 'socket');
  await expect.poll(() => gateway.logs.length).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 300));

  const stopped = gateway.close();
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  expect([answer.statusCode, answer.headers.connection]).toEqual([200, 'close']);
  answer.resume();
  await stopped;
  agent.destroy();
});
