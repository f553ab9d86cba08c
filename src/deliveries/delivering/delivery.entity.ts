import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** `pending` until an attempt succeeds or the last one fails; a delivery to a disabled endpoint stays pending. */
export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** One event for one endpoint. */
@Entity({ name: 'deliveries' })
@Index('deliveries_due', ['endpointId', 'lane', 'nextAttemptAt'], { where: `status = 'pending'` })
@Index('deliveries_leased', ['endpointId', 'lane'], { where: 'lease IS NOT NULL' })
@Index('deliveries_failed', ['endpointId', 'eventId'], { where: `status = 'failed'` })
@Index('deliveries_failed_by_event', ['eventId'], { where: `status = 'failed'` })
export class Delivery {
  @PrimaryColumn({ name: 'event_id', type: 'uuid' })
  eventId!: string;

  @PrimaryColumn({ name: 'endpoint_id', type: 'uuid' })
  endpointId!: string;

  @Column({ type: 'text', default: 'pending' })
  status!: DeliveryStatus;

  @Column({ type: 'integer', default: 0 })
  attempts!: number;

  /** Failed attempts of the current schedule; a resend or recovery begins anew. */
  @Column({ type: 'integer', default: 0 })
  failures!: number;

  /** Deliveries of an endpoint that have slots of their own (`delivery-lane.ts`). */
  @Column({ type: 'smallint', default: 0 })
  lane!: number;

  /** When it is due, or when its lease ends. */
  @Column({ name: 'next_attempt_at', type: 'timestamptz', nullable: true })
  nextAttemptAt!: Date | null;

  @Column({ type: 'uuid', nullable: true })
  lease!: string | null;

  @Column({ type: 'integer', nullable: true })
  worker!: number | null;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'ended_at', type: 'timestamptz', nullable: true })
  endedAt!: Date | null;
}
