import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Weight and limits of a service. A service without a row has the defaults. */
@Entity({ name: 'services' })
export class Service {
  @PrimaryColumn({ type: 'text' })
  service!: string;

  /** Its share of the slots, relative to that of the other services. */
  @Column({ type: 'integer', default: 1 })
  weight!: number;

  /** Maximum number of jobs that are being sent, submitted, or uncertain; null: no limit. */
  @Column({ name: 'max_in_flight', type: 'integer', nullable: true })
  maxInFlight!: number | null;

  /** Maximum number of queued jobs; null: no limit. */
  @Column({ name: 'max_queued', type: 'integer', nullable: true })
  maxQueued!: number | null;
}
