import { Entity, Index, PrimaryColumn } from 'typeorm';

/** A job that sleeps, and an open job whose result it needs. */
@Entity({ name: 'job_inputs' })
export class JobInput {
  @PrimaryColumn({ name: 'input_id', type: 'uuid' })
  inputId!: string;

  @PrimaryColumn({ name: 'job_id', type: 'uuid' })
  @Index('job_inputs_by_job')
  jobId!: string;
}
