import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The types of events. */
export const EVENT_TYPES = [
  'job.completed',
  'job.failed',
  'job.cancelled',
  'job.expired',
  'endpoint.disabled',
  'endpoint.test',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** Something that a service is told. It never changes. */
@Entity({ name: 'events' })
@Index('events_by_service', ['service', 'position'], { unique: true })
@Index('events_by_job', ['jobId'], { unique: true, where: 'job_id IS NOT NULL' })
export class Event {
  /** UUIDv7 by the database’s clock. The `webhook-id` of all its deliveries. */
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  /** Order in the feed: no event becomes visible with a lower position than one that was visible before. */
  @Column({ type: 'bigint', generated: 'identity', generatedIdentity: 'ALWAYS' })
  position!: string;

  @Column({ type: 'text' })
  service!: string;

  @Column({ type: 'text' })
  type!: EventType;

  @Column({ name: 'job_id', type: 'uuid', nullable: true })
  jobId!: string | null;

  /** The endpoint that the event is about; only of the types `endpoint.*`. */
  @Column({ name: 'endpoint_id', type: 'uuid', nullable: true })
  endpointId!: string | null;

  /** JSON text, as it is delivered and signed. */
  @Column({ type: 'text' })
  body!: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;
}
