import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The address with which the links to files in a stored result begin, to replace it after it has changed. */
export class LinksOfResults1790987000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE job_results ADD COLUMN links_begin text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE job_results DROP COLUMN links_begin`);
  }
}
