import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/gateway.js';
import { startProxiedGateway } from '../support/proxied-gateway.js';

it.each(['refuse', 'silent'] as const)(
  'summarizes an outage of the database under load in a few lines (%s)',
  async (mode) => {
    const started = await startProxiedGateway({ LOG_LEVEL: 'info' });
    onTestFinished(() => started.close());
    const { gateway, proxy } = started;
    await gateway.ended(await gateway.submit());
    const from = gateway.logs.length;
    proxy.set(mode);
    const end = performance.now() + 5000;
    let refused = 0;
    while (performance.now() < end) {
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => gateway.call('GET', '/v1/jobs')),
      );
      refused += answers.filter(({ status }) => status === 503).length;
    }
    proxy.set('pass');
    const last = await eventually('the log reports the end', () =>
      gateway.logs.slice(from).find((line) => line.includes('available again')),
    );
    const lines = gateway.logs.slice(from, gateway.logs.indexOf(last) + 1);
    expect(lines.filter((line) => !line.includes('"status":200')).length).toBeLessThan(20);
    const { requestsRefused } = JSON.parse(last) as { requestsRefused: number };
    expect(refused).toBeGreaterThan(20);
    expect(requestsRefused).toBeGreaterThan(refused * 0.8);
  },
);
