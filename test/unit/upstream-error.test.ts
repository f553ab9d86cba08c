import { describe, expect, test } from 'vitest';
import { neverPrint } from '../../src/platform/logging/redaction.js';
import { UPSTREAM_ERROR_NAMES } from '../../src/reducto/errors/upstream-error-names.js';
import {
  mayHelpToRetry,
  readJobFailure,
  readUpstreamError,
} from '../../src/reducto/upstream-error.js';

const TOKEN = `v2.${'aB3_-'.repeat(8)}xyz`;

describe('the five shapes of an error body', () => {
  test('reads a list in detail without the echoed input', () => {
    const detail = [
      {
        loc: ['body', 'async', 'webhook', 0],
        msg: 'Field required',
        type: 'missing',
        input: { token: TOKEN },
      },
      { loc: ['body'], msg: 'Bad body', ctx: { error: TOKEN } },
      { msg: 7 },
      'odd',
    ];
    const error = readUpstreamError(422, { detail });
    expect(error.status).toBe(422);
    expect(error.message).toBe('async.webhook.0: Field required; Bad body; not valid; not valid');
  });

  test('reads an error with message, type, and code', () => {
    const body = {
      error: { message: 'Cannot download', type: 'file_download_failure', code: 400 },
    };
    expect(readUpstreamError(400, body)).toEqual({
      status: 400,
      name: 'file_download_failure',
      message: 'Cannot download',
    });
  });

  test('prefers the name of an error to its type', () => {
    const body = {
      error: { name: 'TIMEOUT', type: 'x', code: 7, message: 'Too slow', job_id: 'j' },
    };
    expect(readUpstreamError(500, body)).toEqual({
      status: 500,
      name: 'TIMEOUT',
      message: 'Too slow',
    });
  });

  test('reads a body with only a message', () => {
    expect(readUpstreamError(429, { message: '[CODE 7] slow down' })).toEqual({
      status: 429,
      message: '[CODE 7] slow down',
    });
  });

  test('reads a text in detail, plain text, and an HTML page', () => {
    expect(readUpstreamError(404, { detail: 'Not Found' }).message).toBe('Not Found');
    expect(readUpstreamError(502, 'upstream connect error').message).toBe('upstream connect error');
    expect(readUpstreamError(503, '\n<html><head><title>503 Busy</title></head>').message).toBe(
      '503 Busy',
    );
    expect(readUpstreamError(403, '<html><body>secret</body></html>').message).toBe(
      'an HTML page instead of an answer',
    );
  });

  test('reads an error that is a text', () => {
    expect(readUpstreamError(401, { error: 'bad key' }).message).toBe('bad key');
  });
});

test.each([
  undefined,
  null,
  7,
  '',
  '  ',
  [],
  {},
  { detail: [] },
  { detail: {} },
  { error: {} },
  { error: { message: 7, name: [] } },
  { message: ' ' },
])('says the status where the body %j says nothing', (body) => {
  const error = readUpstreamError(500, body);
  expect(error.message).toBe('Reducto answered 500');
  expect(error).not.toHaveProperty('name');
});

test('says that Reducto answered nothing if there is no status', () => {
  expect(readUpstreamError(undefined, undefined)).toEqual({ message: 'Reducto answered nothing' });
});

describe('redaction of upstream errors', () => {
  test('redacts tokens and keys in every shape of body', () => {
    neverPrint('sk-reducto-0123456789');
    const echo = `got ${TOKEN}, Bearer sk-other-abcdef, sk-reducto-0123456789 at https://x/y?sig=abc`;
    const bodies = [
      echo,
      { message: echo },
      { detail: echo },
      { error: { message: echo } },
      { detail: [{ msg: echo }] },
    ];
    for (const body of bodies) {
      const { message } = readUpstreamError(400, body);
      expect(message).toBe(
        'got [redacted], Bearer [redacted], [redacted] at https://x/y?[redacted]',
      );
    }
  });

  test('redacts a token that the length limit truncates', () => {
    const { message } = readUpstreamError(400, { message: `${'x'.repeat(970)} ${TOKEN}` });
    expect(message).not.toContain('v2.');
  });

  test('replaces line breaks by spaces and control characters by replacement characters', () => {
    const { message } = readUpstreamError(400, {
      message: 'a\r\n{"level":"info"}\u001b[31m\u0000\u0085\u2028b\u009b',
    });
    expect(message).toBe('a {"level":"info"}\ufffd[31m\ufffd b\ufffd');
  });

  test('leaves out a location that is not a path', () => {
    const detail = [{ loc: ['body', { toString: 1 }, 'pages'], msg: 'bad' }];
    expect(readUpstreamError(422, { detail }).message).toBe('pages: bad');
  });

  test.each([
    ['a pair at the limit', `${'x'.repeat(998)}😀${'y'.repeat(50)}`],
    ['a lone high surrogate', 'x\ud83dy'],
    ['a lone low surrogate', 'x\ude00y'],
  ])('the message is well-formed where Reducto sends %s', (_, message) => {
    const error = readUpstreamError(422, { error: { name: message, message } });
    expect(error.message.isWellFormed()).toBe(true);
    expect(error.name?.isWellFormed()).toBe(true);
    const failure = readJobFailure(message, { name: `${'n'.repeat(98)}😀😀` });
    expect(failure.message.isWellFormed()).toBe(true);
    expect(failure.name?.isWellFormed()).toBe(true);
  });

  test('truncates a long message', () => {
    expect(readUpstreamError(400, 'x'.repeat(5000)).message).toHaveLength(1000);
  });

  test('sanitizes and truncates the name of an error', () => {
    const { name } = readUpstreamError(400, {
      error: { name: `N\n\u001b[31m ${TOKEN}`, message: 'x' },
    });
    expect(name).not.toContain(TOKEN);
    expect(name).not.toContain('\n');
    expect(name).not.toContain('\u001b');
    expect(readUpstreamError(400, { error: { type: 'x'.repeat(500) } }).name).toHaveLength(100);
  });
});

