import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The URL of a job’s webhook says its endpoint: that of its origin, which can be deleted and made again while the job is open. */
export class WebhooksByOrigin1790980100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs DROP COLUMN webhook_endpoint_id`);
    // Their URLs could be changed, also to that of another one.
    await runner.query(`
      WITH same AS (
        SELECT id, first_value(id) OVER (PARTITION BY service, url ORDER BY id) AS kept FROM endpoints WHERE for_jobs)
      UPDATE deliveries AS delivery SET endpoint_id = kept
        FROM same
       WHERE same.id = delivery.endpoint_id AND same.id <> kept
         AND NOT EXISTS (SELECT FROM deliveries AS other
                          WHERE other.event_id = delivery.event_id AND other.endpoint_id = kept)`);
    await runner.query(`
      DELETE FROM endpoints USING endpoints AS older
       WHERE endpoints.for_jobs AND older.for_jobs AND older.service = endpoints.service AND older.url = endpoints.url
         AND older.id < endpoints.id`);
    await runner.query(
      `CREATE UNIQUE INDEX endpoints_for_jobs ON endpoints (service, url) WHERE for_jobs`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX endpoints_for_jobs`);
    await runner.query(`ALTER TABLE jobs ADD COLUMN webhook_endpoint_id uuid`);
  }
}
