import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Endpoints choose the body that they get. The webhooks of single jobs have had that of Reducto before. */
export class PayloadFormats1790982000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE endpoints ADD COLUMN payload_format text NOT NULL DEFAULT 'event'`);
    // The other two have no effect beside it, and are refused with it.
    await runner.query(`
      UPDATE endpoints SET payload_format = 'reducto', include_result = false, event_types = NULL WHERE for_jobs`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE endpoints DROP COLUMN payload_format`);
  }
}
