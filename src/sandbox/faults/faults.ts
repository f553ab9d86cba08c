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
  texts,
} from './switches.js';

/**
 * Every switch that bends one job. They come from the request (`sim`, `async.metadata.sim` or
 * `webhook.metadata.sim`) or from a rule of `POST /control/faults`. All are optional; without any, a
 * job behaves as the fact sheet says the real platform does.
 */
const submitFaults = group('how the submit request is answered', {
  fault: oneOf(
    'createdBut*: the job exists, the answer is lost; the others create nothing, but for `slow` and `duplicate`',
    'createdButTimeout',
    'createdButReset',
    'createdBut502',
    '429code1000',
    '429code2000',
    '429bare',
    '503retryAfter',
    '401',
    '403html',
    'status',
    'slow',
    'duplicate',
  ),
  status: count('the status that fault `status` answers; nothing is created'),
  retryAfterSeconds: count('Retry-After of a 429 or 503; a 429 has none by default, a 503 has 300'),
  delayMs: count('how long `slow` waits before it answers'),
  times: count('how many submits of the same body are hit; default all, so 1 lets a retry through'),
});

const webhookFaults = group('what is sent as the callback', {
  send: oneOf(
    'when: `early` is while the job still says Pending, `beforeResponse` before the submit is answered, `afterExpiry` once the result is gone',
    'normal',
    'never',
    'early',
    'beforeResponse',
    'afterExpiry',
  ),
  copies: count('how many identical messages start at once; default 1'),
  sequence: texts(
    'send one message per status, in this order: failed then completed, out of order',
  ),
  status: text('the status to claim instead of the true one: Cancelled, or an unknown one'),
  jobId: text('the job id to claim instead of the true one'),
  metadata: oneOf(
    'what becomes of the metadata; `wrong` is a plausible stranger, `huge` adds 1 MB',
    'echo',
    'absent',
    'null',
    'empty',
    'wrong',
    'huge',
  ),
  metadataValue: anything('the metadata to send, whatever was submitted'),
  extra: object('further fields of the body'),
  reencode: flag('send other bytes than were signed: same JSON, other spacing'),
  signature: oneOf(
    'Svix mode only: a forged or badly timed signature',
    'good',
    'none',
    'bad',
    'otherSecret',
    'stale',
    'future',
  ),
});

const pollFaults = group('how GET /job/{id} is answered', {
  notFoundMs: count('404 for so long after the submit'),
  pendingReads: count('so many reads still say Pending after the job has ended'),
  status: text('the status to show, whatever is true: Idle, or an unknown one'),
  resultNull: flag('Completed with `result: null`'),
  fault: oneOf(
    'a broken answer',
    'http',
    'htmlHttp',
    'truncated',
    'reset',
    'hang',
    'slow',
    'code1000',
    'code2000',
    'bare429',
  ),
  httpStatus: count('the status of fault `http` or `htmlHttp`; default 503'),
  delayMs: count('how long `slow` waits'),
  times: count('how many reads `fault` hits; default all'),
});

const resultUrlFaults = group('how the result host answers a result link', {
  fault: oneOf(
    'a broken download',
    'expired',
    'forbidden',
    'notFound',
    'error',
    'redirect',
    'wrongContentType',
    'truncated',
    'notJson',
    'slow',
  ),
  ttlMs: count('life of the link'),
  delayMs: count('how long `slow` waits before the first byte'),
  times: count('how many downloads are hit; default all'),
});

export const jobSwitches = group('one job', {
  queueMs: count('time in Pending'),
  idleMs: count('time in Idle, before Pending'),
  runMs: count('time in InProgress'),
  completingMs: count('time in Completing'),
  webhookDelayMs: count('time between the end and the first webhook try'),
  stuck: oneOf('never leaves this state by itself', 'Pending', 'Idle', 'InProgress', 'Completing'),
  outcome: oneOf('how the job ends', 'completed', 'failed'),
  reason: textOrNull('the reason of a failed job; null: none is given'),
  error: object('the error object of a failed job: {name, code, message}'),
  forceUrlResult: flag('as settings.force_url_result'),
  resultBytes: count('pad the result to so many bytes; above the inline limit it goes by URL'),
  resultForm: oneOf('what the result URL holds; both have been documented', 'object', 'array'),
  numPages: signedCount('the page count to claim'),
  submit: submitFaults,
  webhook: webhookFaults,
  poll: pollFaults,
  resultUrl: resultUrlFaults,
});

export type JobSwitches = Setting<typeof jobSwitches>;
export type SubmitFaults = Setting<typeof submitFaults>;
export type WebhookFaults = Setting<typeof webhookFaults>;
export type PollFaults = Setting<typeof pollFaults>;
export type ResultUrlFaults = Setting<typeof resultUrlFaults>;

/** Later switches win; groups are merged member by member. */
export function mergeSwitches(first: JobSwitches, second: JobSwitches): JobSwitches {
  return {
    ...first,
    ...second,
    submit: { ...first.submit, ...second.submit },
    webhook: { ...first.webhook, ...second.webhook },
    poll: { ...first.poll, ...second.poll },
    resultUrl: { ...first.resultUrl, ...second.resultUrl },
  };
}
