import type { JobSwitches } from '../../src/sandbox/faults/faults.js';
import type { Random } from './random.js';

/** How a job ends: its status, or the code of its error where it has one. */
export type Outcome =
  | 'completed'
  | 'cancelled'
  | 'failed_upstream'
  | 'result_unavailable'
  | 'rejected_upstream'
  | 'source_unusable';

/** One way in which the sandbox treats a job badly. */
export interface JobFault {
  readonly name: string;
  readonly sim: (random: Random) => JobSwitches;
  /** How the job may end, where that is not "completed". */
  readonly outcomes?: readonly Outcome[];
  /** Whether the service has to cancel such a job, or must not; else chance decides. */
  readonly cancel?: 'always' | 'never';
  /** It takes as long as the gateway is patient: only for the first jobs, so that no run ends late. */
  readonly slow?: boolean;
}

const fault = (
  name: string,
  sim: JobSwitches | ((random: Random) => JobSwitches),
  rest: Omit<JobFault, 'name' | 'sim'> = {},
): JobFault => ({ name, sim: typeof sim === 'function' ? sim : () => sim, ...rest });

const REFUSED = { outcomes: ['rejected_upstream'] } as const;
/** Refused once: it is for the gateway to say whether that is the end of the job. */
const REFUSED_ONCE = { outcomes: ['rejected_upstream', 'completed'] } as const;
const FAILS = { outcomes: ['failed_upstream'] } as const;
const NO_RESULT = { outcomes: ['result_unavailable'], slow: true } as const;

const SUBMIT: readonly JobFault[] = [
  ...(['createdButTimeout', 'createdButReset', 'createdBut502'] as const).map((lost) =>
    fault(`submit ${lost}`, { submit: { fault: lost, times: 1 } }),
  ),
  ...(['429code1000', '429code2000', '429bare'] as const).map((busy) =>
    fault(`submit ${busy}`, (random) => ({
      submit: {
        fault: busy,
        times: random.between(1, 2),
        retryAfterSeconds: random.between(0, 1),
      },
    })),
  ),
  fault('submit 503 soon', { submit: { fault: '503retryAfter', times: 1, retryAfterSeconds: 1 } }),
  fault('submit 503 in 300 s', { submit: { fault: '503retryAfter', times: 1 } }),
  fault('submit 401', { submit: { fault: '401', times: 1 } }),
  fault('submit 403 page', { submit: { fault: '403html', times: 1 } }, REFUSED_ONCE),
  fault('submit 422', { submit: { fault: 'status', status: 422 } }, REFUSED),
  fault('submit 500', { submit: { fault: 'status', status: 500, times: 1 } }),
  fault('submit 408', { submit: { fault: 'status', status: 408, times: 1 } }),
  fault('submit slow', (random) => ({
    submit: { fault: 'slow', delayMs: random.between(200, 1_200) },
  })),
  fault('submit too slow', { submit: { fault: 'slow', delayMs: 3_500, times: 1 } }),
  fault('submit duplicate', { submit: { fault: 'duplicate', times: 1 } }),
];

const WEBHOOK: readonly JobFault[] = [
  ...(['never', 'early', 'beforeResponse'] as const).map((send) =>
    fault(`webhook ${send}`, { webhook: { send } }),
  ),
  fault('webhook late', { webhookDelayMs: 4_000 }),
  fault('webhook three times', { webhook: { copies: 3 } }),
  fault('webhook failed, then completed', { webhook: { sequence: ['Failed', 'Completed'] } }),
  fault('webhook completed, then failed', { webhook: { sequence: ['Completed', 'Failed'] } }),
  ...['Failed', 'Completed', 'Cancelled', 'Exploded'].map((status) =>
    fault(`webhook says ${status}`, { webhook: { status } }),
  ),
  fault('webhook of an unknown job', { webhook: { jobId: 'no-such-job' } }),
  ...(['absent', 'null', 'empty', 'wrong', 'huge'] as const).map((metadata) =>
    fault(`webhook metadata ${metadata}`, { webhook: { metadata } }),
  ),
  fault('webhook extra fields', {
    webhook: { extra: { result: { chunks: [] }, reason: 'none', v: 2 } },
  }),
  fault('webhook other bytes', { webhook: { reencode: true } }),
];

