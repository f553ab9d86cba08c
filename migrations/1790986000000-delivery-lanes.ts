import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lanes of deliveries: webhooks of jobs that go to different URLs of an origin do not share their slots. */
export class DeliveryLanes1790986000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE deliveries ADD COLUMN lane smallint NOT NULL DEFAULT 0`);
    await runner.query(`DROP INDEX deliveries_due, deliveries_leased`);
    await runner.query(
      `CREATE INDEX deliveries_due ON deliveries (endpoint_id, lane, next_attempt_at) WHERE status = 'pending'`,
    );
    await runner.query(
      `CREATE INDEX deliveries_leased ON deliveries (endpoint_id, lane) WHERE lease IS NOT NULL`,
    );
    await runner.query(`
      UPDATE endpoints
         SET enabled = true, disabled_reason = NULL, disabled_at = NULL, consecutive_failures = 0, paused_until = NULL
       WHERE for_jobs AND (enabled OR disabled_reason = 'failing')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX deliveries_due, deliveries_leased`);
    await runner.query(
      `CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_attempt_at) WHERE status = 'pending'`,
    );
    await runner.query(
      `CREATE INDEX deliveries_leased ON deliveries (endpoint_id) WHERE lease IS NOT NULL`,
    );
    await runner.query(`ALTER TABLE deliveries DROP COLUMN lane`);
  }
}
