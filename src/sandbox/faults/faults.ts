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
 * The switches of one job, from the request (`sim`, `async.metadata.sim`, or `webhook.metadata.sim`)
 * or from a rule of `POST /control/faults`. Without switches, a job behaves as the fact sheet
 * describes.
 */
const submitFaults = group('the response to the submit request', {
  fault: oneOf(
    'createdBut*: the sandbox creates the job and loses the response; `slow` and `duplicate` also create a job, the others do not',
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
  status: count('HTTP status of fault `status`; no job is created'),
  retryAfterSeconds: count('Retry-After of a 429 or 503; a 429 has none by default, a 503 has 300'),
  delayMs: count('delay of the response with `slow`'),
  times: count(
    'number of submits of the same body that fail; default all; with 1, a retry succeeds',
  ),
});

const webhookFaults = group('the callback', {
  send: oneOf(
    'when the callback is sent: `early` while GET /job still shows Pending, `beforeResponse` before the response to the submit, `afterExpiry` after the result has expired',
    'normal',
    'never',
    'early',
    'beforeResponse',
    'afterExpiry',
  ),
  copies: count('number of identical messages sent concurrently; default 1'),
  sequence: texts(
    'statuses to send, one message each, in this order; for example Failed, then Completed',
  ),
  status: text('status to send instead of the actual one: Cancelled, or an unknown value'),
  jobId: text('job id to send instead of the actual one'),
  metadata: oneOf(
    'the metadata to send; `wrong` names another job, with an invalid token; `huge` adds 1 MB',
    'echo',
    'absent',
    'null',
    'empty',
    'wrong',
    'huge',
  ),
  metadataValue: anything('metadata to send instead of the submitted one'),
  extra: object('additional fields of the body'),
  reencode: flag(
    'send the signed JSON with different whitespace, so that the signature does not match',
  ),
  signature: oneOf(
    'Svix mode only: the signature, or a timestamp outside the tolerance',
    'good',
    'none',
    'bad',
    'otherSecret',
    'stale',
    'future',
  ),
});

const pollFaults = group('the response to GET /job/{id}', {
  notFoundMs: count('time after the submit during which the response is 404'),
  pendingReads: count('number of reads after the end that still show Pending'),
  status: text('status to show instead of the actual one: Idle, or an unknown value'),
  resultNull: flag('Completed with `result: null`'),
  fault: oneOf(
    'an error or a broken response',
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
  httpStatus: count('HTTP status of fault `http` or `htmlHttp`; default 503'),
  delayMs: count('delay of the response with `slow`'),
  times: count('number of reads that fail; default all'),
});

const linkFault = {
  fault: oneOf(
    'an error or a broken download',
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
  delayMs: count('delay before the first byte with `slow`'),
  times: count('number of downloads that fail; default all'),
};
const resultUrlFaults = group('the response to a link of a URL result', linkFault);
const fileFaults = group('the response to the links of images, charts, and documents', {
  ...linkFault,
  bytes: count('size to which each file is padded, in bytes'),
});

export const jobSwitches = group('one job', {
  queueMs: count('time in Pending'),
  idleMs: count('time in Idle, before Pending'),
  runMs: count('time in InProgress'),
  completingMs: count('time in Completing'),
  webhookDelayMs: count('time between the end of the job and the first webhook attempt'),
  stuck: oneOf(
    'the job stays in this state until a control request ends it',
    'Pending',
    'Idle',
    'InProgress',
    'Completing',
  ),
  outcome: oneOf('outcome of the job', 'completed', 'failed'),
  reason: textOrNull('`reason` of a failed job; null: none'),
  error: object('`error` of a failed job: {name, code, message}'),
  forceUrlResult: flag('same as settings.force_url_result'),
  resultBytes: count(
    'size to which the result is padded, in bytes; above the inline limit it is served by URL',
  ),
  resultForm: oneOf(
    'shape of the document at the result URL; both are documented',
    'object',
    'array',
  ),
  numPages: signedCount('page count to report'),
  allLinks: flag('a parse has a link everywhere where results can have one'),
  pictures: count('number of sample pictures of a parse; default 1 if an option needs one, else 0'),
  linkSeconds: count('lifetime of the links in the result'),
  chart: flag('the job becomes a chart job, which no route makes'),
  pipelineLists: flag('a pipeline result has lists of parses and of extracts per section'),
  submit: submitFaults,
  webhook: webhookFaults,
  poll: pollFaults,
  resultUrl: resultUrlFaults,
  files: fileFaults,
});

export type JobSwitches = Setting<typeof jobSwitches>;
export type SubmitFaults = Setting<typeof submitFaults>;
export type WebhookFaults = Setting<typeof webhookFaults>;
export type PollFaults = Setting<typeof pollFaults>;
export type FileFaults = Setting<typeof fileFaults>;

/** Switches of `second` override those of `first`; groups are merged by member. */
export function mergeSwitches(first: JobSwitches, second: JobSwitches): JobSwitches {
  return {
    ...first,
    ...second,
    submit: { ...first.submit, ...second.submit },
    webhook: { ...first.webhook, ...second.webhook },
    poll: { ...first.poll, ...second.poll },
    resultUrl: { ...first.resultUrl, ...second.resultUrl },
    files: { ...first.files, ...second.files },
  };
}
