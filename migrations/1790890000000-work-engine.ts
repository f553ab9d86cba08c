import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Due work in rows alone: the task queue and its schema go. Processes of an earlier version need them: stop them
 * before this migration runs.
 */
export class WorkEngine1790890000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP SCHEMA IF EXISTS pgboss CASCADE`);
    await runner.query(`CREATE SEQUENCE worker_ids AS integer CYCLE`);
    await runner.query(`
      CREATE TABLE workers (
        id integer CONSTRAINT workers_pk PRIMARY KEY,
        started_at timestamptz NOT NULL DEFAULT now())`);
    await runner.query(`
      ALTER TABLE jobs ADD COLUMN worker integer,
                       ADD COLUMN cancel_sent_at timestamptz,
                       ADD COLUMN trigger_trace text,
                       ADD COLUMN unusable_since timestamptz`);
    await runner.query(`
      UPDATE jobs SET lease = NULL, next_check_at = CASE WHEN polling THEN now() ELSE next_check_at END
       WHERE lease IS NOT NULL`);
    await runner.query(`
      UPDATE jobs SET cancel_sent_at = cancel_requested_at, poll_requested = true, next_check_at = now()
       WHERE status = 'submitted' AND cancel_requested_at IS NOT NULL`);
    await runner.query(`DROP INDEX jobs_due`);
    await runner.query(`ALTER TABLE jobs DROP COLUMN polling`);
    await runner.query(`
      CREATE INDEX jobs_submitted ON jobs (poll_requested, next_check_at) WHERE status = 'submitted'`);
    await runner.query(
      `CREATE INDEX jobs_uncertain ON jobs (next_check_at) WHERE status = 'uncertain'`,
    );
    await runner.query(`CREATE INDEX jobs_leased ON jobs (worker, lease) WHERE lease IS NOT NULL`);
    await runner.query(`CREATE INDEX jobs_to_cancel ON jobs (next_check_at) WHERE ${TO_CANCEL}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX jobs_leased`);
    await runner.query(`DROP INDEX jobs_to_cancel`);
    await runner.query(`DROP INDEX jobs_uncertain`);
    await runner.query(`DROP INDEX jobs_submitted`);
    await runner.query(`ALTER TABLE jobs ADD COLUMN polling boolean NOT NULL DEFAULT false`);
    await runner.query(`UPDATE jobs SET lease = NULL WHERE lease IS NOT NULL`);
    await runner.query(
      `CREATE INDEX jobs_due ON jobs (next_check_at) WHERE next_check_at IS NOT NULL`,
    );
    await runner.query(`
      ALTER TABLE jobs DROP COLUMN worker, DROP COLUMN cancel_sent_at, DROP COLUMN trigger_trace,
                       DROP COLUMN unusable_since`);
    await runner.query(`DROP TABLE workers`);
    await runner.query(`DROP SEQUENCE worker_ids`);
  }
}

const TO_CANCEL = `status = 'submitted' AND cancel_requested_at IS NOT NULL AND cancel_sent_at IS NULL`;
