import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Admins search refusals by either id of a job: without this index, a search by id reads the whole audit. */
export class RefusalsByUpstreamId1790860000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX audit_entries_by_upstream_id ON audit_entries ((data->>'assertedUpstreamId'), id)
        WHERE data->>'assertedUpstreamId' IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX audit_entries_by_upstream_id`);
  }
}
