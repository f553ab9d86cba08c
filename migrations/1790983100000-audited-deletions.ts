import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who asked for a deletion, for the entry of its outcome in the audit. */
export class AuditedDeletions1790983100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE upstream_deletions ADD COLUMN requested_by json`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE upstream_deletions DROP COLUMN requested_by`);
  }
}
