import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The keys of `DATA_KEYS` that each worker has. Unknown for workers of an older version. */
export class WorkerDataKeys1790981000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE workers ADD COLUMN data_keys integer[] NOT NULL DEFAULT '{}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE workers DROP COLUMN data_keys`);
  }
}
