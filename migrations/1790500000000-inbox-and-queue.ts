import type { MigrationInterface, QueryRunner } from 'typeorm';

export class InboxAndQueue1790500000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // What is to be sent, in its order: the jobs themselves are the queue.
    await runner.query(`
      ALTER TABLE jobs ADD COLUMN trace text`);
    await runner.query(`
      CREATE INDEX jobs_queued ON jobs (next_check_at) WHERE status = 'queued'`);
    // Rows live for milliseconds. Reading the oldest ones must not scan thousands of dead rows.
    await runner.query(`
      CREATE TABLE callback_inbox (
        id bigint GENERATED ALWAYS AS IDENTITY,
        job_id uuid NOT NULL,
        upstream_id text NOT NULL,
        status text NOT NULL,
        proved_by text NOT NULL,
        client_address text NOT NULL,
        trace text,
        received_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT callback_inbox_pk PRIMARY KEY (id)
      ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE callback_inbox`);
    await runner.query(`DROP INDEX jobs_queued`);
    await runner.query(`ALTER TABLE jobs DROP COLUMN trace`);
  }
}
