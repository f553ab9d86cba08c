import { Client } from './client.js';
import { run, until } from './command.js';
import { Stack } from './stack.js';
import { expectEqual, type Verdict } from './verdict.js';
import { checkMetrics } from './metrics.js';
import { checkHardening } from './hardening.js';
import { checkResilience } from './resilience.js';

const RECEIVER = 'http://127.0.0.1:13100';

/** The sandbox profile: one host, everything on it. */
export async function trySandbox(verdict: Verdict, withGrafana: boolean): Promise<void> {
  verdict.chapter('One host, with the sandbox in place of Reducto');
  const files = withGrafana ? [] : ['test/smoke/without-grafana.yml'];
  const stack = await Stack.make('sandbox', { profiles: ['sandbox', 'observability'], files });
  try {
    await verdict.check('everything starts and is healthy', () => stack.up());
    const client = await Client.of(stack);
    await verdict.check('a job completes by a callback', () => wholeJob(client));
    await verdict.check('a forged callback is refused and audited', () => forged(client));
    await verdict.check(
      'the webhook receiver serves callbacks and health, and nothing else',
      receiverRoutes,
    );
    await verdict.check('the commands work in the container', () => commands(stack));
    await checkMetrics(verdict, stack);
    await checkHardening(verdict, stack);
    await checkResilience(verdict, stack, client);
  } finally {
    await stack.forget();
  }
}

async function wholeJob(client: Client): Promise<void> {
  const job = await client.ended(await client.accepted(await client.upload()));
  expectEqual([job.status, job.settledBy], ['completed', 'webhook'], 'the job');
  const result = await (await client.ask(`/v1/jobs/${job.id}/result`)).text();
  if (!result.includes('chunks')) throw new Error(`no result: ${result.slice(0, 200)}`);
}

async function forged(client: Client): Promise<void> {
  const response = await fetch(`${RECEIVER}/webhooks/reducto`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ status: 'Completed', job_id: 'made-up' }),
  });
  expectEqual(response.status, 401, 'the answer');
  await until('the audit shows it', async () =>
    (await client.refusals()).find(({ cause }) => cause === 'token_missing'),
  );
}

async function receiverRoutes(): Promise<void> {
  const paths = ['/', '/v1/jobs', '/v1/admin/keys', '/admin', '/docs', '/docs/json', '/metrics'];
  const found = await Promise.all(paths.map(async (path) => (await fetch(RECEIVER + path)).status));
  expectEqual(
    found,
    paths.map(() => 404),
    'answers',
  );
  expectEqual((await fetch(`${RECEIVER}/health/ready`)).status, 200, 'health');
}

async function commands(stack: Stack): Promise<void> {
  const list = await stack.compose('exec', '-T', 'gateway', 'gateway', 'keys', 'list');
  if (!list.includes('smoke')) throw new Error(list);
  const audit = await stack.compose('exec', '-T', 'gateway', 'gateway', 'audit', 'verify');
  if (!audit.includes('intact')) throw new Error(audit);
  const migrated = await stack.compose('run', '--rm', '-T', 'migrate');
  if (!migrated.includes('up to date')) throw new Error(migrated);
  await run('docker', ['run', '--rm', 'reducto-gateway:smoke', 'gateway', '--help']);
}