describe('the failure of a job', () => {
  test('prefers the reason of a failed job to the message of its error', () => {
    const error = { name: 'INTERNAL_ERROR', message: 'inner' };
    expect(readJobFailure('outer', error)).toEqual({ name: 'INTERNAL_ERROR', message: 'outer' });
    expect(readJobFailure(null, error)).toEqual({ name: 'INTERNAL_ERROR', message: 'inner' });
    expect(readJobFailure(' ', 'text').message).toBe('text');
  });

  test.each([
    [undefined, undefined],
    [null, null],
    [7, 7],
    ['', {}],
    [[], []],
  ])('there is always a message: %j, %j', (reason, error) => {
    expect(readJobFailure(reason, error)).toEqual({ message: 'Reducto gave no reason' });
  });

  test('redacts the reason of a failed job', () => {
    expect(readJobFailure(`metadata ${TOKEN}`, null).message).toBe('metadata [redacted]');
  });
});

const LATER = [
  'TIMEOUT',
  'CAPACITY_TIMEOUT',
  'INTERNAL_ERROR',
  'SERVICE_UNAVAILABLE',
  'GPU_ALLOCATION_ERROR',
  'GPU_POOL_SATURATED',
  'GPU_UNAVAILABLE',
  'BATCH_QUEUE_FULL',
  'QUEUE_FULL',
  'BATCH_ORPHANED',
  'SUBPROCESS_CRASHED',
  'LLM_PROVIDER_ERROR',
  'RATE_LIMIT',
  'JOB_STATE_ERROR',
  'JOB_NOT_COMPLETE',
];
const NEVER = [
  'DOCUMENT_CORRUPT',
  'DOCUMENT_EMPTY',
  'DOCUMENT_UNSUPPORTED',
  'DOCUMENT_TOO_LARGE',
  'DOCUMENT_PASSWORD_PROTECTED',
  'OFFICE_CONVERSION_TOO_LARGE',
  'IMAGE_TOO_LARGE',
  'IMAGE_TOO_SMALL',
  'IMAGE_INVALID_ASPECT_RATIO',
  'CELL_COUNT_EXCEEDED',
  'CUSTOMER_TIMEOUT',
  'FORM_FILL_FAILED',
  'CONTEXT_WINDOW_EXCEEDED',
  'OUTPUT_LIMIT_EXCEEDED',
  'OVERSIZED_RESULT',
  'PROCESSING_FAILED',
  'LLM_OUTPUT_PARSE_FAILED',
  'INFERENCE_METHOD_UNSUPPORTED',
  'INTERNAL_INVARIANT_VIOLATION',
  'INVALID_CONFIG',
  'INVALID_SCHEMA',
  'AUTH_ERROR',
  'NOT_APPLICABLE',
  'REGION_UNAVAILABLE',
  'URL_NOT_ALLOWED',
  'NOT_FOUND',
  'JOB_DELETION_IN_PROGRESS',
  'JOB_DELETED',
  'JOB_CANCELLED',
];

describe('whether the same request may succeed as a new job', () => {
  test.each(LATER)('it may after %s', (name) => {
    expect(mayHelpToRetry({ name, message: '' })).toBe(true);
  });

  test.each(NEVER)('it does not after %s', (name) => {
    expect(mayHelpToRetry({ name, message: '' })).toBe(false);
  });

  test.each(['timeout', 'SOMETHING_NEW', 'toString', ''])('it does not after "%s"', (name) => {
    expect(mayHelpToRetry({ name, message: 'TIMEOUT' })).toBe(false);
  });

  test('it does not without a name', () => {
    expect(mayHelpToRetry({ message: 'TIMEOUT' })).toBe(false);
  });

  test('is decided for all 44 names of Reducto’s API, each with advice', () => {
    expect([...UPSTREAM_ERROR_NAMES.keys()].toSorted()).toEqual([...LATER, ...NEVER].toSorted());
    expect(UPSTREAM_ERROR_NAMES.size).toBe(44);
    for (const { advice } of UPSTREAM_ERROR_NAMES.values()) expect(advice).not.toBe('');
  });
});
