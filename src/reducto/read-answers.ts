import { MAX_ANSWER_BYTES, type AnswerBody } from './answer-body.js';
import type { CallAnswer, JobAnswer, ListAnswer, ListedJob, PollAnswer } from './answers.js';
import { isRecord } from '../platform/json/is-record.js';
import { readJobFailure } from './upstream-error.js';

/** Reads Reducto’s answers defensively: an undocumented answer is unusable and never ends a job. */

/** Whether an upstream id is safe in a path. Known ids are UUIDs and `job_…`. */
export function isUpstreamId(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(value);
}

export function readUpstreamId(answer: unknown): string | undefined {
  const id = isRecord(answer) ? answer['job_id'] : undefined;
  return isUpstreamId(id) ? id : undefined;
}

/** Reads the answer 200 to a synchronous call. A Reducto that queues such calls answers with the id alone. */
export function readCallAnswer({ body, bytes, result, isTooLarge }: AnswerBody): CallAnswer {
  const upstreamId = readUpstreamId(body);
  if (upstreamId !== undefined && bytes !== undefined) {
    return result === undefined
      ? { kind: 'accepted', upstreamId }
      : { kind: 'completed', upstreamId, result: bytes };
  }
  const message =
    isTooLarge === true ? TOO_LARGE : 'Reducto’s answer to the call is no valid result';
  return { kind: 'unknown', error: { message } };
}

/** Reads the answer 200 to a poll of job `upstreamId`. */
export function readPollAnswer(answer: AnswerBody, upstreamId: string): PollAnswer {
  const { body } = answer;
  const rawConfig = isRecord(body) ? body['raw_config'] : undefined;
  return { ...readJob(answer, upstreamId), rawConfig: shown(rawConfig) };
}

const TOO_LARGE = `Reducto’s answer about the job has more than ${MAX_ANSWER_BYTES / 1024 / 1024} MiB, the limit for a result within an answer. Submit the job with \`settings.force_url_result\`: the limit is then RESULT_MAX_BYTES`;

function readJob({ body: answer, result, isTooLarge }: AnswerBody, upstreamId: string): JobAnswer {
  if (isTooLarge === true) {
    const error = { status: 200, message: TOO_LARGE };
    return { kind: 'unusable', error, aboutJob: isAboutJob(answer, upstreamId) };
  }
  if (typeof answer === 'string' && answer.trimStart().startsWith('<')) {
    return {
      kind: 'unavailable',
      error: { status: 200, message: 'Reducto’s answer is an HTML page' },
    };
  }
  if (!isRecord(answer) || typeof answer['status'] !== 'string') {
    const error = { status: 200, message: 'Reducto’s answer about the job is no valid job' };
    return { kind: 'unusable', error, aboutJob: isAboutJob(answer, upstreamId) };
  }
  switch (answer['status']) {
    case 'Completed':
      return {
        kind: 'completed',
        result: result === undefined || result.equals(NULL) ? null : result,
      };
    case 'Failed': {
      const error = readJobFailure(answer['reason'], answer['error']);
      return error.name === 'JOB_CANCELLED' ? { kind: 'cancelled' } : { kind: 'failed', error };
    }
    case 'Cancelled':
      return { kind: 'cancelled' };
    default:
      // Pending, Idle, InProgress, Completing, and unknown statuses count as open.
      return { kind: 'open', progress: readProgress(answer['progress']) };
  }
}

const NULL = Buffer.from('null');

const STATUS = /"status"\s*:\s*"(Pending|Idle|InProgress|Completing|Completed|Failed|Cancelled)"/;

/** A proxy may echo the path, but not a job status of Reducto. */
function isAboutJob(answer: unknown, upstreamId: string): boolean {
  return typeof answer === 'string'
    ? STATUS.test(answer)
    : isRecord(answer) && answer['job_id'] === upstreamId;
}

const RUNNING = ['Pending', 'Idle', 'InProgress', 'Completing'];

/** Whether a listed status is known to mean "not finished". An unknown status needs a poll. */
export function isRunning(status: string | undefined): boolean {
  return status !== undefined && RUNNING.includes(status);
}

/** A cursor goes into the URL of the next page. */
const MAX_CURSOR = 2000;

export function readList(answer: unknown): ListAnswer {
  if (!isRecord(answer) || !Array.isArray(answer['jobs'])) {
    return { kind: 'unavailable', error: { message: 'Reducto’s answer is no list of jobs' } };
  }
  const next = answer['next_cursor'] ?? '';
  if (typeof next !== 'string' || next.length > MAX_CURSOR) {
    return { kind: 'unavailable', error: { message: 'Reducto’s cursor does not fit into a URL' } };
  }
  return {
    kind: 'page',
    jobs: answer['jobs'].map(readListedJob),
    nextCursor: next === '' ? null : next,
  };
}

function readListedJob(item: unknown): ListedJob {
  const entry = isRecord(item) ? item : {};
  return {
    upstreamId: isUpstreamId(entry['job_id']) ? entry['job_id'] : null,
    status: typeof entry['status'] === 'string' ? entry['status'] : '',
    type: typeof entry['type'] === 'string' ? entry['type'] : null,
    createdAt: readMoment(entry['created_at']),
    rawConfig: shown(entry['raw_config']),
  };
}

const MOMENT =
  /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?) ?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$/i;
/** Earlier than any job of Reducto: a default value, not a date. */
const FIRST_MOMENT = Date.UTC(2020);

/** A date with a time, in UTC unless it names a zone; `null` if it is none. */
function readMoment(value: unknown): Date | null {
  const match = typeof value === 'string' ? MOMENT.exec(value) : null;
  const [, date, time, zone = 'Z'] = match ?? [];
  const [, hours, minutes = '00'] = /^([+-]\d{2}):?(\d{2})?$/.exec(zone) ?? [];
  const moment = new Date(`${date}T${time}${hours === undefined ? 'Z' : `${hours}:${minutes}`}`);
  return moment.getTime() >= FIRST_MOMENT ? moment : null;
}

/** A deployment that hides requests may return an empty text. */
function shown(rawConfig: unknown): string | null {
  return typeof rawConfig === 'string' && rawConfig !== '' ? rawConfig : null;
}

/** A part from 0 to 1; `null` if it is none. */
function readProgress(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 && value <= 1 ? value : null;
}
