import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A deleted job whose event still has the data of the job, because it is not delivered yet. */
@Entity({ name: 'event_erasures' })
@Index('event_erasures_due', ['nextCheckAt'])
export class EventErasure {
  @PrimaryColumn({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'next_check_at', type: 'timestamptz', default: () => 'now()' })
  nextCheckAt!: Date;
}
