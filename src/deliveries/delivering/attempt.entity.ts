import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A request of a delivery, and the answer. */
@Entity({ name: 'delivery_attempts' })
export class Attempt {
  @PrimaryColumn({ name: 'event_id', type: 'uuid' })
  eventId!: string;

  @PrimaryColumn({ type: 'bigint', generated: 'identity', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column({ name: 'endpoint_id', type: 'uuid' })
  endpointId!: string;

  /** From 1. */
  @Column({ type: 'integer' })
  attempt!: number;

  /** When the request began. */
  @Column({ type: 'timestamptz' })
  at!: Date;

  @Column({ name: 'duration_ms', type: 'integer' })
  durationMs!: number;

  /** Null without an answer. */
  @Column({ type: 'integer', nullable: true })
  status!: number | null;

  /** Why there was no answer (`send-error.ts`); null with an answer. */
  @Column({ name: 'error_code', type: 'text', nullable: true })
  errorCode!: string | null;

  /** Why the attempt failed; null if it succeeded. */
  @Column({ type: 'text', nullable: true })
  error!: string | null;

  /** JSON text, redacted. */
  @Column({ name: 'response_headers', type: 'text', nullable: true })
  responseHeaders!: string | null;

  /** Its beginning. */
  @Column({ name: 'response_body', type: 'text', nullable: true })
  responseBody!: string | null;

  /** Host and process id of the worker. */
  @Column({ type: 'text' })
  process!: string;
}
