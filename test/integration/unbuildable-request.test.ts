import { expect, it, onTestFinished } from 'vitest';
import { eventually, startGateway } from '../support/gateway.js';
import { Transport } from '../../src/reducto/transport.js';

it('defers a job whose request cannot be built, and says why', async () => {
  const gateway = await startGateway();
  onTestFinished(() => gateway.close());
  const broken = new Transport(gateway.settings.with({ REDUCTO_API_KEY: 'key\u200b' }));
  onTestFinished(() => broken.onApplicationShutdown());
  const transport = gateway.app.get(Transport, { strict: false });
  const ask = transport.sendRequest.bind(transport);
  transport.sendRequest = (...request) => broken.sendRequest(...request);
  const id = await gateway.submit();
  await eventually('the job is deferred', async () =>
    (await gateway.events(id)).includes('submit_deferred') ? true : undefined,
  );
  const { body } = await gateway.call('GET', `/v1/jobs/${id}/events`);
  expect(JSON.stringify(body)).toContain('could not be built');
  expect(JSON.stringify(body)).not.toContain('uncertain');
  transport.sendRequest = ask;
  expect((await gateway.ended(id)).status).toBe('completed');
});
