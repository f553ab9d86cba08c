import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ClaimsAndPace1790100000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE jobs
        ADD COLUMN claim uuid,
        ADD COLUMN looking boolean NOT NULL DEFAULT false,
        ADD COLUMN hinted boolean NOT NULL DEFAULT false`);
    // One row per deployment of Reducto, rewritten with every poll: room on its page keeps it there.
    await runner.query(`
      CREATE TABLE upstream_pace (
        upstream text NOT NULL,
        next_turn_at timestamptz NOT NULL DEFAULT now(),
        troubles integer NOT NULL DEFAULT 0,
        held_until timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT upstream_pace_pk PRIMARY KEY (upstream)
      ) WITH (fillfactor = 10)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE upstream_pace`);
    await runner.query(`
      ALTER TABLE jobs DROP COLUMN claim, DROP COLUMN looking, DROP COLUMN hinted`);
  }
}
