import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AuditAnchor1790800000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // The identity of this database, signed with a key that it does not hold. The chain's ends are bound to it.
    await runner.query(`
      CREATE TABLE installation (
        single boolean NOT NULL DEFAULT true,
        id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        key_id text NOT NULL,
        mac bytea NOT NULL,
        CONSTRAINT installation_pk PRIMARY KEY (single),
        CONSTRAINT installation_single CHECK (single)
      )`);
    // Each audit key that entries of the chain were written with, and the last of those entries.
    await runner.query(`ALTER TABLE audit_chain ADD COLUMN keys jsonb NOT NULL DEFAULT '{}'`);
    await runner.query(`
      ALTER TABLE alerts
        ADD COLUMN fixed_since timestamptz,
        ADD COLUMN acknowledged_at timestamptz,
        ADD COLUMN acknowledged_by text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE alerts
        DROP COLUMN fixed_since,
        DROP COLUMN acknowledged_at,
        DROP COLUMN acknowledged_by`);
    await runner.query(`ALTER TABLE audit_chain DROP COLUMN keys`);
    await runner.query(`DROP TABLE installation`);
  }
}
