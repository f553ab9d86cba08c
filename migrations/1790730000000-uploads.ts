import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Compatible with a running older version: both tables are new. */
export class Uploads1790730000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // The key begins with the service: whether an id is another service's cannot be asked.
    await runner.query(`
      CREATE TABLE uploads (
        service text NOT NULL,
        id text NOT NULL,
        idempotency_key text,
        sha256 bytea NOT NULL,
        size_bytes bigint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uploads_pk PRIMARY KEY (service, id)
      )`);
    await runner.query(`
      CREATE UNIQUE INDEX uploads_idempotency ON uploads (service, idempotency_key)
        WHERE idempotency_key IS NOT NULL`);
    await runner.query(`CREATE INDEX uploads_by_time ON uploads (created_at)`);
    // Uploads with an Idempotency-Key that are in progress.
    await runner.query(`
      CREATE TABLE upload_leases (
        service text NOT NULL,
        idempotency_key text NOT NULL,
        holder uuid NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT upload_leases_pk PRIMARY KEY (service, idempotency_key)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE upload_leases`);
    await runner.query(`DROP TABLE uploads`);
  }
}
