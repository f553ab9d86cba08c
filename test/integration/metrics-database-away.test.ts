import { expect, it } from 'vitest';
import { metricValue } from '../support/metrics.js';
import { startProxiedGateway } from '../support/proxied-gateway.js';

it('while the database is silent, a scrape still comes in time, and says so', async () => {
  const proxied = await startProxiedGateway({ DATABASE_TIMEOUT_SECONDS: '8' });
  const { gateway, proxy } = proxied;
  try {
    expect(await metricValue(gateway, 'gateway_ready', { check: 'database' })).toBe(1);
    proxy.set('silent');
    const begin = performance.now();
    const { status, body } = await gateway.call('GET', '/metrics');
    // Prometheus gives up after ten seconds, unless told otherwise.
    expect(performance.now() - begin).toBeLessThan(8000);
    expect(status).toBe(200);
    expect(body).toContain('gateway_ready{check="database"} 0');
    expect(body).toContain('process_cpu_seconds_total');
  } finally {
    proxy.set('pass');
    await proxied.close();
  }
});
