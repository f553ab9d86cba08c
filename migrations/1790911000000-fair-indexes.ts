import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Indexes of due jobs that lead with the service. Outside of a transaction, so that no request waits. A process of an
 * earlier version leases slowly without the old indexes.
 */
export class FairIndexes1790911000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, columns, status] of [
      ['jobs_queued_by_service', 'service, priority DESC, next_check_at', 'queued'],
      ['jobs_submitted_by_service', 'service, poll_requested DESC, next_check_at', 'submitted'],
    ] as const) {
      await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
      await runner.query(
        `CREATE INDEX CONCURRENTLY ${name} ON jobs (${columns}) WHERE status = '${status}'`,
      );
    }
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS jobs_queued`);
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS jobs_submitted`);
  }

  async down(runner: QueryRunner): Promise<void> {
    // TypeORM goes back within a transaction, whatever `transaction` says.
    await runner.query(`DROP INDEX jobs_queued_by_service`);
    await runner.query(`DROP INDEX jobs_submitted_by_service`);
    await runner.query(`CREATE INDEX jobs_queued ON jobs (next_check_at) WHERE status = 'queued'`);
    await runner.query(`
      CREATE INDEX jobs_submitted ON jobs (poll_requested, next_check_at) WHERE status = 'submitted'`);
  }
}
