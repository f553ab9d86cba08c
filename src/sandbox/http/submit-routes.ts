import { createHash, randomUUID } from 'node:crypto';
import { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { namedError, typedError, unavailable } from '../api-error.js';
import { Backend } from '../backend.js';
import { JobSwitches, mergeSwitches } from '../faults/faults.js';
import { Job, JobType, jobTypes } from '../jobs/job.js';
import { inputsOf } from '../jobs/job-input.js';
import { JsonObject } from '../json.js';
import { loseResponse, refuseSubmit, submitFaultFor } from './submit-faults.js';
import { checkedBody, readCallback, readSim } from './submit-request.js';

const BATCH_RETRY_AFTER_SECONDS = 300;
/** Avoids a deadlock with a receiver that waits for the response to its submit. */
const BEFORE_RESPONSE_TIMEOUT_MS = 5_000;

/** POST /parse_async and the other submit routes. Without idempotency: the same body twice makes two jobs. */
export function submitRoutes(api: FastifyInstance, backend: Backend): void {
  for (const type of jobTypes) {
    api.post(`/${type}_async`, (request, reply) => submit(backend, type, request, reply));
  }
}

async function submit(
  backend: Backend,
  type: JobType,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const body = checkedBody(type, request.body);
  const sim = simFor(backend, type, body);
  const bodyHash = createHash('sha256').update(JSON.stringify(body)).digest('hex');
  const fault = submitFaultFor(sim.submit, backend.jobs.countSubmit(bodyHash));
  refuseSubmit(fault, sim.submit ?? {});
  checkInputs(backend, body);
  checkBatchQueue(backend, body);

  const job = createJob(backend, type, body, bodyHash, sim);
  // As when a proxy repeats the request: two jobs, and the caller learns the second id only.
  const answered = fault === 'duplicate' ? createJob(backend, type, body, bodyHash, sim) : job;
  if (sim.webhook?.send === 'beforeResponse') await firstDelivery(backend, answered);
  if (fault === 'slow') await backend.clock.sleep(sim.submit?.delayMs ?? 0);
  return loseResponse(fault, reply) ? reply : { job_id: answered.id };
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

/** An unknown upload is refused at submit; an unknown `jobid://` fails the job later. */
function checkInputs(backend: Backend, body: JsonObject): void {
  for (const input of inputsOf(body)) {
    if (input.kind === 'invalid') {
      throw typedError(400, 'invalid_url', `Not a valid document URL: ${input.text}`);
    }
    if (
      input.kind === 'upload' &&
      !backend.uploads.find(input.reference, backend.clock.now())?.file
    ) {
      throw namedError(404, 'NOT_FOUND', `File not found: ${input.reference}`);
    }
  }
}

function checkBatchQueue({ platform, runner }: Backend, body: JsonObject): void {
  if (body['queue_priority'] !== 'batch') return;
  if (runner.batchQueueLength() >= platform.current.batchQueueLimit) {
    throw unavailable(BATCH_RETRY_AFTER_SECONDS);
  }
}

function createJob(
  backend: Backend,
  type: JobType,
  body: JsonObject,
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
    // Only /parse_async supports the batch queue.
    batch: type === 'parse' && body['queue_priority'] === 'batch',
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
