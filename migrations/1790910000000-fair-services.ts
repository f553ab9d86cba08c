import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Weights and limits of services; indexes that lead with the service, so that no service waits behind another. */
export class FairServices1790910000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE services (
        service text CONSTRAINT services_pk PRIMARY KEY,
        weight integer NOT NULL DEFAULT 1,
        max_in_flight integer,
        max_queued integer)`);
    await runner.query(`DROP INDEX jobs_queued`);
    await runner.query(`
      CREATE INDEX jobs_queued ON jobs (service, priority DESC, next_check_at) WHERE status = 'queued'`);
    await runner.query(`DROP INDEX jobs_submitted`);
    await runner.query(`
      CREATE INDEX jobs_submitted ON jobs (service, poll_requested DESC, next_check_at)
       WHERE status = 'submitted'`);
    // The default is for processes of an earlier version that still run.
    await runner.query(`ALTER TABLE callback_inbox ADD COLUMN service text NOT NULL DEFAULT ''`);
    await runner.query(`
      UPDATE callback_inbox SET service = jobs.service FROM jobs WHERE jobs.id = job_id`);
    await runner.query(`
      ALTER TABLE callback_inbox DROP CONSTRAINT callback_inbox_pk,
        ADD CONSTRAINT callback_inbox_pk PRIMARY KEY (service, id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE callback_inbox DROP CONSTRAINT callback_inbox_pk,
        ADD CONSTRAINT callback_inbox_pk PRIMARY KEY (id), DROP COLUMN service`);
    await runner.query(`DROP INDEX jobs_submitted`);
    await runner.query(`
      CREATE INDEX jobs_submitted ON jobs (poll_requested, next_check_at) WHERE status = 'submitted'`);
    await runner.query(`DROP INDEX jobs_queued`);
    await runner.query(`CREATE INDEX jobs_queued ON jobs (next_check_at) WHERE status = 'queued'`);
    await runner.query(`DROP TABLE services`);
  }
}
