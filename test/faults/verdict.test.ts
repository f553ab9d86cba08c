import { expect, it } from 'vitest';
import type { Evidence } from './case.js';
import type { Injected } from './faults.js';
import type { Outcome } from './job-faults.js';
import { planJobs, type PlannedJob } from './job-mix.js';
import { newRecord, type JobRecord, type ToldEvent, type ReportedJob } from './job-record.js';
import type { UpstreamJob } from './sandbox-control.js';
import { judge } from './verdict.js';

/* Each promise is broken once, so that a verdict without violations means something. */

const ID = '01a2086a-0000-7000-8000-000000000001';

function planned(changes: Partial<PlannedJob> = {}): PlannedJob {
  const [first] = planJobs(1, 1, 0);
  if (first === undefined) throw new Error('nothing was planned');
  const plain = { marker: 'MK000001', faults: [], sim: {}, buildsOn: undefined };
  return { ...first, ...plain, expected: ['completed'], ...changes };
}

function reported(status: string, errorCode?: string): ReportedJob {
  const createdAt = '2026-01-01T00:00:00.000Z';
  const endedAt = status === 'queued' ? undefined : '2026-01-01T00:00:10.000Z';
  const text = JSON.stringify({ status, errorCode, endedAt });
  return { status, errorCode, settledBy: 'webhook', createdAt, endedAt, text };
}

function event(type: string, detail: Record<string, unknown> = {}): ToldEvent {
  return { at: '2026-01-01T00:00:00.000Z', type, detail };
}

function upstream(changes: Partial<UpstreamJob> = {}): UpstreamJob {
  const plain = { id: 'up-1', status: 'Completed', createdAt: 0, token: undefined, raw: {} };
  return { ...plain, gatewayJobId: ID, ...changes };
}

/** A job that was submitted once, completed, and came back with its own result. */
function record(changes: Partial<JobRecord> = {}, plan: Partial<PlannedJob> = {}): JobRecord {
  return {
    ...newRecord(planned(plan)),
    ids: [ID],
    first: reported('completed'),
    last: reported('completed'),
    events: [event('submitted', { upstreamId: 'up-1' }), event('completed')],
    result: { status: 200, text: `{"job_id":"${ID}","text":"MK000001"}` },
    ...changes,
  };
}

/** A job that ended in another way. */
function ended(
  status: string,
  errorCode: Outcome | 'submit_outcome_unknown' | 'unknown_upstream' | undefined,
  changes: Partial<JobRecord> = {},
  plan: Partial<PlannedJob> = {},
): JobRecord {
  const end = reported(status, errorCode);
  const events = [event('submitted', { upstreamId: 'up-1' }), event(status)];
  return record({ first: end, last: end, events, ...changes }, plan);
}

function evidence(changes: Partial<Evidence> = {}): Evidence {
  return { records: [record()], upstream: [upstream()], injected: [], surprises: [], ...changes };
}

function broken(changes: Partial<Evidence>): string[] {
  return judge(evidence(changes)).violations.map(({ promise }) => promise);
}

it('finds nothing wrong with correct ends', () => {
  expect(broken({})).toEqual([]);
  const refused = ended('failed', 'rejected_upstream', {}, { expected: ['rejected_upstream'] });
  expect(broken({ records: [refused], upstream: [] })).toEqual([]);
});

it('finds a lost job: unknown to the gateway, or never submitted', () => {
  expect(broken({ records: [record({ unknownAnswers: 1 })] })).toEqual(['lost']);
  expect(broken({ upstream: [] })).toContain('lost');
});

it('finds an end that changed, and a timeline with two ends or none', () => {
  const changed = record({ first: reported('cancelled') });
  expect(broken({ records: [changed] })).toEqual(['twice']);
  const twoEnds = record({ events: [...record().events, event('failed')] });
  expect(broken({ records: [twoEnds] })).toEqual(['twice']);
  const noEnd = record({ events: [event('submitted', { upstreamId: 'up-1' })] });
  expect(broken({ records: [noEnd] })).toEqual(['twice']);
});

it.each([
  ['of another job', { status: 200, text: '{"job_id":"up-1","text":"MK000002"}' }],
  ['of two jobs', { status: 200, text: '{"job_id":"up-1","text":"MK000001 MK000002"}' }],
  ['of no job', { status: 200, text: '{"job_id":"up-1"}' }],
  [
    'that names Reducto’s id of the job',
    { status: 200, text: '{"job_id":"up-1","text":"MK000001"}' },
  ],
  ['of another upstream job', { status: 200, text: '{"job_id":"up-2","text":"MK000001"}' }],
  ['that is not there', { status: 404, text: '{}' }],
])('finds a wrong result: %s', (_, result) => {
  expect(broken({ records: [record({ result })] })).toEqual(['wrong']);
});

it.each(['Failed', 'Cancelled', 'Pending'])(
  'finds a completed job wrong that is %s upstream',
  (status) => {
    expect(broken({ upstream: [upstream({ status })] })).toEqual(['wrong']);
  },
);

it('finds a job that was completed by the upstream job of another', () => {
  const other = upstream({ id: 'up-1', gatewayJobId: 'another' });
  const otherId = record({ ids: ['another'], first: reported('completed') });
  expect(broken({ records: [record(), otherId], upstream: [other] })).toContain('wrong');
});

