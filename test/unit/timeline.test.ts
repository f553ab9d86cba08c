import { describe, expect, it } from 'vitest';
import { JobEvent, type JobEventType } from '../../src/jobs/timeline/job-event.entity.js';
import { Job } from '../../src/jobs/job.entity.js';
import { timelineOf } from '../../src/jobs/timeline/timeline.js';

const at = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 0, 0, second));

function job(columns: Partial<Job>): Job {
  return Object.assign(new Job(), {
    type: 'parse',
    status: 'queued',
    createdAt: at(0),
    submitAttempts: 0,
    submitStartedAt: null,
    submittedAt: null,
    endedAt: null,
    upstreamId: null,
    error: null,
    settledBy: null,
    polls: 0,
    ...columns,
  });
}

function event(second: number, type: JobEventType, detail: Record<string, unknown> = {}): JobEvent {
  return Object.assign(new JobEvent(), { id: String(second), at: at(second), type, detail });
}

const COMPLETED = job({
  status: 'completed',
  submitAttempts: 1,
  submitStartedAt: at(1),
  submittedAt: at(2),
  endedAt: at(4),
  upstreamId: 'u-1',
  settledBy: 'webhook',
  polls: 0,
});

describe('the timeline of a job', () => {
  it('shows the regular steps from the columns of the job, and its events between them', () => {
    const received = event(3, 'callback_received', { status: 'Completed', upstreamId: 'u-1' });
    expect(timelineOf(COMPLETED, [received], '1234')).toEqual([
      { id: '1', at: at(0), type: 'accepted', detail: { type: 'parse' } },
      { id: '2', at: at(1), type: 'submit_started', detail: { attempt: 1 } },
      { id: '3', at: at(2), type: 'submitted', detail: { upstreamId: 'u-1', via: 'answer' } },
      { id: '4', at: at(3), type: 'callback_received', detail: received.detail },
      {
        id: '5',
        at: at(4),
        type: 'completed',
        detail: { settledBy: 'webhook', polls: 0, sizeBytes: 1234 },
      },
    ]);
  });

  it('shows the begin of each attempt, also of those that were deferred', () => {
    const deferred = event(2, 'submit_deferred', {
      attempt: 1,
      begunAt: at(1).toISOString(),
      reason: '429',
    });
    const found = timelineOf(job({ submitAttempts: 2, submitStartedAt: at(5) }), [deferred], null);
    expect(found.map(({ type, detail }) => [type, detail['attempt']])).toEqual([
      ['accepted', undefined],
      ['submit_started', 1],
      ['submit_deferred', 1],
      ['submit_started', 2],
    ]);
    expect(found[2]?.detail).toEqual({ attempt: 1, reason: '429' });
  });

  it('shows an uncertain attempt once, and how its job was found', () => {
    const uncertain = event(2, 'submit_uncertain', { attempt: 1, begunAt: at(1).toISOString() });
    const submitted = event(4, 'submitted', { upstreamId: 'u-1', via: 'listing' });
    const found = job({
      status: 'submitted',
      submitAttempts: 1,
      submitStartedAt: at(1),
      submittedAt: at(4),
      upstreamId: 'u-1',
    });
    expect(timelineOf(found, [uncertain, submitted], null).map(({ type }) => type)).toEqual([
      'accepted',
      'submit_started',
      'submit_uncertain',
      'submitted',
    ]);
  });

  it('names the code of an end without a result', () => {
    const error = { code: 'rejected_upstream', message: 'no', retryable: false } as const;
    const failed = job({ status: 'failed', endedAt: at(1), error, settledBy: 'submission' });
    expect(timelineOf(failed, [], null).at(-1)).toMatchObject({
      type: 'failed',
      detail: { code: 'rejected_upstream', settledBy: 'submission', polls: 0 },
    });
  });

  it('shows the acceptance first and the end last among entries of one moment', () => {
    const cancelled = job({ status: 'cancelled', createdAt: at(1), endedAt: at(1) });
    const requested = event(1, 'cancel_requested');
    expect(timelineOf(cancelled, [requested], null).map(({ type }) => type)).toEqual([
      'accepted',
      'cancel_requested',
      'cancelled',
    ]);
  });
});
