import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Beside a running older version: a nullable column without default rewrites nothing, and the tables are new. */
export class Retention1790600000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs ADD COLUMN result_expired_at timestamptz`);
    // Chunks that nothing refers to any more, and since when.
    await runner.query(`
      CREATE TABLE discarded_contents (
        content_id uuid NOT NULL,
        discarded_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT discarded_contents_pk PRIMARY KEY (content_id)
      )`);
    await runner.query(
      `CREATE INDEX discarded_contents_by_time ON discarded_contents (discarded_at)`,
    );
    // One row: whose turn it is to remove what is old, and how far the search for lost chunks has come.
    await runner.query(`
      CREATE TABLE retention_turn (
        single boolean NOT NULL DEFAULT true,
        holder uuid NOT NULL,
        held_until timestamptz NOT NULL,
        searched_up_to uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
        CONSTRAINT retention_turn_pk PRIMARY KEY (single),
        CONSTRAINT retention_turn_single CHECK (single)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE retention_turn`);
    await runner.query(`DROP TABLE discarded_contents`);
    await runner.query(`ALTER TABLE jobs DROP COLUMN result_expired_at`);
  }
}
