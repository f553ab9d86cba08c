import { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ApiError, namedError, noRoute, validationError } from '../api-error.js';
import { Backend } from '../backend.js';
import { isOpen, Job } from '../jobs/job.js';
import { jobListItem, jobView } from '../jobs/job-view.js';
import { linkBase } from './link-base.js';
import { applyPollFault } from './poll-faults.js';

const MAX_LONG_POLL_SECONDS = 300;
const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 500;
const MINUTE_MS = 60_000;

interface ById {
  Params: { id: string };
}
interface Read extends ById {
  Querystring: { timeout?: string };
}
interface List {
  Querystring: { limit?: string; cursor?: string; exclude_configs?: string };
}

export function jobRoutes(api: FastifyInstance, backend: Backend): void {
  api.get<Read>('/job/:id', (request, reply) => read(backend, request, reply));
  api.get<List>('/jobs', ({ query }) => list(backend, query));
  api.post<ById>('/cancel/:id', ({ params }) => cancel(backend, params.id));
  api.delete<ById>('/job/:id', ({ params }, reply) => remove(backend, params.id, reply));
}

async function read(
  backend: Backend,
  request: FastifyRequest<Read>,
  reply: FastifyReply,
): Promise<unknown> {
  const { id } = request.params;
  const job = findJob(backend, id);
  if (backend.clock.now() - job.createdAt < (job.sim.poll?.notFoundMs ?? 0)) throw notFound(id);
  await longPoll(backend, job, request);
  // The job may have been deleted or have expired during the long poll.
  findJob(backend, id);
  const platform = backend.platform.current;
  if (job.status === 'Cancelled' && platform.cancelledView === 'conflict') {
    throw namedError(409, 'JOB_CANCELLED', 'Job was cancelled', id);
  }
  job.reads += 1;
  if (!isOpen(job)) job.readsAfterEnd += 1;
  const base = linkBase(backend, request);
  const view = jobView(job, { platform, links: backend.links, base });
  return (await applyPollFault(job, view, reply, backend.clock)) ? reply : view;
}

/** `?timeout=` appears in one third-party description only; its maximum is UNKNOWN. */
async function longPoll(
  { clock, jobs, platform }: Backend,
  job: Job,
  request: FastifyRequest<Read>,
): Promise<void> {
  const seconds = Math.min(Number(request.query.timeout ?? 0), MAX_LONG_POLL_SECONDS);
  if (!(seconds > 0) || !platform.current.longPoll || !isOpen(job)) return;
  await new Promise<void>((resolve) => {
    const changed = (other: Job): void => {
      if (other === job && !isOpen(job)) finish();
    };
    const timer = clock.after(seconds * 1_000, () => finish());
    const finish = (): void => {
      timer.cancel();
      jobs.events.off('changed', changed);
      request.raw.socket.off('close', finish);
      resolve();
    };
    jobs.events.on('changed', changed);
    request.raw.socket.once('close', finish);
  });
}

/** The cursor is the last job of a page, so new jobs do not shift the next one. */
function list({ jobs, platform, clock }: Backend, query: List['Querystring']): unknown {
  const { jobsList, listDelayMs, listOrder, retentionMinutes } = platform.current;
  if (!jobsList) throw noRoute();
  const limit = pageSize(query.limit);
  const after = query.cursor ? orderOf(query.cursor) : undefined;
  const excludeConfigs = query.exclude_configs === 'true' || query.exclude_configs === '1';
  const oldest = clock.now() - retentionMinutes * MINUTE_MS;
  const page: Job[] = [];
  let more = false;
  for (const job of jobs.inOrder(listOrder, after)) {
    if (job.createdAt <= oldest) continue;
    if (job.deletedAt !== undefined || clock.now() - job.createdAt < listDelayMs) continue;
    if (page.length === limit) {
      more = true;
      break;
    }
    page.push(job);
  }
  const last = page.at(-1);
  return {
    jobs: page.map((job) => jobListItem(job, platform.current, excludeConfigs)),
    next_cursor: more && last ? cursorOf(last) : null,
  };
}

function pageSize(given: string | undefined): number {
  if (given === undefined) return DEFAULT_PAGE_SIZE;
  const limit = Number(given);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_PAGE_SIZE) return limit;
  const msg = `Input should be between 1 and ${MAX_PAGE_SIZE}`;
  throw validationError([{ loc: ['query', 'limit'], msg, type: 'less_than_equal' }]);
}

function cursorOf(job: Job): string {
  return Buffer.from(`order:${job.order}`).toString('base64url');
}

function orderOf(cursor: string): number {
  const text = Buffer.from(cursor, 'base64url').toString();
  const order = Number(/^order:(?<order>\d+)$/u.exec(text)?.groups?.['order']);
  if (Number.isInteger(order)) return order;
  const msg = 'Invalid cursor';
  throw validationError([{ loc: ['query', 'cursor'], msg, type: 'value_error' }]);
}

/** A cancel takes effect after `cancelDelayMs`; its response is always an empty object. */
function cancel(backend: Backend, id: string): unknown {
  const job = findJob(backend, id);
  const { cancelDelayMs, cancelFinished } = backend.platform.current;
  if (isOpen(job)) {
    job.cancelRequestedAt ??= backend.clock.now();
    backend.clock.after(cancelDelayMs, () => backend.runner.cancel(job));
    return {};
  }
  switch (cancelFinished) {
    case 'ok':
      return {};
    case 'conflict':
      throw namedError(409, 'JOB_STATE_ERROR', 'Job has already ended', id);
    case 'notFound':
    default:
      throw notFound(id);
  }
}

/** Deletes a job: 202, then 409 during the cleanup, then 410. The 409 for an open job is INFERRED. */
function remove(backend: Backend, id: string, reply: FastifyReply): unknown {
  if (!backend.platform.current.jobDelete) {
    throw new ApiError(405, { detail: 'Method Not Allowed' }, { allow: 'GET' });
  }
  const job = findJob(backend, id);
  if (isOpen(job)) throw namedError(409, 'JOB_NOT_COMPLETE', 'Job has not ended yet', id);
  job.deletedAt = backend.clock.now();
  return reply.status(202).send({ job_id: id });
}

/** Throws for an unknown, deleted, or expired job. The body of the real 404 is UNKNOWN. */
function findJob({ jobs, clock, platform }: Backend, id: string): Job {
  const job = jobs.find(id);
  const { retentionMinutes, expiredStatus, deleteCleanupMs } = platform.current;
  if (!job) throw notFound(id);
  if (job.deletedAt !== undefined) {
    throw clock.now() - job.deletedAt < deleteCleanupMs
      ? namedError(409, 'JOB_DELETION_IN_PROGRESS', 'Job is being deleted', id)
      : namedError(410, 'JOB_DELETED', 'Job has been deleted', id);
  }
  if (clock.now() - job.createdAt < retentionMinutes * MINUTE_MS || isPersisted(job)) return job;
  throw expiredStatus === '404' ? notFound(id) : namedError(410, 'JOB_DELETED', 'Job expired', id);
}

/** `persist_results` keeps the job id too (INFERRED), not only the result. */
function isPersisted({ body }: Job): boolean {
  const { settings } = body;
  return typeof settings === 'object' && settings !== null && 'persist_results' in settings
    ? settings.persist_results === true
    : false;
}

function notFound(id: string): ApiError {
  return namedError(404, 'NOT_FOUND', `Job ${id} not found`, id);
}
