import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Alerts1790300000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE alerts (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        kind text NOT NULL,
        message text NOT NULL,
        advice text NOT NULL,
        figures jsonb NOT NULL,
        opened_at timestamptz NOT NULL DEFAULT now(),
        last_seen_at timestamptz NOT NULL,
        closed_at timestamptz,
        hurried_at timestamptz,
        notify_at timestamptz DEFAULT now(),
        notify_attempts integer NOT NULL DEFAULT 0,
        notified_at timestamptz,
        CONSTRAINT alerts_pk PRIMARY KEY (id)
      )`);
    // One open alert per kind: what several processes see at once is raised by one of them.
    await runner.query(`CREATE UNIQUE INDEX alerts_open ON alerts (kind) WHERE closed_at IS NULL`);
    await runner.query(`CREATE INDEX alerts_by_time ON alerts (opened_at)`);
    await runner.query(`CREATE INDEX callbacks_by_time ON callbacks (received_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX callbacks_by_time`);
    await runner.query(`DROP TABLE alerts`);
  }
}
