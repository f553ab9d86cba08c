import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Webhooks of single jobs: each goes to an endpoint of its origin, which serves such jobs only. */
export class JobWebhooks1790972000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE jobs
        ADD COLUMN webhook_endpoint_id uuid,
        ADD COLUMN webhook_url text`);
    await runner.query(`ALTER TABLE endpoints ADD COLUMN for_jobs boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE endpoints DROP COLUMN for_jobs`);
    await runner.query(`
      ALTER TABLE jobs DROP COLUMN webhook_endpoint_id, DROP COLUMN webhook_url`);
  }
}
