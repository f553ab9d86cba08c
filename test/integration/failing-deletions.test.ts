import { expect, it } from 'vitest';
import { eventually, startGateway } from '../support/gateway.js';
import { metricValue } from '../support/metrics.js';
import { startRawUpstream } from '../support/raw-upstream.js';

it.each([403, 500, 501])(
  'deletions that Reducto answers with %i do not hold back the polls of other jobs',
  async (status) => {
    const upstream = await startRawUpstream({
      poll: { body: '{"status":"Completed","result":{}}' },
      other: { status, body: '<p>no</p>', headers: { 'content-type': 'text/html' } },
    });
    const gateway = await startGateway({ REDUCTO_BASE_URL: upstream.url });
    try {
      const ids = await Promise.all(Array.from({ length: 3 }, () => gateway.submit()));
      for (const id of ids) await gateway.ended(id);
      for (const id of ids) {
        expect((await gateway.call('DELETE', `/v1/jobs/${id}`)).status).toBe(202);
      }
      await eventually('a deletion of each job', () =>
        upstream.requests.filter(({ method }) => method === 'DELETE').length >= ids.length
          ? true
          : undefined,
      );
      expect(await gateway.ended(await gateway.submit())).toMatchObject({ status: 'completed' });
      expect(await metricValue(gateway, 'gateway_upstream_cool_downs_total')).toBe(0);
    } finally {
      await gateway.close();
      await upstream.close();
    }
  },
);