const POLL: readonly JobFault[] = [
  fault('poll pending first', (random) => ({ poll: { pendingReads: random.between(1, 3) } })),
  fault('poll 404 first', { poll: { notFoundMs: 1_500 } }),
  fault('poll 404 once', { poll: { fault: 'http', httpStatus: 404, times: 1 } }),
  fault('poll 404 pages', { poll: { fault: 'htmlHttp', httpStatus: 404, times: 3 } }),
  fault('poll 500 burst', { poll: { fault: 'http', httpStatus: 500, times: 3 } }),
  fault('poll 502 pages', { poll: { fault: 'htmlHttp', httpStatus: 502, times: 3 } }),
  ...(['code1000', 'code2000', 'bare429', 'truncated', 'reset'] as const).map((broken) =>
    fault(`poll ${broken}`, (random) => ({ poll: { fault: broken, times: random.between(1, 3) } })),
  ),
  fault('poll hang', { poll: { fault: 'hang', times: 1 } }),
  fault('poll slow', { poll: { fault: 'slow', delayMs: 1_000, times: 2 } }),
];

const RESULT: readonly JobFault[] = [
  fault('result by link', { forceUrlResult: true }),
  fault('result by link, as an array', { forceUrlResult: true, resultForm: 'array' }),
  fault('result of 7 MB', { resultBytes: 7_000_000 }),
  fault('result of 400 kB', { resultBytes: 400_000 }),
  ...(['expired', 'forbidden', 'notFound', 'error', 'truncated', 'notJson'] as const).map(
    (broken) =>
      fault(`result link ${broken}`, {
        forceUrlResult: true,
        resultUrl: { fault: broken, times: 1 },
      }),
  ),
  ...(['redirect', 'wrongContentType'] as const).map((linkFault) =>
    fault(`result link ${linkFault}`, {
      forceUrlResult: true,
      resultUrl: { fault: linkFault, times: 1 },
    }),
  ),
  fault('result link slow', {
    forceUrlResult: true,
    resultUrl: { fault: 'slow', delayMs: 800 },
  }),
  fault('result link too slow', {
    forceUrlResult: true,
    resultUrl: { fault: 'slow', delayMs: 7_000, times: 1 },
  }),
  fault(
    'result link never good',
    { forceUrlResult: true, resultUrl: { fault: 'forbidden' } },
    NO_RESULT,
  ),
];

const END: readonly JobFault[] = [
  fault('fails', { outcome: 'failed', reason: 'The page is blank' }, FAILS),
  fault('fails without a reason', { outcome: 'failed', reason: null }, FAILS),
  fault(
    'fails with a name',
    { outcome: 'failed', error: { name: 'DOCUMENT_CORRUPT', code: 415, message: 'not readable' } },
    FAILS,
  ),
  fault('result never there', { poll: { resultNull: true } }, NO_RESULT),
  fault(
    'completed, result not there yet',
    { queueMs: 2_500, poll: { status: 'Completed' } },
    // Its polls say "completed" whatever is true, so a cancelled one would be one without a result.
    { cancel: 'never' },
  ),
  fault('pending for long', (random) => ({ queueMs: random.between(3_000, 7_000) })),
  fault('idle for long', (random) => ({ idleMs: random.between(3_000, 7_000) })),
  fault(
    'runs until it is cancelled',
    { stuck: 'InProgress' },
    { outcomes: ['cancelled'], cancel: 'always' },
  ),
];

/** One fault at most of each group hits a job: they bend different requests, so they mix freely. */
export const JOB_FAULTS = {
  submit: { share: 0.35, faults: SUBMIT },
  webhook: { share: 0.45, faults: WEBHOOK },
  poll: { share: 0.2, faults: POLL },
  result: { share: 0.25, faults: RESULT },
  end: { share: 0.2, faults: END },
} as const;
