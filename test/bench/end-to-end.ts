import { readFile } from 'node:fs/promises';
import { freePort } from '../../src/dev/free-port.js';
import { Connection, requestBytes } from './connection.js';
import { median, percentile } from './statistics.js';
import { submissionHeaders } from './submissions.js';
import type { World } from './world.js';

const SAMPLES = 80;
/** Jobs before the samples of a process that has just started: its program is compiled and its statements are planned. */
const STARTED = 40;
/** Jobs before the samples of a process that has run for a while. */
const WARM = 300;
const WANTED_MS = 10;

const DOCUMENT = 'src/dev/demo/rental-agreement.pdf';

/** Long enough for the waiting request to be there before the job ends. */
const PLATFORM = { queueMs: 20, runMs: 100, completingMs: 20 };

/** From the moment when the sandbox sends a callback to the answer of a request that waits for the end. */
export async function measureEndToEnd(world: World, say: (line: string) => void): Promise<void> {
  say(`from the sandbox's callback to the answer of a waiting GET, idle, ${SAMPLES} times;`);
  say('one gateway process with all roles');
  const sandbox = await world.run('sandbox', 'dist/src/sandbox/main.js', {
    SANDBOX_PORT: '0',
    SANDBOX_PLATFORM: JSON.stringify(PLATFORM),
  });
  const port = String(await freePort());
  const { process } = await world.gateway('api,webhooks,worker', {
    environment: {
      REDUCTO_BASE_URL: sandbox.url,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      PORT: port,
    },
  });
  const key = await world.keys.createApiKey(process.url);
  const file = await upload(process.url, key);
  const headers = submissionHeaders(key);
  const jobs = `${process.url}/v1/jobs`;
  const body = JSON.stringify({ type: 'parse', input: file });
  const submit = requestBytes(jobs, 'POST', headers, body);
  const connection = await Connection.open(jobs);
  /** In the order of the jobs. */
  const ended = new Map<string, number>();
  for (let n = 0; n < WARM + SAMPLES; n++) {
    const { id } = read(await connection.ask(submit), 202);
    const wait = requestBytes(`${jobs}/${String(id)}?wait=30`, 'GET', headers, '');
    const answer = await connection.ask(wait);
    const at = performance.timeOrigin + performance.now();
    const { status, settledBy } = read(answer, 200);
    if (status !== 'completed' || settledBy !== 'webhook') {
      throw new Error(`a job ended otherwise: ${answer.body}`);
    }
    ended.set(String(id), at);
  }
  connection.close();
  const sent = new Map((await callbacks(sandbox.url)).map(({ job, sentAt }) => [job, sentAt]));
  const waits = [...ended].map(([job, end]) => end - (sent.get(job) ?? Number.NaN));
  const samples = (after: number): number[] => waits.slice(after, after + SAMPLES);
  const times = (of: number[]): string =>
    [0.1, 0.5, 0.99].map((part) => percentile(of, part).toFixed(1)).join(', ');
  const warm = samples(WARM);
  const isReached = median(warm) <= WANTED_MS;
  say('  callback → answer: p10, p50, p99 in ms');
  say(`    after ${STARTED} jobs   ${times(samples(STARTED))}`);
  say(
    `  ${isReached ? '✓' : '✗'} after ${WARM} jobs  ${times(warm)}, wanted p50 at most ${WANTED_MS}`,
  );
}

function read(answer: { status: number; body: string }, expected: number): Record<string, unknown> {
  if (answer.status !== expected) throw new Error(`status ${answer.status}: ${answer.body}`);
  return JSON.parse(answer.body) as Record<string, unknown>;
}

async function upload(gatewayUrl: string, key: string): Promise<string> {
  const form = new FormData();
  form.append('file', new Blob([await readFile(DOCUMENT)]), 'rental-agreement.pdf');
  const response = await fetch(`${gatewayUrl}/v1/uploads`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: form,
  });
  if (response.status !== 201) throw new Error(`no upload: ${await response.text()}`);
  return ((await response.json()) as { id: string }).id;
}

/** When the sandbox sent the callbacks, in epoch milliseconds. */
async function callbacks(sandboxUrl: string): Promise<{ job: string; sentAt: number }[]> {
  const response = await fetch(`${sandboxUrl}/control/deliveries`);
  const deliveries = (await response.json()) as { body: string; sentAt: number }[];
  return deliveries.map(({ body, sentAt }) => {
    const { metadata } = JSON.parse(body) as { metadata: { gateway_job_id: string } };
    return { job: metadata.gateway_job_id, sentAt };
  });
}
