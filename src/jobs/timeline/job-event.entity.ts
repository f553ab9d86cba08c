import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

export const JOB_EVENT_TYPES = [
  'accepted',
  'submit_started',
  'submit_deferred',
  'submit_uncertain',
  'submit_resolved',
  'submitted',
  'callback_received',
  'polled',
  'cancel_requested',
  'cancel_sent',
  'completed',
  'failed',
  'cancelled',
  'expired',
  'event_delivered',
  'event_not_delivered',
] as const;

/**
 * Maximum number of polls in one timeline. The schedule needs about 60 a day, but a leaked token can cause any
 * number.
 */
export const MAX_POLL_EVENTS = 200;

export type JobEventType = (typeof JOB_EVENT_TYPES)[number];

/** An entry of a job's timeline that its own columns do not hold (`timeline.ts`). */
@Entity({ name: 'job_events' })
@Index('job_events_by_job', ['jobId', 'id'])
export class JobEvent {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  @Column({ type: 'timestamptz', default: () => 'clock_timestamp()' })
  at!: Date;

  @Column({ type: 'text' })
  type!: JobEventType;

  @Column({ type: 'jsonb', default: {} })
  detail!: Record<string, unknown>;
}
