import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tells a bootstrap key that another one replaced from a key that an admin has revoked. */
export class ReplacedBootstrapKeys1790720000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE api_keys ADD COLUMN replaced boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE api_keys DROP COLUMN replaced`);
  }
}
