import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Weights and limits of services; the relay takes the callbacks of the services in turns. */
export class FairServices1790910000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE services (
        service text CONSTRAINT services_pk PRIMARY KEY,
        weight integer NOT NULL DEFAULT 1,
        max_in_flight integer,
        max_queued integer)`);
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
    await runner.query(`DROP TABLE services`);
  }
}
