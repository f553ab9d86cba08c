import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Deleted jobs whose events still have the data of the job. */
export class EventErasures1790980200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE event_erasures (
        job_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        next_check_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT event_erasures_pk PRIMARY KEY (job_id))`);
    await runner.query(`CREATE INDEX event_erasures_due ON event_erasures (next_check_at)`);
    await runner.query(`
      INSERT INTO event_erasures (job_id) SELECT id FROM jobs WHERE deletion_requested_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE event_erasures`);
  }
}
