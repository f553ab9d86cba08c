import '../../platform/node-version.js';
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../free-port.js';
import { DemoClient, type DemoJob } from './demo-client.js';
import { DemoReceiver } from './demo-receiver.js';

/*
 * The main job in front of the reader: a gateway with an embedded PostgreSQL and the sandbox, each a
 * real process, and a service that uses it over REST. Everything is in a folder that is removed.
 */

const DOCUMENT = fileURLToPath(
  new URL('../../../../src/dev/demo/rental-agreement.pdf', import.meta.url),
);
const GATEWAY = fileURLToPath(new URL('../../main.js', import.meta.url));

/** Lines of a result that are shown. */
const EXCERPT_LINES = 3;

const say = (text = ''): void => void process.stdout.write(`${text}\n`);

const directory = await mkdtemp(join(tmpdir(), 'reducto-gateway-demo-'));
const adminKey = randomBytes(24).toString('hex');
const { gateway, url } = await startGateway();
try {
  await show(url);
} finally {
  gateway.kill('SIGTERM');
  if (gateway.exitCode === null && gateway.signalCode === null) await once(gateway, 'exit');
  await rm(directory, { recursive: true, force: true });
}

async function startGateway(): Promise<{ gateway: ReturnType<typeof fork>; url: string }> {
  say('1. Starting PostgreSQL (embedded), the sandbox (in place of Reducto) and the gateway …');
  const child = fork(GATEWAY, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      PORT: String(await freePort()),
      DATA_DIR: directory,
      BOOTSTRAP_ADMIN_KEY: adminKey,
      LOG_LEVEL: 'warn',
      LOG_FORMAT: 'json',
      POLL_SCHEDULE_SECONDS: '3,3,5',
    },
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => output.push(String(chunk)));
  const address = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => {
      if (typeof message === 'object' && 'url' in message) resolve(String(message.url));
    });
    child.once('exit', () => reject(new Error(`the gateway did not start:\n${output.join('')}`)));
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => child.kill('SIGTERM'));
  say(`   API documentation: ${address}/docs   Console: ${address}/admin`);
  return { gateway: child, url: address };
}

async function show(gatewayUrl: string): Promise<void> {
  say('\n2. An admin creates an API key for the service "leases".');
  const client = await DemoClient.withNewKey(gatewayUrl, adminKey, 'leases');

  const bytes = await readFile(DOCUMENT);
  say(
    `\n3. The service uploads a real PDF (rental-agreement.pdf, ${Math.round(bytes.length / 1024)} KB).`,
  );
  const input = await client.upload(bytes, 'rental-agreement.pdf');
  say(`   ${input}`);

  say('\n4. It submits a parse, and waits for the callback.');
  const parse = await client.run({ type: 'parse', input });
  await report(client, parse);

  say('\n5. It submits an extract that builds on the parse (input "jobid://…").');
  say('   The sandbox fills in sample values; Reducto reads them from the document.');
  const schema = {
    type: 'object',
    properties: Object.fromEntries(
      ['landlord', 'tenant', 'monthly_rent', 'deposit', 'start_date'].map((name) => [
        name,
        { type: 'string' },
      ]),
    ),
  };
  const extract = await client.run({
    type: 'extract',
    input: `jobid://${parse.id}`,
    instructions: { schema },
  });
  await report(client, extract);

  say('\n6. It has the document edited. The result links to a file that the gateway stores.');
  const edit = await client.run({
    type: 'edit',
    document_url: input,
    edit_instructions: 'Fill in the tenant: Ada Lovelace',
  });
  await report(client, edit, false);
  for (const { name, contentType, bytes, url } of await client.files(edit.id)) {
    const document = await fetch(url);
    const { byteLength } = await document.arrayBuffer();
    say(`   stored: ${name}, ${contentType}, ${bytes} bytes (the sandbox does not change it)`);
    say(`   read by its signed link, without a key: ${document.status}, ${byteLength} bytes`);
  }

  say('\n7. A job whose callback never comes: the reconciler polls, and it ends all the same.');
  const lost = await client.run({ type: 'parse', input, sim: { webhook: { send: 'never' } } });
  await report(client, lost, false);

  say(
    '\n8. The service wants to be told of ends. Its receiver fails twice, and gets the event all the same.',
  );
  await showEvent(client, input);

  say('\n9. Somebody forges a callback:');
  const forged = await client.forgeCallback(parse.id);
  say(`   refused with ${forged.status}, ${forged.code}`);

  say('\nThe demo has ended, and removes its data. What to try next:');
  say(
    '   npm start   the gateway on http://127.0.0.1:3000, with the console at /admin, and a key to sign in',
  );
  say('   npm test    the tests, on a real PostgreSQL');
  say('   README.md   what the gateway does, and how to use it with your key for Reducto');
}

async function showEvent(client: DemoClient, input: string): Promise<void> {
  const receiver = new DemoReceiver();
  try {
    receiver.secret = await client.createEndpoint(await receiver.start());
    await client.run({ type: 'parse', input });
    const event = await receiver.waitForEvent();
    for (const { attempt, status, error } of await client.attempts(event, 3)) {
      const outcome = error === null ? `accepted with ${status}, the signature is valid` : error;
      say(`   attempt ${attempt}: ${outcome}`);
    }
  } finally {
    receiver.stop();
  }
}

async function report(client: DemoClient, job: DemoJob, withResult = true): Promise<void> {
  say(`   job ${job.id}: ${job.status}, settled by the ${job.settledBy ?? '?'}`);
  const events = await client.events(job.id);
  const begin = Date.parse(events[0]?.at ?? '');
  const times = events.map(({ at, type }) => `${type} ${Date.parse(at) - begin} ms`);
  say(`   ${times.join(' → ')}`);
  if (!withResult) return;
  const text = await client.resultText(job.id);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  say(`   its result (${text.length} characters) begins:`);
  for (const line of lines.slice(0, EXCERPT_LINES)) say(`      ${line}`);
  if (lines.length > EXCERPT_LINES) say('      …');
}
