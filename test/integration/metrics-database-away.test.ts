import { expect, it } from 'vitest';
import { metricValue } from '../support/metrics.js';
import { startProxiedGateway } from '../support/proxied-gateway.js';

/** Prometheus’ default `scrape_timeout`. */
const SCRAPE_TIMEOUT_MILLISECONDS = 10_000;

it('answers a scrape within its timeout while the database is silent, and reports the database', async () => {
  const proxied = await startProxiedGateway({ DATABASE_TIMEOUT_SECONDS: '30' });
  const { gateway, proxy } = proxied;
  try {
    expect(await metricValue(gateway, 'gateway_ready', { check: 'database' })).toBe(1);
    proxy.set('silent');
    const response = await fetch(`${gateway.url}/metrics`, {
      signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MILLISECONDS),
    });
    const body = await response.text();
    expect(response.status).toBe(200);
    expect(body).toContain('gateway_ready{check="database"} 0');
    expect(body).toContain('process_cpu_seconds_total');
  } finally {
    proxy.set('pass');
    await proxied.close();
  }
});
