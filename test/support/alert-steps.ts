import { AlertQueries, type Alert } from '../../src/alerts/alert-queries.js';
import { AlertsService, type AlertCounts } from '../../src/alerts/alerts.service.js';
import { AuditWriter } from '../../src/audit/audit-writer.js';
import { eventually, send, startGateway, type TestGateway } from './gateway.js';

/** Sweeps run only by `sweep()`, and jobs are not polled for an hour unless a trigger expedites it. */
const MANUAL_SWEEPS = {
  ALERT_INTERVAL_SECONDS: '3600',
  RECONCILE_INTERVAL_SECONDS: '3600',
  POLL_SCHEDULE_SECONDS: '3600',
};
export const NEVER = { sim: { webhook: { send: 'never' } } };

/** Nest's logger writes to the gateway that started last. */
const logs: string[][] = [];
export const logged = (): string[] => logs.flat();

const open: { close(): Promise<void> }[] = [];

/** Registers a resource that `closeAll` closes, in reverse order. */
export function closeLater(one: { close(): Promise<void> }): void {
  open.push(one);
}

export async function closeAll(): Promise<void> {
  for (const one of open.splice(0).toReversed()) await one.close();
  logs.length = 0;
}

export async function start(environment: Record<string, string> = {}): Promise<TestGateway> {
  const gateway = await startGateway({ ...MANUAL_SWEEPS, ...environment });
  closeLater(gateway);
  logs.push(gateway.logs);
  return gateway;
}

/** Starts a second replica on the same database and the same sandbox. */
export async function replica(
  of: TestGateway,
  environment: Record<string, string> = {},
): Promise<TestGateway> {
  const gateway = await start({
    DATABASE_URL: of.settings.DATABASE_URL ?? '',
    REDUCTO_API_KEY: of.sandbox.apiKey,
    REDUCTO_BASE_URL: of.sandbox.url,
    TOKEN_KEYS: keysOf(of),
    ...environment,
  });
  return { ...gateway, pool: of.pool };
}

export const keysOf = ({ settings }: TestGateway): string =>
  (settings.TOKEN_KEYS ?? [])
    .map(({ version, key }) => `${version}:${key.toString('base64')}`)
    .join(',');

export async function sweep(gateway: TestGateway): Promise<AlertCounts> {
  await gateway.app.get(AuditWriter, { strict: false }).flushAudit();
  return gateway.app.get(AlertsService, { strict: false }).sweep();
}
export const alerts = (gateway: TestGateway): Promise<Alert[]> =>
  gateway.app.get(AlertQueries, { strict: false }).recent(10);

export async function submitted(
  gateway: TestGateway,
  request: object,
  count: number,
): Promise<string[]> {
  const ids = await Promise.all(
    Array.from({ length: count }, () => gateway.submit({ ...request })),
  );
  await eventually('all submitted', async () => {
    const { rows } = await gateway.pool.query(
      `SELECT 1 FROM jobs WHERE upstream_id IS NOT NULL AND id = ANY ($1)`,
      [ids],
    );
    return rows.length === count || undefined;
  });
  return ids;
}

/** Sends the callback of the job; `some` overrides its parts. */
export async function callback(
  gateway: TestGateway,
  id: string,
  some: { to?: TestGateway; token?: string; headers?: Record<string, string> } = {},
): Promise<number> {
  const { rows } = await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [id]);
  const token = some.token ?? gateway.tokens.signJobId(id);
  const { status } = await send(
    `${(some.to ?? gateway).url}/webhooks/reducto`,
    'POST',
    { status: 'Completed', job_id: rows[0].upstream_id, metadata: { gateway_job_id: id, token } },
    some.headers,
  );
  return status;
}

/** A gateway with an alert due: callbacks for two jobs came from an address outside the allowlist. */
export async function raised(environment: Record<string, string> = {}): Promise<TestGateway> {
  const gateway = await start({ WEBHOOK_IP_ALLOWLIST: '203.0.113.0/24', ...environment });
  for (const id of await submitted(gateway, NEVER, 2)) await callback(gateway, id);
  return gateway;
}
