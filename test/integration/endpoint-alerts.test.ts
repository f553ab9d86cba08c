import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeAll, logged, start, sweep } from '../support/alert-steps.js';
import { consoleUser } from '../support/console.js';
import { createEndpoint, endJob, type TestEndpoint } from '../support/endpoints.js';
import { eventually, send, type Answer, type TestGateway } from '../support/gateway.js';
import { metricValue } from '../support/metrics.js';
import { answer, type Receive } from '../support/receiver.js';

/* Alerts about the receivers of events. */

let gateway: TestGateway;
let adminKey: string;

beforeEach(async () => {
  gateway = await start();
  adminKey = await gateway.newKey('platform', ['admin']);
});
afterEach(closeAll);

const gone: Receive = (socket) => void socket.write(answer('410 Gone'));

const admin = (method: string, path: string): Promise<Answer> =>
  send(`${gateway.url}/v1/admin${path}`, method, undefined, {
    authorization: `Bearer ${adminKey}`,
  });
const alerts = async (): Promise<Answer['body']> => (await admin('GET', '/alerts')).body.alerts;

/** An endpoint that the gateway disabled, because it answered 410. */
async function disabledEndpoint(service: string): Promise<TestEndpoint> {
  const endpoint = await createEndpoint(gateway, gone, {}, service);
  await endJob(gateway, service);
  await eventually('the endpoint to be disabled', async () => {
    const { body } = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
    return body.state === 'disabled' || undefined;
  });
  return endpoint;
}

/** As if nobody had found the endpoints for that long. */
const passMinutes = (minutes: number): Promise<unknown> =>
  gateway.pool.query(`UPDATE alerts SET last_seen_at = last_seen_at - make_interval(mins => $1)`, [
    minutes,
  ]);

const setFailingSince = (id: string, minutes: number): Promise<unknown> =>
  gateway.pool.query(
    `UPDATE endpoints SET failing_since = now() - make_interval(mins => $2), consecutive_failures = 9 WHERE id = $1`,
    [id, minutes],
  );

describe('a disabled endpoint', () => {
  it('raises a warning that names the service and says what to do', async () => {
    await disabledEndpoint('invoices');
    expect(await sweep(gateway)).toMatchObject({ raised: 1 });
    expect(await alerts()).toMatchObject([
      {
        kind: 'endpoint_disabled',
        severity: 'warning',
        message: expect.stringContaining('disabled 1 endpoint of invoices'),
        advice: expect.stringContaining('enable the endpoint'),
        refusals: null,
        closedAt: null,
      },
    ]);
  });

  it('is told by log, alert, metric, banner, its own state, and an event to the other endpoints', async () => {
    const other = await createEndpoint(gateway, undefined, {}, 'invoices');
    const endpoint = await disabledEndpoint('invoices');
    await sweep(gateway);
    expect(logged().filter((line) => line.includes('"endpoint disabled"'))).toHaveLength(1);
    expect(logged().filter((line) => line.includes('"alert raised"'))).toHaveLength(1);
    const open = await metricValue(gateway, 'gateway_alerts_open', { kind: 'endpoint_disabled' });
    const total = await metricValue(gateway, 'gateway_endpoints_disabled_total');
    const now = await metricValue(gateway, 'gateway_endpoints_disabled_now');
    expect([open, total, now]).toEqual([1, 1, 1]);
    const user = await consoleUser(gateway);
    const overview = String((await user.get('/admin')).body);
    expect(overview).toContain('disabled 1 endpoint of invoices');
    expect(overview).toContain('/admin/endpoints?state=disabled');
    expect(String((await user.get('/admin/jobs')).body)).toContain('disabled 1 endpoint');
    const { body } = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
    expect(body).toMatchObject({ enabled: false, disabledReason: 'gone' });
    const bodies = await eventually('the event', () => {
      const received = other.receiver.requests.map((request) => JSON.parse(String(request.body)));
      return received.some(({ type }) => type === 'endpoint.disabled') ? received : undefined;
    });
    expect(bodies.find(({ type }) => type === 'endpoint.disabled')).toMatchObject({
      data: { id: endpoint.id, reason: 'gone' },
    });
  });

  it('keeps its alert and the acknowledgement while it is disabled', async () => {
    await disabledEndpoint('invoices');
    await sweep(gateway);
    const [{ id }] = await alerts();
    await admin('POST', `/alerts/${id}/acknowledge`);
    expect(await sweep(gateway)).toMatchObject({ raised: 0 });
    expect(await alerts()).toMatchObject([{ id, acknowledgedBy: 'platform', closedAt: null }]);
  });

  it('raises a new alert when another endpoint is disabled after an acknowledgement', async () => {
    await disabledEndpoint('invoices');
    await sweep(gateway);
    const [{ id }] = await alerts();
    await admin('POST', `/alerts/${id}/acknowledge`);
    await disabledEndpoint('claims');
    expect(await sweep(gateway)).toMatchObject({ raised: 1 });
    expect(await alerts()).toMatchObject([
      {
        message: expect.stringContaining('2 endpoints of claims, invoices'),
        acknowledgedAt: null,
        closedAt: null,
      },
      { id, closedAt: expect.any(String) },
    ]);
  });

  it('raises no new alert when one of several endpoints is enabled', async () => {
    await disabledEndpoint('invoices');
    const { id } = await disabledEndpoint('claims');
    await sweep(gateway);
    await gateway.pool.query('UPDATE endpoints SET enabled = true WHERE id = $1', [id]);
    expect(await sweep(gateway)).toMatchObject({ raised: 0 });
    expect(await alerts()).toMatchObject([{ message: expect.stringContaining('of invoices,') }]);
  });

  it('ends its alert when an admin keeps it disabled', async () => {
    const { id } = await disabledEndpoint('invoices');
    await sweep(gateway);
    await admin('POST', `/endpoints/${id}/disable`);
    await passMinutes(6);
    expect(await sweep(gateway)).toMatchObject({ raised: 0, closed: 1 });
  });

  it('raises no alert if its service disabled it', async () => {
    const endpoint = await createEndpoint(gateway);
    await endpoint.call('PATCH', `/v1/endpoints/${endpoint.id}`, { enabled: false });
    expect(await sweep(gateway)).toMatchObject({ raised: 0 });
  });
});

