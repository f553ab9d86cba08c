import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The plan for any number of jobs costs as much to run as one for the jobs at hand, which each call would make anew. */
export class GenericPlans1790984000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER FUNCTION wake_dependents(uuid[]) SET plan_cache_mode = force_generic_plan`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER FUNCTION wake_dependents(uuid[]) RESET plan_cache_mode`);
  }
}
