import { expect, it } from 'vitest';
import { isDelivered, judgeEvents, type EventEvidence } from './event-verdict.js';
import { planJobs } from './job-mix.js';
import { newRecord, type JobRecord } from './job-record.js';
import type { Endpoint, ListedEvent, Receipt } from './receivers.js';

/* Each promise about events is broken once. */

const JOB = '01a2086a-0000-7000-8000-000000000001';
const EVENT = '01a2086a-0000-7000-8000-000000000002';

function record(): JobRecord {
  const [planned] = planJobs(1, 1, 0);
  if (planned === undefined) throw new Error('nothing was planned');
  const end = { status: 'completed', errorCode: undefined, settledBy: 'webhook', text: '' };
  const times = { createdAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:10.000Z' };
  const last = { ...end, ...times };
  return { ...newRecord({ ...planned, service: 'invoices' }), ids: [JOB], first: last, last };
}

const endpoint: Endpoint = { service: 'invoices' };
const receipt = (changes: Partial<Receipt> = {}): Receipt => ({
  endpoint,
  eventId: EVENT,
  jobId: JOB,
  type: 'job.completed',
  isAccepted: true,
  ...changes,
});
const listed: ListedEvent = { service: 'invoices', id: EVENT, type: 'job.completed', jobId: JOB };

function evidence(changes: Partial<EventEvidence> = {}): EventEvidence {
  return {
    records: [record()],
    endpoints: [endpoint],
    receipts: [receipt()],
    listed: [listed],
    ...changes,
  };
}

const broken = (changes: Partial<EventEvidence>): string[] =>
  judgeEvents(evidence(changes)).map(({ promise }) => promise);

it('finds nothing wrong with an event that failed once and was then accepted', () => {
  expect(broken({ receipts: [receipt({ isAccepted: false }), receipt()] })).toEqual([]);
});

it('finds an end without an event', () => {
  expect(broken({ listed: [] })).toEqual(['event']);
});

it('finds an end with two events', () => {
  expect(broken({ listed: [listed, { ...listed, id: JOB }] })).toEqual(['event']);
});

it('finds an event of another type than the end', () => {
  expect(broken({ receipts: [receipt({ type: 'job.failed' })] })).toEqual(['event']);
});

it('finds an event that its endpoint never accepted', () => {
  const receipts = [receipt({ isAccepted: false })];
  expect(broken({ receipts })).toEqual(['undelivered']);
  expect(isDelivered(evidence({ receipts }))).toBe(false);
});

it('finds an event at an endpoint of another service', () => {
  const other = receipt({ endpoint: { service: 'contracts' } });
  expect(broken({ receipts: [receipt(), other] })).toEqual(['leaked']);
});

it('finds an event of a job that no service knows', () => {
  expect(broken({ receipts: [receipt(), receipt({ jobId: EVENT })] })).toEqual(['leaked']);
});