describe('a failing endpoint', () => {
  it('raises a warning after an hour', async () => {
    const { id } = await createEndpoint(gateway, undefined, {}, 'invoices');
    await setFailingSince(id, 61);
    expect(await sweep(gateway)).toMatchObject({ raised: 1 });
    expect(await alerts()).toMatchObject([
      {
        kind: 'endpoint_failing',
        severity: 'warning',
        message: expect.stringContaining('do not reach 1 endpoint of invoices'),
      },
    ]);
  });

  it('raises no alert in its first hour', async () => {
    const { id } = await createEndpoint(gateway);
    await setFailingSince(id, 59);
    expect(await sweep(gateway)).toMatchObject({ raised: 0 });
  });

  it('ends its alert after it has recovered', async () => {
    const { id } = await createEndpoint(gateway);
    await setFailingSince(id, 61);
    await sweep(gateway);
    await gateway.pool.query('UPDATE endpoints SET failing_since = NULL WHERE id = $1', [id]);
    await passMinutes(6);
    expect(await sweep(gateway)).toMatchObject({ closed: 1 });
  });
});

describe('overdue deliveries', () => {
  /** A delivery that a circuit breaker holds back, so that no worker takes it. */
  async function overdueDelivery(minutes: number, isFailing: boolean): Promise<void> {
    const endpoint = await createEndpoint(gateway, undefined, {}, 'invoices');
    await gateway.pool.query(
      `UPDATE endpoints SET paused_until = now() + interval '1 hour',
              failing_since = CASE WHEN $2 THEN now() END WHERE id = $1`,
      [endpoint.id, isFailing],
    );
    await endJob(gateway, 'invoices');
    await eventually('the delivery', async () => {
      const { rowCount } = await gateway.pool.query(
        `UPDATE deliveries SET next_attempt_at = now() - make_interval(mins => $2) WHERE endpoint_id = $1`,
        [endpoint.id, minutes],
      );
      return rowCount === 1 || undefined;
    });
  }

  it('raise a warning after ten minutes', async () => {
    await overdueDelivery(11, false);
    expect(await sweep(gateway)).toMatchObject({ raised: 1 });
    expect(await alerts()).toMatchObject([
      { kind: 'deliveries_overdue', message: expect.stringContaining('1 endpoint of invoices') },
    ]);
  });

  it('raise no alert in the first ten minutes', async () => {
    await overdueDelivery(9, false);
    expect(await sweep(gateway)).toMatchObject({ raised: 0 });
  });

  it('raise no alert if the endpoint fails', async () => {
    await overdueDelivery(11, true);
    expect(await sweep(gateway)).toMatchObject({ raised: 0 });
  });
});
