import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Audit1790200000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // The columns to search by are computed from `data`, which the hash covers: none can be edited alone.
    await runner.query(`
      CREATE TABLE audit_entries (
        id bigint NOT NULL,
        at timestamptz(3) NOT NULL,
        kind text NOT NULL,
        data jsonb NOT NULL,
        key_id text NOT NULL,
        hash bytea NOT NULL,
        cause text GENERATED ALWAYS AS (data->>'cause') STORED,
        guard text GENERATED ALWAYS AS (data->>'guard') STORED,
        address text GENERATED ALWAYS AS (data->>'clientAddress') STORED,
        job_id text GENERATED ALWAYS AS (coalesce(data->>'jobId', data->>'claimedJobId')) STORED,
        count integer GENERATED ALWAYS AS (coalesce((data->>'count')::integer, 1)) STORED,
        CONSTRAINT audit_entries_pk PRIMARY KEY (id)
      )`);
    await runner.query(`CREATE INDEX audit_entries_by_kind ON audit_entries (kind, id)`);
    await runner.query(`CREATE INDEX audit_entries_by_time ON audit_entries (at)`);
    await runner.query(`
      CREATE INDEX audit_entries_by_cause ON audit_entries (cause, id) WHERE cause IS NOT NULL`);
    await runner.query(`
      CREATE INDEX audit_entries_by_address ON audit_entries (address, id) WHERE address IS NOT NULL`);
    await runner.query(`
      CREATE INDEX audit_entries_by_job ON audit_entries (job_id, id) WHERE job_id IS NOT NULL`);

    await runner.query(`
      CREATE FUNCTION audit_entries_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'DELETE' AND current_setting('gateway.audit_retention', true) = 'on' THEN
          RETURN OLD;
        END IF;
        RAISE EXCEPTION 'audit_entries is append-only: % refused', TG_OP;
      END $$`);
    await runner.query(`
      CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE ON audit_entries
        FOR EACH ROW EXECUTE FUNCTION audit_entries_append_only()`);
    await runner.query(`
      CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries
        FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_append_only()`);

    // Both ends of the chain. Each append locks this row, so that the chain cannot fork.
    await runner.query(`
      CREATE TABLE audit_chain (
        single boolean NOT NULL DEFAULT true,
        first_id bigint NOT NULL,
        first_hash bytea NOT NULL,
        last_id bigint NOT NULL,
        last_hash bytea NOT NULL,
        key_id text NOT NULL,
        mac bytea NOT NULL,
        CONSTRAINT audit_chain_pk PRIMARY KEY (single),
        CONSTRAINT audit_chain_single CHECK (single)
      )`);

    await runner.query(`
      CREATE TABLE audit_originals (
        entry_id bigint NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        key_id text NOT NULL,
        sealed bytea NOT NULL,
        CONSTRAINT audit_originals_pk PRIMARY KEY (entry_id)
      )`);
    await runner.query(`CREATE INDEX audit_originals_by_time ON audit_originals (at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE audit_originals`);
    await runner.query(`DROP TABLE audit_chain`);
    await runner.query(`DROP TABLE audit_entries`);
    await runner.query(`DROP FUNCTION audit_entries_append_only()`);
  }
}
