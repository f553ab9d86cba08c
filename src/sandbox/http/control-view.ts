import { ApiError, validationError } from '../api-error.js';
import { Backend } from '../backend.js';
import { Job } from '../jobs/job.js';
import { JsonObject } from '../json.js';
import { readSwitches, Switch } from '../faults/switches.js';

/** Validates a control request against its declaration; an unknown name is a 422. */
export function readBody<T>(from: Switch<T>, body: unknown): T {
  const read = readSwitches(from, body ?? {}, ['body']);
  if (!read.ok) throw validationError(read.issues);
  return read.value;
}

export function knownJob({ jobs }: Backend, id: string): Job {
  const job = jobs.find(id);
  if (!job) throw new ApiError(404, { detail: `No job ${id}` });
  return job;
}

/** The actual state of a job, which GET /job may show differently. */
export function controlView({ jobs, deliveries }: Backend, job: Job): JsonObject {
  const { document, links: _links, bodyHash, body, ...plain } = job;
  return {
    ...plain,
    body,
    submits: jobs.submitsOf(bodyHash),
    pages: document?.pages.length ?? null,
    deliveries: deliveries.ofJob(job.id).length,
  };
}
