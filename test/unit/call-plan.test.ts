import { expect, it } from 'vitest';
import { planCalls } from '../../src/jobs/calls/call-plan.js';
import type { KnownCall } from '../../src/jobs/calls/job-calls.store.js';

const HASH = Buffer.alloc(32, 1);
const NOW = 10_000;

const bits = (...retries: readonly number[]): number =>
  retries.reduce((mask, n) => mask | (1 << n), 0);

/** How all calls of a test arrive. */
interface Arrival {
  readonly secondsAgo?: number;
  readonly isAbandoned?: boolean;
  /** Without new jobs. */
  readonly joinsOnly?: boolean;
}

/** Calls by their retry counts, each with a new job `new 1`, `new 2`, … */
function jobsOf(
  retries: readonly number[],
  known: readonly Partial<KnownCall>[] = [],
  { secondsAgo = 0.01, isAbandoned = false, joinsOnly = false }: Arrival = {},
): (string | undefined)[] {
  const calls = retries.map((count, n) => ({
    hash: HASH,
    retries: count,
    arrivedAt: NOW - secondsAgo * 1000,
    isAbandoned: () => isAbandoned,
    newJobId: joinsOnly ? null : `new ${n + 1}`,
  }));
  const stored = known.map((one) => ({
    jobId: 'known',
    hash: HASH.toString('hex'),
    seen: bits(0),
    seenAt: NOW - 60_000,
    ...one,
  }));
  return planCalls(calls, stored).map((planned) => planned?.jobId);
}

it('gives two first requests two jobs', () => {
  expect(jobsOf([0, 0])).toEqual(['new 1', 'new 2']);
});

it('lets a retry join its first request', () => {
  expect(jobsOf([1], [{}])).toEqual(['known']);
});

it('lets all retries of a client join one job', () => {
  expect(jobsOf([0, 1, 2, 3])).toEqual(['new 1', 'new 1', 'new 1', 'new 1']);
});

it('lets the retries of two clients join two jobs', () => {
  expect(jobsOf([0, 0, 1, 1, 2, 2])).toEqual([
    'new 1',
    'new 2',
    'new 1',
    'new 2',
    'new 1',
    'new 2',
  ]);
});

it('makes a job for a retry whose first request never arrived, and lets the next retry join it', () => {
  expect(jobsOf([1, 2])).toEqual(['new 1', 'new 1']);
});

it('makes a job for a retry if another client’s retry has joined each equal job', () => {
  expect(jobsOf([1], [{ seen: bits(0, 1) }])).toEqual(['new 1']);
});

it('lets a first request join the job that its own retry made while it was under way', () => {
  const own = { seen: bits(1), seenAt: NOW - 2000 };
  expect(jobsOf([0], [own], { secondsAgo: 3 })).toEqual(['known']);
});

it('lets a first request whose client has gone join the job of a retry, however late', () => {
  const own = { seen: bits(1), seenAt: NOW - 3_600_000 };
  expect(jobsOf([0], [own], { isAbandoned: true })).toEqual(['known']);
});

it('gives a first request whose client has gone a job of its own if each equal job has its first request', () => {
  expect(jobsOf([0], [{ seen: bits(0, 1) }], { isAbandoned: true })).toEqual(['new 1']);
});

it('lets only one of two first requests whose clients have gone join the job of a retry', () => {
  const own = { seen: bits(1), seenAt: NOW - 3_600_000 };
  expect(jobsOf([0, 0], [own], { isAbandoned: true })).toEqual(['known', 'new 2']);
});

it('gives a call that only joins no job if there is none', () => {
  expect(jobsOf([1, 2], [], { joinsOnly: true })).toEqual([undefined, undefined]);
});

it('lets a call that only joins join a known job', () => {
  expect(jobsOf([1], [{}], { joinsOnly: true })).toEqual(['known']);
});

it('gives a first request a job of its own if it began after a retry could be answered', () => {
  const earlier = { seen: bits(1), seenAt: NOW - 3001 };
  expect(jobsOf([0], [earlier], { secondsAgo: 3 })).toEqual(['new 1']);
});

it('lets only one first request join the job of a retry', () => {
  const own = { seen: bits(1), seenAt: NOW - 2000 };
  expect(jobsOf([0, 0], [own], { secondsAgo: 3 })).toEqual(['known', 'new 2']);
});

it('keeps calls of different hashes apart', () => {
  const other = { hash: 'ab' };
  expect(jobsOf([1], [other])).toEqual(['new 1']);
});

it('lets a retry join the job of a later retry that has overtaken it', () => {
  const overtaker = { seen: bits(2), seenAt: NOW - 2000 };
  expect(jobsOf([1, 0], [overtaker], { secondsAgo: 3 })).toEqual(['known', 'known']);
});

it('lets all retries after the thirtieth join one job', () => {
  expect(jobsOf([30, 31, 500])).toEqual(['new 1', 'new 1', 'new 1']);
});
