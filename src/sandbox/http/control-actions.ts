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

const jobScript = group('what becomes of a job, now', {
  action: oneOf('the end', 'complete', 'fail', 'cancel'),
  reason: textOrNull('reason of a failure; null: none'),
  error: object('error object of a failure'),
});
const resend = group('send the callback again', {
  status: text('claim this status instead of the true one'),
});
const forgery = group('a callback that no job has sent', {
  url: text('where to'),
  body: anything('JSON, or a string that is sent as it is'),
  headers: object('request headers'),
  svix: group('sign it as Svix would', {
    secret: text('default: the first secret of the platform'),
    unknownSecret: flag('sign with a secret that nobody knows'),
    id: text('message id; give it twice for a replay'),
    timestampOffsetMs: signedCount('how far the timestamp is from now'),
    prefix: oneOf('header prefix', 'svix', 'webhook'),
  }),
  timeoutMs: count('default 10 s'),
});

type Forgery = Setting<typeof forgery>;

interface ById {
  Params: { id: string };
}

/** Control routes that make something happen to one job or one receiver. */
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

/** Sends it and tells what the receiver answered. */
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
  const own = Object.entries(given.headers ?? {}).map(([name, value]) => [
    name.toLowerCase(),
    String(value),
  ]);
  const headers = {
    'content-type': 'application/json',
    ...signature,
    ...Object.fromEntries(own),
  };
  return postOnce(backend.webhooks.agent, url, headers, bytes, timeoutMs);
}
