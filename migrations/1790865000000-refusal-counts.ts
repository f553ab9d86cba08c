import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Counts refusals by kind, cause, and time without reading their entries. */
export class RefusalCounts1790865000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX audit_entries_by_kind_and_cause ON audit_entries (kind, cause, at)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX audit_entries_by_kind_and_cause`);
  }
}
