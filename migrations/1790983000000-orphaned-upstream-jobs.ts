import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Upstream jobs that no job needs are deleted with their jobs: a job can have several. */
export class OrphanedUpstreamJobs1790983000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE upstream_deletions
        ADD COLUMN origin text NOT NULL DEFAULT 'job',
        ALTER COLUMN next_attempt_at DROP NOT NULL,
        DROP CONSTRAINT upstream_deletions_pk,
        ADD CONSTRAINT upstream_deletions_pk PRIMARY KEY (job_id, upstream_id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DELETE FROM upstream_deletions WHERE origin <> 'job'`);
    await runner.query(`
      ALTER TABLE upstream_deletions
        DROP COLUMN origin,
        ALTER COLUMN next_attempt_at SET NOT NULL,
        DROP CONSTRAINT upstream_deletions_pk,
        ADD CONSTRAINT upstream_deletions_pk PRIMARY KEY (job_id)`);
  }
}
