import { randomUUID } from 'node:crypto';
import { Agent, createServer, request as send } from 'node:http';
import { Connection, requestBytes } from './connection.js';
import { listenForBench } from './listen.js';
import type { PathPlan, PathProgress } from './path-plan.js';

/*
 * Both ends of the whole path in one process: it submits jobs to the side whose turn it is, and it is the upstream that
 * takes them, calls back, and hands out the results.
 */

const RUN_MILLISECONDS = 20;
const SUBMISSION = {
  type: 'parse',
  input: 'https://files.example.com/43822ede-0f4c-4b1c-9d2c-5a3f7d0c3a11.pdf',
  metadata: { invoice: 4711, tenant: 'north' },
};

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const running = new Map<string, true>();
let resultText = '{}';
let progress: PathProgress = { accepted: 0, submitted: 0, calledBack: 0, polled: 0, failures: [] };

interface Webhook {
  readonly metadata: unknown;
  readonly webhook: { readonly url: string };
}

function callBack(id: string, { metadata, webhook }: Webhook): void {
  const body = JSON.stringify({ status: 'Completed', job_id: id, metadata });
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  };
  const call = send(webhook.url, { method: 'POST', agent, headers }, (response) => {
    response.resume();
    if (response.statusCode === 200) progress.calledBack += 1;
    else progress.failures.push(`callback: ${response.statusCode}`);
  });
  call.on('error', (error) => progress.failures.push(`callback: ${error.message}`));
  call.end(body);
}

function answerUpstream(path: string, body: string): string {
  if (path.endsWith('_async')) {
    const id = randomUUID();
    const { async: target } = JSON.parse(body) as { async: Webhook };
    progress.submitted += 1;
    running.set(id, true);
    setTimeout(() => callBack(id, target), RUN_MILLISECONDS);
    return JSON.stringify({ job_id: id });
  }
  const id = path.slice('/job/'.length);
  if (!running.delete(id)) progress.failures.push(`no such job runs: ${path}`);
  progress.polled += 1;
  return `{"status":"Completed","progress":1,"reason":null,"result":${resultText.replace('JOB_ID', id)}}`;
}

const server = createServer((request, response) => {
  const { url = '' } = request;
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const text = answerUpstream(url, Buffer.concat(parts).toString());
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  });
});
listenForBench(server);

async function submitAll({ url, headers, jobs, connections }: PathPlan): Promise<void> {
  const bytes = requestBytes(url, 'POST', headers, JSON.stringify(SUBMISSION));
  let left = jobs;
  const work = async (): Promise<void> => {
    const connection = await Connection.open(url);
    while (left > 0) {
      left -= 1;
      const { status, body } = await connection.ask(bytes);
      if (status === 202) progress.accepted += 1;
      else progress.failures.push(`submission: ${status} ${body.slice(0, 200)}`);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, work));
}

/** The result of a parse, as long as `bytes`. */
function resultOf(bytes: number): string {
  const block = {
    type: 'Text',
    bbox: { left: 0.1, top: 0.2, width: 0.5, height: 0.02, page: 1 },
    content: 'The tenant pays the rent on the first working day of each month.',
  };
  const blocks: object[] = [];
  const text = (): string =>
    JSON.stringify({
      job_id: 'JOB_ID',
      duration: 1.5,
      usage: { num_pages: 1, credits: 1 },
      result: { type: 'full', chunks: [{ content: 'x', blocks }] },
    });
  do blocks.push(block);
  while (text().length < bytes);
  return text();
}

process.on('message', (message: PathPlan | 'progress') => {
  if (message === 'progress') {
    process.send?.(progress);
    return;
  }
  resultText = resultOf(message.resultBytes);
  progress = { accepted: 0, submitted: 0, calledBack: 0, polled: 0, failures: [] };
  submitAll(message).catch((error: unknown) => progress.failures.push(String(error)));
});
