import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { eventually, type Answer, type TestGateway } from './gateway.js';
import { startReceiver, type Receive, type Receiver, type ReceivedRequest } from './receiver.js';

/** An endpoint with its receiver, for a service of its own. */
export interface TestEndpoint {
  readonly id: string;
  readonly secret: string;
  readonly service: string;
  readonly receiver: Receiver;
  /** As the service. */
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** The ids of the events that arrived. */
  received(): string[];
  /** Waits until `count` requests have arrived. */
  requests(count: number): Promise<ReceivedRequest[]>;
}

/** Creates an endpoint with a receiver, which `atEnd` closes: by default at the end of the test. */
export async function createEndpoint(
  gateway: TestGateway,
  receive?: Receive,
  settings: Record<string, unknown> = {},
  service = `service-${randomUUID().slice(0, 8)}`,
  atEnd: (close: () => Promise<void>) => unknown = onTestFinished,
): Promise<TestEndpoint> {
  const receiver = await startReceiver(receive);
  atEnd(() => receiver.close());
  const key = await gateway.newKey(service);
  const call: TestEndpoint['call'] = (method, path, body) =>
    gateway.call(method, path, body, { authorization: `Bearer ${key}` });
  const { status, body } = await call('POST', '/v1/endpoints', { url: receiver.url, ...settings });
  if (status !== 201) throw new Error(`no endpoint: ${JSON.stringify(body)}`);
  return {
    id: body.id,
    secret: body.secret,
    service,
    receiver,
    call,
    received: () => receiver.requests.map(({ headers }) => headers['webhook-id'] ?? ''),
    requests: (count) =>
      eventually(`${count} requests at the receiver`, () =>
        receiver.requests.length >= count ? receiver.requests : undefined,
      ),
  };
}

/** Ends a job of `service` in the database, as a worker does. Returns its id. */
export async function endJob(
  { pool }: Pick<TestGateway, 'pool'>,
  service: string,
  {
    type = 'parse',
    status = 'failed',
    metadata = null as object | null,
    channels = null as string[] | null,
    webhookUrl = null as string | null,
  } = {},
): Promise<string> {
  const id = randomUUID();
  await pool.query(
    `WITH job AS (
       INSERT INTO jobs (id, service, type, status, metadata, channels, webhook_url, ended_at, error, settled_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, now(), '{"code":"failed_upstream","message":"No.","retryable":false}', 'webhook')
       RETURNING id)
     INSERT INTO event_outbox (job_id) SELECT id FROM job`,
    [
      id,
      service,
      type,
      status,
      metadata === null ? null : JSON.stringify(metadata),
      channels,
      webhookUrl,
    ],
  );
  await pool.query(`SELECT pg_notify('reducto_gateway', 'job_ended ' || $1)`, [id]);
  return id;
}

/** Makes everything of an endpoint due that waits for a later time. */
export async function passTime({ pool }: TestGateway, endpointId: string): Promise<void> {
  await pool.query('UPDATE endpoints SET paused_until = NULL WHERE id = $1', [endpointId]);
  await pool.query(
    `UPDATE deliveries SET next_attempt_at = now()
      WHERE endpoint_id = $1 AND status = 'pending' AND lease IS NULL`,
    [endpointId],
  );
  await pool.query(`SELECT pg_notify('reducto_gateway', 'deliveries_due ')`);
}