it('finds a failed, cancelled, refused, or expired job wrong that completed upstream', () => {
  const failed = ended('failed', 'failed_upstream', {}, { expected: ['failed_upstream'] });
  expect(broken({ records: [failed] })).toEqual(['wrong']);
  const plan = { expected: ['cancelled'] } as const;
  const cancelled = ended('cancelled', undefined, { cancelAsked: true }, plan);
  expect(broken({ records: [cancelled] })).toEqual(['wrong']);
  const notAsked = ended('cancelled', undefined, {}, plan);
  expect(broken({ records: [notAsked], upstream: [upstream({ status: 'Cancelled' })] })).toEqual([
    'wrong',
  ]);
  const refused = ended('failed', 'rejected_upstream', {}, { expected: ['rejected_upstream'] });
  expect(broken({ records: [refused] })).toEqual(['wrong']);
  expect(broken({ records: [ended('expired', 'unknown_upstream')] })).toContain('wrong');
});

it('knows the upstream job of a synchronous call by its marker', () => {
  const called = upstream({ gatewayJobId: undefined, marker: 'MK000001' });
  const classify = { type: 'classify' } as const;
  expect(broken({ records: [record({}, classify)], upstream: [called] })).toEqual([]);
  expect(broken({ records: [record({}, classify)], upstream: [called, called] })).toEqual([
    'duplicate',
  ]);
  expect(broken({ upstream: [called] })).toContain('keys');
});

it('lets an uncertain classify job fail, of whose call the listing cannot tell', () => {
  const events = [event('submit_uncertain'), event('failed')];
  const failed = (type: PlannedJob['type']): JobRecord =>
    ended('failed', 'submit_outcome_unknown', { events }, { type });
  expect(broken({ records: [failed('classify')] })).toEqual([]);
  expect(broken({ records: [failed('parse')] })).toEqual(['unexpected']);
});

it('finds an end that neither the job nor the platform explains', () => {
  const unknown = (injected: readonly Injected[]): string[] =>
    broken({
      records: [
        ended('failed', 'submit_outcome_unknown', {
          events: [event('submit_uncertain'), event('failed')],
        }),
      ],
      injected,
    });
  const from = Date.parse('2026-01-01T00:00:05.000Z');
  const fault = { kind: 'noListing', from, to: from + 1_000, note: '' } as const;
  expect(unknown([])).toEqual(['unexpected']);
  expect(unknown([{ ...fault, kind: 'lateListing' }])).toEqual(['unexpected']);
  expect(unknown([{ ...fault, from: from + 60_000, to: from + 61_000 }])).toEqual(['unexpected']);
  expect(unknown([fault])).toEqual([]);
  const noResult = { records: [ended('failed', 'result_unavailable')] };
  expect(broken(noResult)).toEqual(['unexpected']);
  expect(broken({ ...noResult, injected: [{ ...fault, kind: 'refuseUpstream' }] })).toEqual([]);
});

it('finds a job that failed for its source, although the source completed', () => {
  const source = record();
  const id = '01a2086a-0000-7000-8000-000000000002';
  const plan = { buildsOn: source.planned, expected: ['source_unusable'] } as const;
  const events = [event('failed')];
  const records = [source, ended('failed', 'source_unusable', { ids: [id], events }, plan)];
  expect(broken({ records })).toEqual(['unexpected']);
});

it('finds a second upstream job that nothing explains', () => {
  const two = [upstream(), upstream({ id: 'up-2' })];
  expect(broken({ upstream: two })).toEqual(['duplicate']);
  const twin = record({}, { faults: ['submit duplicate'] });
  expect(judge(evidence({ records: [twin], upstream: two }))).toEqual({
    violations: [],
    explainedDuplicates: { bySwitch: 1, provenAbsent: 0 },
  });
  const resolved = event('submit_resolved', { found: false });
  const resent = record({ events: [resolved, ...record().events] });
  expect(judge(evidence({ records: [resent], upstream: two }))).toEqual({
    violations: [],
    explainedDuplicates: { bySwitch: 0, provenAbsent: 1 },
  });
  const three = [...two, upstream({ id: 'up-3' })];
  expect(broken({ records: [resent], upstream: three })).toEqual(['duplicate']);
});

it('finds a job that has not ended, or cannot be read', () => {
  const open: JobRecord = { ...newRecord(planned()), ids: [ID], last: reported('queued') };
  expect(broken({ records: [open] })).toEqual(['stuck']);
  const { last: _, ...unread } = record();
  expect(broken({ records: [unread] })).toEqual(['stuck']);
});

it('finds a repeat that created another job, and an upstream job that no service knows', () => {
  expect(broken({ records: [record({ ids: [ID, 'another'] })] })).toEqual(['keys']);
  const stray = upstream({ id: 'up-2', gatewayJobId: 'nobody' });
  expect(broken({ upstream: [upstream(), stray] })).toEqual(['keys']);
});

it('finds a valid request that was never accepted', () => {
  const never = newRecord(planned());
  expect(broken({ records: [never], upstream: [] })).toEqual(['refused']);
  const refused = { status: 422, code: 'validation_failed' };
  expect(broken({ records: [{ ...never, refused }], upstream: [] })).toEqual(['refused']);
  // A job that builds upon one which did not complete may be refused.
  const source = ended('failed', 'failed_upstream', {}, { expected: ['failed_upstream'] });
  const followUp = { ...newRecord(planned({ buildsOn: source.planned })), refused };
  const failed = upstream({ status: 'Failed' });
  expect(broken({ records: [source, followUp], upstream: [failed] })).toEqual([]);
});

it('finds a replica that crashed', () => {
  expect(broken({ surprises: ['gateway-0 ended by itself: code 1'] })).toEqual(['crashed']);
});
