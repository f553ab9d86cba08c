import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds the open jobs of a service whose webhooks go to an origin. Outside of a transaction, so that no request waits. */
export class OpenWebhooks1790988000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS jobs_open_webhooks`);
    await runner.query(`
      CREATE INDEX CONCURRENTLY jobs_open_webhooks ON jobs (service, substring(webhook_url FROM '^[^/]*//[^/]*/'))
       WHERE ended_at IS NULL AND webhook_url IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX jobs_open_webhooks`);
  }
}
