import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Built while jobs go on completing, which an ordinary CREATE INDEX would hold up. That works outside a
 * transaction only; so this migration does nothing else, and what one that was broken off has left
 * behind (an invalid index) is removed first.
 */
export class ResultsByTime1790610000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS job_results_by_time`);
    await runner.query(`CREATE INDEX CONCURRENTLY job_results_by_time ON job_results (stored_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    // TypeORM goes back within a transaction, whatever `transaction` says. To drop takes no time.
    await runner.query(`DROP INDEX job_results_by_time`);
  }
}
