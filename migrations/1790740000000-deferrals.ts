import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Compatible with a running older version: both columns are nullable, and it does not name them. */
export class Deferrals1790740000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE jobs
        ADD COLUMN deferral_reason text,
        ADD COLUMN deferred_until timestamptz`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs DROP COLUMN deferral_reason, DROP COLUMN deferred_until`);
  }
}
