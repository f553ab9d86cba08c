import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Requests of SDKs, which repeat a lost request without an idempotency key. Rows of two hours are enough. */
export class JobCalls1790970000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE job_calls (
        job_id uuid NOT NULL,
        hash bytea NOT NULL,
        seen integer NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now(),
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT job_calls_pk PRIMARY KEY (job_id))`);
    await runner.query(`CREATE INDEX job_calls_by_hash ON job_calls (hash)`);
    await runner.query(`CREATE INDEX job_calls_by_time ON job_calls (created_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE job_calls`);
  }
}
