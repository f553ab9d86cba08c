import { Entity, PrimaryColumn } from 'typeorm';

/** A job that has ended and has dependents that still sleep. */
@Entity({ name: 'wake_ups' })
export class WakeUp {
  @PrimaryColumn({ name: 'input_id', type: 'uuid' })
  inputId!: string;
}
