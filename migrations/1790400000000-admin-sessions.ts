import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AdminSessions1790400000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE admin_sessions (
        token_hash bytea NOT NULL,
        key_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_seen_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        CONSTRAINT admin_sessions_pk PRIMARY KEY (token_hash)
      )`);
    // Both without open jobs, so that they cost nothing before a job has ended.
    await runner.query(`CREATE INDEX jobs_by_end ON jobs (ended_at) WHERE ended_at IS NOT NULL`);
    await runner.query(`
      CREATE INDEX jobs_ended_otherwise ON jobs (status, id)
        WHERE ended_at IS NOT NULL AND status <> 'completed'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX jobs_ended_otherwise`);
    await runner.query(`DROP INDEX jobs_by_end`);
    await runner.query(`DROP TABLE admin_sessions`);
  }
}
