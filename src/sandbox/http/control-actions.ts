import { FastifyInstance } from 'fastify';
import { ApiError } from '../api-error.js';
import { Backend } from '../backend.js';
import { controlView, knownJob, readBody } from './control-view.js';
import { Job } from '../jobs/job.js';
import { jobError } from '../jobs/job-runner.js';
import { messageId, newSecret, signedHeaders } from '../webhooks/svix-signature.js';
import {
  anything,
  count,
  flag,
  group,
  object,
  oneOf,
  Setting,
  signedCount,
  text,
  textOrNull,
} from '../faults/switches.js';
import { postOnce } from '../webhooks/webhook-post.js';

const jobScript = group('ends a job now', {
  action: oneOf('outcome of the job', 'complete', 'fail', 'cancel'),
  reason: textOrNull('`reason` of the failure; null: none'),
  error: object('`error` of the failure'),
});
const resend = group('sends the callback again', {
  status: text('status to send instead of the actual one'),
});
const forgery = group('sends a callback that belongs to no job', {
  url: text('target URL'),
  body: anything('JSON, or a string that is sent unchanged'),
  headers: object('request headers'),
  svix: group('signs the callback as Svix does', {
    secret: text('signing secret; default: the first one of the platform'),
    unknownSecret: flag('sign with a random secret'),
    id: text('message id; use the same id again for a replay'),
    timestampOffsetMs: signedCount('offset of the timestamp from now'),
    prefix: oneOf('header prefix', 'svix', 'webhook'),
  }),
  timeoutMs: count('timeout of the request; default 10 s'),
});

type Forgery = Setting<typeof forgery>;

interface ById {
  Params: { id: string };
}

/** Control routes that end a job, resend its callback, or forge one. */
export function controlActions(control: FastifyInstance, backend: Backend): void {
  control.post<ById>('/jobs/:id', async ({ params, body }) => {
    const job = knownJob(backend, params.id);
    await endJob(backend, job, readBody(jobScript, body));
    return controlView(backend, job);
  });
  control.post<ById>('/jobs/:id/webhook', async ({ params, body }) => {
    const job = knownJob(backend, params.id);
    const { status } = readBody(resend, body);
    await backend.webhooks.sendNow(job, status);
    return backend.deliveries.ofJob(job.id);
  });
  control.post('/webhooks/forge', ({ body }) => forge(backend, readBody(forgery, body)));
}

async function endJob(
  { runner }: Backend,
  job: Job,
  { action, reason, error }: Setting<typeof jobScript>,
): Promise<void> {
  switch (action) {
    case undefined:
    case 'complete':
      return runner.complete(job);
    case 'fail': {
      const message = reason === undefined ? 'Scripted failure' : reason;
      return runner.fail(job, message, error ? jobError(error, message) : null);
    }
    case 'cancel':
      return runner.cancel(job);
  }
}

/** Sends the forged callback and returns the receiver's response. */
async function forge(backend: Backend, given: Forgery): Promise<unknown> {
  const { url, body, svix, timeoutMs = 10_000 } = given;
  if (url === undefined || !URL.canParse(url))
    throw new ApiError(422, { detail: 'url is required' });
  const bytes = typeof body === 'string' ? body : JSON.stringify(body ?? {});
  const { svixSecrets, svixHeaderPrefix } = backend.platform.current;
  const secret = svix?.unknownSecret
    ? newSecret()
    : (svix?.secret ?? svixSecrets[0] ?? newSecret());
  const signature = svix
    ? signedHeaders({
        id: svix.id ?? messageId(),
        timestamp: new Date(Date.now() + (svix.timestampOffsetMs ?? 0)),
        body: bytes,
        secrets: [secret],
        prefix: svix.prefix ?? svixHeaderPrefix,
      })
    : {};
  const custom = Object.entries(given.headers ?? {}).map(([name, value]) => [
    name.toLowerCase(),
    String(value),
  ]);
  const headers = {
    'content-type': 'application/json',
    ...signature,
    ...Object.fromEntries(custom),
  };
  return postOnce(backend.webhooks.agent, url, headers, bytes, timeoutMs);
}
