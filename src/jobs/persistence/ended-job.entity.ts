import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A job that ended and has no event yet (`job-ends.ts`). Its row is deleted with the insert of the event. */
@Entity({ name: 'event_outbox' })
export class EndedJob {
  @PrimaryColumn({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  /** That of a job which its service deleted meanwhile. */
  @Column({ type: 'text', nullable: true })
  metadata!: string | null;
}
