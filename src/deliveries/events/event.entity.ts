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

/** Something that a service is told. It never changes, except that the deletion of its job erases the data of the job. */
@Entity({ name: 'events' })
@Index('events_by_service', ['service', 'id'])
@Index('events_by_type', ['type', 'id'], { where: `type <> 'job.completed'` })
@Index('events_by_service_and_type', ['service', 'type', 'id'], {
  where: `type <> 'job.completed'`,
})
@Index('events_by_job', ['jobId'], { unique: true, where: 'job_id IS NOT NULL' })
export class Event {
  /**
   * UUIDv7 by the database’s clock. The `webhook-id` of all its deliveries, and its place in the feed: no event becomes
   * visible with a lower id than one that was visible before.
   */
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

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
