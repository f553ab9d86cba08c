import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Indexes for the search of admins. `upstream_id` gets the collation C, so that its index also finds the beginning of an id. Jobs are accepted
 * in the order of their pages, so a BRIN index finds a time at next to no cost; multi-minmax, because freed pages are filled again.
 */
export class JobSearch1790820000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs ALTER COLUMN upstream_id TYPE text COLLATE "C"`);
    await runner.query(`
      CREATE INDEX jobs_by_error ON jobs ((error->>'code'), id) WHERE error IS NOT NULL`);
    await runner.query(`
      CREATE INDEX jobs_by_acceptance ON jobs
       USING brin (created_at timestamptz_minmax_multi_ops) WITH (autosummarize = on)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX jobs_by_acceptance, jobs_by_error`);
    await runner.query(`ALTER TABLE jobs ALTER COLUMN upstream_id TYPE text COLLATE "default"`);
  }
}
