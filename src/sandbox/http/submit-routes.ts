import { createHash, randomUUID } from 'node:crypto';
import { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { htmlError, namedError, noRoute, unavailable } from '../api-error.js';
import { Backend } from '../backend.js';
import { JobSwitches, mergeSwitches } from '../faults/faults.js';
import { isOpen, Job, JobType, jobTypes } from '../jobs/job.js';
import { resultView } from '../jobs/job-view.js';
import { inputsOf } from '../jobs/job-input.js';
import { JsonObject } from '../json.js';
import { linkBase } from './link-base.js';
import { loseResponse, refuseSubmit, submitFaultFor } from './submit-faults.js';
import { checkedBody, isQueued, readCallback, readSim } from './submit-request.js';

const BATCH_RETRY_AFTER_SECONDS = 300;
/** Avoids a deadlock with a receiver that waits for the response to its submit. */
const BEFORE_RESPONSE_TIMEOUT_MS = 5_000;
/** A synchronous call longer than this gets the 504 of a proxy (INFERRED). */
const SYNCHRONOUS_LIMIT_MS = 900_000;

/**
 * POST /parse, /parse_async, and the routes of the other types. Without idempotency: the same body twice makes two
 * jobs.
 */
export function submitRoutes(api: FastifyInstance, backend: Backend): void {
  for (const type of jobTypes) {
    api.post(`/${type}`, (request, reply) => {
      const body = checkedBody(type, request.body);
      return submit(backend, { type, body, waits: !isQueued(type, body) }, request, reply);
    });
    api.post(`/${type}_async`, (request, reply) => {
      if (type === 'classify' && !backend.platform.current.classifyAsync) throw noRoute();
      const body = checkedBody(type, request.body);
      return submit(backend, { type, body, waits: false }, request, reply);
    });
  }
}

interface Call {
  type: JobType;
  body: JsonObject;
  /** The call is synchronous: its response is the result. */
  waits: boolean;
}

async function submit(
  backend: Backend,
  call: Call,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { type, body, waits } = call;
  const sim = simFor(backend, type, body);
  const bodyHash = createHash('sha256').update(JSON.stringify(body)).digest('hex');
  const fault = submitFaultFor(sim.submit, backend.jobs.countSubmit(bodyHash));
  refuseSubmit(fault, sim.submit ?? {});
  checkInputs(backend, call);
  checkBatchQueue(backend, body);

  const job = createJob(backend, call, bodyHash, sim);
  // As when a proxy repeats the request: two jobs, and the caller learns the second id only.
  const answered = fault === 'duplicate' ? createJob(backend, call, bodyHash, sim) : job;
  if (sim.webhook?.send === 'beforeResponse') await firstDelivery(backend, answered);
  if (fault === 'slow') await backend.clock.sleep(sim.submit?.delayMs ?? 0);
  if (loseResponse(fault, reply)) return reply;
  return waits ? resultWhenEnded(backend, answered, request) : { job_id: answered.id };
}

/** Holds the connection until the job has ended. */
async function resultWhenEnded(
  { clock, jobs, links, options, platform }: Backend,
  job: Job,
  request: FastifyRequest,
): Promise<unknown> {
  const ended = jobs.waitFor((other) => other === job && !isOpen(job));
  const { promise: tooLate, resolve } = Promise.withResolvers<undefined>();
  const limit = clock.after(SYNCHRONOUS_LIMIT_MS, () => resolve(undefined));
  const inTime = await Promise.race([ended, tooLate]);
  limit.cancel();
  if (!inTime) throw htmlError(504, 'Gateway Time-out');
  const base = linkBase({ options }, request);
  if (job.status === 'Completed') {
    return resultView(job, { platform: platform.current, links, base });
  }
  const { code, name, message } = job.error ?? {
    code: 500,
    name: 'INTERNAL_ERROR',
    message: job.reason ?? 'The job failed',
  };
  throw namedError(code >= 400 && code < 600 ? code : 500, name, message, job.id);
}

/** The switches of the request override those of the matching rules. */
function simFor(backend: Backend, type: JobType, body: JsonObject): JobSwitches {
  const fromRequest = readSim(body);
  const merged = mergeSwitches(backend.rules.consumeMatching(type, body), fromRequest);
  // The callback can precede the response only if the job ends at once.
  return merged.webhook?.send === 'beforeResponse'
    ? { ...merged, queueMs: 0, runMs: 0, completingMs: 0, webhookDelayMs: 0 }
    : merged;
}

/** An unknown upload fails the job later, or is refused if the call waits. */
function checkInputs(backend: Backend, { body, waits }: Call): void {
  for (const input of inputsOf(body)) {
    if (input.kind === 'invalid') {
      throw namedError(400, 'INVALID_CONFIG', `Not a valid document URL: ${input.text}`);
    }
    if (
      waits &&
      input.kind === 'upload' &&
      !backend.uploads.find(input.reference, backend.clock.now())?.file
    ) {
      throw namedError(404, 'NOT_FOUND', `File not found: ${input.reference}`);
    }
  }
}

function hasBatchQueue(type: JobType): boolean {
  return type === 'parse' || type === 'extract';
}

function checkBatchQueue({ platform, runner }: Backend, body: JsonObject): void {
  if (body['queue_priority'] !== 'batch') return;
  if (runner.batchQueueLength() >= platform.current.batchQueueLimit) {
    throw unavailable(BATCH_RETRY_AFTER_SECONDS);
  }
}

function createJob(
  backend: Backend,
  { type, body, waits }: Call,
  bodyHash: string,
  sim: JobSwitches,
): Job {
  const job: Job = {
    id: randomUUID(),
    order: backend.jobs.nextOrder,
    type,
    body,
    bodyHash,
    sim,
    ...readCallback(type, body),
    // A synchronous call has no callback.
    ...(waits && { webhook: undefined }),
    batch: hasBatchQueue(type) && body['queue_priority'] === 'batch',
    createdAt: backend.clock.now(),
    status: 'Pending',
    startedAt: undefined,
    endedAt: undefined,
    reason: null,
    error: null,
    document: undefined,
    links: new Map(),
    cancelRequestedAt: undefined,
    deletedAt: undefined,
    reads: 0,
    readsAfterEnd: 0,
    faultyReads: 0,
    downloads: 0,
    fileDownloads: 0,
  };
  backend.jobs.add(job);
  backend.runner.start(job);
  return job;
}

async function firstDelivery({ deliveries }: Backend, job: Job): Promise<void> {
  if (!job.webhook) return;
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise((resolve) => {
    timer = setTimeout(resolve, BEFORE_RESPONSE_TIMEOUT_MS);
  });
  await Promise.race([deliveries.waitFor((delivery) => delivery.jobId === job.id), timeout]);
  clearTimeout(timer);
}
