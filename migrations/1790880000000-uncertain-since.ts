import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The last moment at which the request of an uncertain job can have arrived at Reducto. */
export class UncertainSince1790880000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs ADD COLUMN uncertain_since timestamptz`);
    await runner.query(`UPDATE jobs SET uncertain_since = now() WHERE status = 'uncertain'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs DROP COLUMN uncertain_since`);
  }
}
