import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds the failed jobs of one service without reading all of its jobs. Completed jobs cost nothing. */
export class FailedJobsByService1790870000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX jobs_ended_otherwise_by_service ON jobs (service, status, id)
        WHERE ended_at IS NOT NULL AND status <> 'completed'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX jobs_ended_otherwise_by_service`);
  }
}
