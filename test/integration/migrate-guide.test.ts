import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { promisify } from 'node:util';
import Reducto from 'reductoai';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { cleanUp, cleanUps, run } from '../support/processes.js';
import { startReceiver } from '../support/receiver.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => {
  await cleanUp();
  await gateway.close();
});

/** Both variables of docs/migrate.md: through the gateway, and back. */
const variables = () => ({
  gateway: { REDUCTO_BASE_URL: `${gateway.url}/reducto`, REDUCTO_API_KEY: gateway.key },
  reducto: { REDUCTO_BASE_URL: gateway.sandbox.url, REDUCTO_API_KEY: gateway.sandbox.apiKey },
});

/** Starts docs/examples/sdk-handler.ts. */
async function startHandler(environment: Record<string, string>) {
  const child = spawn(process.execPath, ['docs/examples/sdk-handler.ts'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], ...environment },
  });
  cleanUps.push(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (output += part));
  await expect.poll(() => output).toContain('listening');
  const port = /"port":(\d+)/.exec(output)?.[1];
  return { url: `http://127.0.0.1:${port}/`, output: () => output };
}

it.each(['gateway', 'reducto'] as const)(
  'runs the samples of docs/migrate.md with the variables of the %s',
  async (where) => {
    const environment = variables()[where];
    const handler = await startHandler(environment);
    const document = 'https://example.com/a.pdf';
    const args = ['docs/examples/sdk.ts', document, handler.url];
    const { code, stdout, stderr } = await run(args, environment);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('"response_type":"parse"');
    expect(stdout).toContain('"response_type":"v3_extract"');
    await expect.poll(handler.output).toContain('ended Completed {"order":815}');
  },
  60_000,
);

it('creates the endpoint of docs/migrate.md, whose webhooks verify with its secret', async () => {
  const receiver = await startReceiver();
  cleanUps.push(() => receiver.close());
  const page = readFileSync('docs/migrate.md', 'utf8');
  const command = /```sh\n(curl [^`]+)```/.exec(page)?.[1] ?? '';
  const own = command
    .replace('https://gateway.example.com', gateway.url)
    .replace('https://invoices.example.com/reducto', receiver.url);
  const environment = { PATH: process.env['PATH'], ...variables().gateway };
  const { stdout } = await promisify(execFile)('sh', ['-c', own], { env: environment });
  const { secret } = JSON.parse(stdout) as { secret: string };
  const { job_id } = await new Reducto({
    apiKey: gateway.key,
    baseURL: `${gateway.url}/reducto`,
  }).parse.runJob({ input: 'https://example.com/a.pdf', async: { webhook: { mode: 'svix' } } });
  const request = await eventually('the webhook', () => receiver.requests[0]);
  const {
    'svix-id': id,
    'svix-timestamp': timestamp,
    'svix-signature': signature,
  } = request.headers;
  const headers = {
    'webhook-id': id ?? '',
    'webhook-timestamp': timestamp ?? '',
    'webhook-signature': signature ?? '',
  };
  expect(new Webhook(secret).verify(request.body, headers)).toEqual({
    status: 'Completed',
    job_id,
    metadata: null,
  });
});

it('lists both variables of docs/migrate.md as the SDK reads them', () => {
  const page = readFileSync('docs/migrate.md', 'utf8');
  for (const name of Object.keys(variables().gateway)) expect(page).toContain(`${name}=`);
});
