import { describe, expect, test } from 'vitest';
import type { PollAnswer } from '../../src/reducto/answers.js';
import { readAnswerBody } from '../../src/reducto/answer-body.js';
import {
  isUpstreamId,
  readList,
  readPollAnswer,
  readUpstreamId,
} from '../../src/reducto/read-answers.js';

/** What an answer of these bytes means. */
const polled = (body: unknown): PollAnswer => readPollAnswer({ body }, 'job_1');

describe('upstream ids', () => {
  test.each(['a', '0', 'job_1-x', '9b2f0a51-0000-4000-8000-000000000000', 'x'.repeat(128)])(
    '%s is one',
    (id) => {
      expect(isUpstreamId(id)).toBe(true);
      expect(readUpstreamId({ job_id: id })).toBe(id);
    },
  );

  test.each([
    '',
    '.',
    '..',
    'a/b',
    '../x',
    'a\\b',
    'a?b',
    'a#b',
    'a%2f',
    'a b',
    'a\n',
    '\na',
    '-a',
    '_a',
    'é',
    'x'.repeat(129),
  ])('%j is none', (id) => {
    expect(isUpstreamId(id)).toBe(false);
    expect(readUpstreamId({ job_id: id })).toBeUndefined();
  });

  test.each([undefined, null, 'id', [], {}, { job_id: null }, { job_id: 7 }, { id: 'a' }])(
    'there is none in %j',
    (answer) => {
      expect(readUpstreamId(answer)).toBeUndefined();
    },
  );
});

describe('a poll', () => {
  test.each([
    undefined,
    null,
    '',
    7,
    [],
    {},
    { status: null },
    { status: 3 },
    { status: ['Completed'] },
    { message: 'Sign in' },
    { job_id: 'another' },
    'upstream connect error',
    '{"status": "ok", "detail": NaN}',
    '{"status":"Comp',
  ])('%j is unusable, and any server might have said it', (answer) => {
    expect(polled(answer)).toMatchObject({ kind: 'unusable', aboutJob: false, rawConfig: null });
  });

  test.each([
    '{"status":"Completed","result":{"confidence":NaN}}',
    '{"job_id":"job_1","status": "Completed","resu',
    '{"status":"Failed"}{}',
    { job_id: 'job_1' },
  ])('%j is unusable, and about this job', (answer) => {
    expect(polled(answer)).toMatchObject({ kind: 'unusable', aboutJob: true });
  });

  test.each(['<html>', '\n<!DOCTYPE html>'])(
    'reads %j as unavailable: a page of a proxy',
    (answer) => {
      expect(polled(answer)).toMatchObject({ kind: 'unavailable', rawConfig: null });
    },
  );

  test.each([
    'Pending',
    'Idle',
    'InProgress',
    'Completing',
    'completed',
    'FAILED',
    'Paused',
    '',
    'toString',
  ])('status "%s" is open', (status) => {
    expect(polled({ status, result: {}, reason: 'x' })).toEqual({
      kind: 'open',
      progress: null,
      rawConfig: null,
    });
  });

  test.each([
    [0.5, 0.5],
    [0, 0],
    [1, 1],
    [undefined, null],
    [1.5, null],
    [45, null],
    [-0.1, null],
    ['0.5', null],
    [null, null],
    [Number.NaN, null],
    [Infinity, null],
  ])('progress %j is read as %j', (progress, expected) => {
    expect(polled({ status: 'Pending', progress })).toMatchObject({ progress: expected });
  });

  const ENHANCED = {
    type: 'Classify',
    num_pages: 3,
    total_pages: 9,
    source: { file: 'a.pdf' },
    duration: 1.5,
    created_at: '2026-09-06T05:17:35.492581',
    raw_config: '{"input":"https://x"}',
    bucket: 'b',
  };
  const NULLS = Object.fromEntries(Object.keys(ENHANCED).map((name) => [name, null]));

  test.each([
    ['with every field of an enhanced job', ENHANCED],
    ['with null in every field of an enhanced job', NULLS],
    ['without a field of an enhanced job', {}],
    ['of type Chart', { ...ENHANCED, type: 'Chart' }],
    ['with fields of other types', { ...ENHANCED, type: 7, duration: 'long', created_at: {} }],
  ])('an answer %s means the same', (_, fields) => {
    const common = { progress: null, reason: null, error: null, ...fields };
    const error = { code: 400, name: 'INVALID_CONFIG', message: 'No document', job_id: null };
    expect(polled({ ...common, status: 'Idle' })).toMatchObject({ kind: 'open', progress: null });
    expect(polled({ ...common, status: 'Completed', result: null })).toMatchObject({
      kind: 'completed',
    });
    expect(polled({ ...common, status: 'Failed', error })).toMatchObject({
      kind: 'failed',
      error: { name: 'INVALID_CONFIG', message: 'No document' },
    });
    expect(polled({ ...common, status: 'Cancelled' })).toMatchObject({ kind: 'cancelled' });
  });

  test('a completed job without a result has null, so that it is not stored as one', () => {
    expect(polled({ status: 'Completed' })).toMatchObject({ kind: 'completed', result: null });
    expect(polled({ status: 'Completed', result: null })).toMatchObject({ result: null });
  });

  test('a completed job has its result as it is written', async () => {
    const result = '{ "b":1.10,"a":1e400,"__proto__":9007199254740993,"a":"\\u0041" }';
    const text = `{"result":0,"status":"Completed", "result" : ${result} ,"x":"result"}`;
    const answer = readPollAnswer(await readAnswerBody([Buffer.from(text)]), 'job_1');
    expect(answer).toMatchObject({ kind: 'completed', result: Buffer.from(result) });
  });

  test('a failed job has a reason; one that was cancelled is cancelled', () => {
    expect(polled({ status: 'Failed', reason: 'bad', error: { name: 'X' } })).toMatchObject({
      kind: 'failed',
      error: { name: 'X', message: 'bad' },
    });
    expect(polled({ status: 'Failed' })).toMatchObject({ kind: 'failed' });
    expect(polled({ status: 'Failed', error: { name: 'JOB_CANCELLED' } })).toMatchObject({
      kind: 'cancelled',
    });
    expect(polled({ status: 'Cancelled' })).toMatchObject({ kind: 'cancelled' });
  });

  test('the request comes along where it is text', () => {
    expect(polled({ status: 'Pending', raw_config: '{}' }).rawConfig).toBe('{}');
    expect(polled({ status: 'Pending', raw_config: {} }).rawConfig).toBeNull();
  });
});

