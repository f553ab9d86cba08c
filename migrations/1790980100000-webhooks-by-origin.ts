import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The URL of a job’s webhook says its endpoint: that of its origin, which can be deleted and made again while the job is open. */
export class WebhooksByOrigin1790980100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs DROP COLUMN webhook_endpoint_id`);
    await runner.query(
      `CREATE UNIQUE INDEX endpoints_for_jobs ON endpoints (service, url) WHERE for_jobs`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX endpoints_for_jobs`);
    await runner.query(`ALTER TABLE jobs ADD COLUMN webhook_endpoint_id uuid`);
  }
}
