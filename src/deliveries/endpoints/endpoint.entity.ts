import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Why an endpoint is disabled: by its service, five days of failures, an answer with status 410, or an admin. */
export const DISABLED_REASONS = ['service', 'failing', 'gone', 'admin'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** The body that an endpoint gets: the event, or what Reducto’s own webhooks send. */
export const PAYLOAD_FORMATS = ['event', 'reducto'] as const;
export type PayloadFormat = (typeof PAYLOAD_FORMATS)[number];

/** Where a service receives events, which events, and how the receiver fares. */
@Entity({ name: 'endpoints' })
@Index('endpoints_by_service', ['service', 'id'])
@Index('endpoints_for_jobs', ['service', 'url'], { unique: true, where: 'for_jobs' })
export class Endpoint {
  /** UUIDv7 */
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'text' })
  service!: string;

  @Column({ type: 'text' })
  url!: string;

  /** Gets only the events of jobs that name a URL of this origin, at that URL. */
  @Column({ name: 'for_jobs', type: 'boolean', default: false })
  forJobs!: boolean;

  @Column({ type: 'text', nullable: true })
  description!: string | null;

  /** Null in this and the next three: all. */
  @Column({ name: 'event_types', type: 'text', array: true, nullable: true })
  eventTypes!: string[] | null;

  @Column({ type: 'text', array: true, nullable: true })
  channels!: string[] | null;

  @Column({ name: 'job_types', type: 'text', array: true, nullable: true })
  jobTypes!: string[] | null;

  /** JSON text: members that the metadata of the job must have. */
  @Column({ type: 'text', nullable: true })
  metadata!: string | null;

  /** JSON text of additional request headers, encrypted. */
  @Column({ type: 'text', nullable: true })
  headers!: string | null;

  @Column({ name: 'rate_limit_per_second', type: 'integer', nullable: true })
  rateLimitPerSecond!: number | null;

  /** Seconds after each failed attempt; null: the default. */
  @Column({ name: 'retry_schedule', type: 'double precision', array: true, nullable: true })
  retrySchedule!: number[] | null;

  @Column({ name: 'payload_format', type: 'text', default: 'event' })
  payloadFormat!: PayloadFormat;

  @Column({ name: 'include_result', type: 'boolean', default: false })
  includeResult!: boolean;

  /** Requests also have the signature in headers `svix-*`. */
  @Column({ name: 'svix_headers', type: 'boolean', default: false })
  svixHeaders!: boolean;

  /** Encrypted. */
  @Column({ type: 'text' })
  secret!: string;

  /** Encrypted; signs too until `previousSecretUntil`. */
  @Column({ name: 'previous_secret', type: 'text', nullable: true })
  previousSecret!: string | null;

  @Column({ name: 'previous_secret_until', type: 'timestamptz', nullable: true })
  previousSecretUntil!: Date | null;

  @Column({ type: 'boolean', default: true })
  enabled!: boolean;

  @Column({ name: 'disabled_reason', type: 'text', nullable: true })
  disabledReason!: DisabledReason | null;

  @Column({ name: 'disabled_at', type: 'timestamptz', nullable: true })
  disabledAt!: Date | null;

  /** First failed attempt since the last success. */
  @Column({ name: 'failing_since', type: 'timestamptz', nullable: true })
  failingSince!: Date | null;

  @Column({ name: 'consecutive_failures', type: 'integer', default: 0 })
  consecutiveFailures!: number;

  /** The circuit breaker is open until then. */
  @Column({ name: 'paused_until', type: 'timestamptz', nullable: true })
  pausedUntil!: Date | null;

  @Column({ name: 'last_success_at', type: 'timestamptz', nullable: true })
  lastSuccessAt!: Date | null;

  @Column({ name: 'last_failure_at', type: 'timestamptz', nullable: true })
  lastFailureAt!: Date | null;

  /** Theoretical arrival time of the rate limiter (GCRA). */
  @Column({ name: 'next_send_at', type: 'timestamptz', nullable: true })
  nextSendAt!: Date | null;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;
}

/** As Reducto: its webhooks by Svix have the headers, and those that name a URL do not. */
export function hasSvixHeaders({
  svixHeaders,
  payloadFormat,
  forJobs,
}: Pick<Endpoint, 'svixHeaders' | 'payloadFormat' | 'forJobs'>): boolean {
  return svixHeaders || (payloadFormat === 'reducto' && !forJobs);
}

/** Until when the previous secret signs too; null if it no longer does. */
export function overlapEndOf({
  previousSecretUntil,
}: Pick<Endpoint, 'previousSecretUntil'>): Date | null {
  const isOver = previousSecretUntil === null || previousSecretUntil.getTime() <= Date.now();
  return isOver ? null : previousSecretUntil;
}