describe('a listing', () => {
  test.each([undefined, null, 'x', [], {}, { jobs: null }, { jobs: {} }])(
    'reads %j as unavailable',
    (answer) => {
      expect(readList(answer)).toMatchObject({ kind: 'unavailable' });
    },
  );

  test('reads an entry without a usable id, date, or request as one without them', () => {
    const jobs = [
      {
        job_id: 'a',
        status: 'Pending',
        type: 'Chart',
        created_at: '2026-01-02T03:04:05Z',
        raw_config: 'r',
      },
      { job_id: 'b', status: 7, type: 7, created_at: 'yesterday-ish', raw_config: {} },
      { job_id: '../a', raw_config: 'r' },
      'x',
    ];
    const nothing = { status: '', type: null, createdAt: null, rawConfig: null };
    expect(readList({ jobs, next_cursor: 'n' })).toEqual({
      kind: 'page',
      nextCursor: 'n',
      jobs: [
        {
          upstreamId: 'a',
          status: 'Pending',
          type: 'Chart',
          createdAt: new Date('2026-01-02T03:04:05Z'),
          rawConfig: 'r',
        },
        { ...nothing, upstreamId: 'b' },
        { ...nothing, upstreamId: null, rawConfig: 'r' },
        { ...nothing, upstreamId: null },
      ],
    });
  });

  const createdAt = (created_at: unknown): string | undefined => {
    const list = readList({ jobs: [{ job_id: 'a', created_at }] });
    return list.kind === 'page' ? list.jobs[0]?.createdAt?.toISOString() : undefined;
  };

  test.each([
    ['2026-01-02T03:04:05', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.123456', '2026-01-02T03:04:05.123Z'],
    ['2026-01-02 03:04:05.12', '2026-01-02T03:04:05.120Z'],
  ])('a date without a zone is in UTC: %s', (text, moment) => {
    expect(createdAt(text)).toBe(moment);
  });

  test.each([
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.123456+02:00', '2026-01-02T01:04:05.123Z'],
    ['2026-01-02T03:04:05-0530', '2026-01-02T08:34:05.000Z'],
    ['2026-01-02 03:04:05+02', '2026-01-02T01:04:05.000Z'],
    ['2026-01-02 03:04:05 UTC', '2026-01-02T03:04:05.000Z'],
  ])('a date with a zone obeys it: %s', (text, moment) => {
    expect(createdAt(text)).toBe(moment);
  });

  test.each([
    undefined,
    null,
    '',
    1767322800,
    '1767322800',
    '2026-01-02',
    '2026-13-02T03:04:05Z',
    '2026-01-02T25:04:05',
    '0001-01-01T00:00:00',
    '1970-01-01T00:00:00Z',
    'Tuesday',
  ])('%j is no date', (text) => {
    expect(createdAt(text)).toBeUndefined();
  });

  test.each([undefined, null, ''])('next_cursor %j is the end', (next_cursor) => {
    expect(readList({ jobs: [], next_cursor })).toMatchObject({ nextCursor: null });
  });

  test.each([7, {}, false])('next_cursor %j is not the end', (next_cursor) => {
    expect(readList({ jobs: [], next_cursor })).toMatchObject({ kind: 'unavailable' });
  });
});
