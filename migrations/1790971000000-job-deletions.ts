import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Services delete jobs; `upstream_deletions` has those that Reducto still has to delete. */
export class JobDeletions1790971000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE jobs
        ADD COLUMN deletion_requested_at timestamptz,
        ADD COLUMN deleted_at timestamptz`);
    await runner.query(`
      CREATE TABLE upstream_deletions (
        job_id uuid NOT NULL,
        upstream_id text NOT NULL,
        include_persisted boolean NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT upstream_deletions_pk PRIMARY KEY (job_id))`);
    await runner.query(
      `CREATE INDEX upstream_deletions_due ON upstream_deletions (next_attempt_at)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE upstream_deletions`);
    await runner.query(`
      ALTER TABLE jobs DROP COLUMN deletion_requested_at, DROP COLUMN deleted_at`);
  }
}
