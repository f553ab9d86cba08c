import type { MigrationInterface, QueryRunner } from 'typeorm';

export class JobsKeysCallbacks1790000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE api_keys (
        id uuid NOT NULL,
        service text NOT NULL,
        scopes text[] NOT NULL,
        key_hash bytea NOT NULL,
        hint text NOT NULL,
        origin text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_used_at timestamptz,
        revoked_at timestamptz,
        CONSTRAINT api_keys_pk PRIMARY KEY (id)
      )`);
    await runner.query(`CREATE UNIQUE INDEX api_keys_hash ON api_keys (key_hash)`);

    await runner.query(`
      CREATE TABLE jobs (
        id uuid NOT NULL,
        service text NOT NULL,
        type text NOT NULL,
        status text NOT NULL DEFAULT 'queued',
        priority boolean NOT NULL DEFAULT false,
        request jsonb,
        metadata jsonb,
        idempotency_key text,
        request_hash bytea NOT NULL,
        upstream_id text,
        upstream_url text,
        submit_attempts integer NOT NULL DEFAULT 0,
        submit_started_at timestamptz,
        looks integer NOT NULL DEFAULT 0,
        next_check_at timestamptz,
        missing_since timestamptz,
        result_missing_since timestamptz,
        cancel_requested_at timestamptz,
        callback_received_at timestamptz,
        claimed_upstream_id text,
        progress double precision,
        error jsonb,
        settled_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        submitted_at timestamptz,
        ended_at timestamptz,
        CONSTRAINT jobs_pk PRIMARY KEY (id)
      )`);
    await runner.query(`CREATE INDEX jobs_by_service ON jobs (service, id)`);
    await runner.query(`
      CREATE UNIQUE INDEX jobs_idempotency ON jobs (service, idempotency_key)
        WHERE idempotency_key IS NOT NULL`);
    await runner.query(`
      CREATE UNIQUE INDEX jobs_upstream ON jobs (upstream_id) WHERE upstream_id IS NOT NULL`);
    await runner.query(`
      CREATE INDEX jobs_due ON jobs (next_check_at) WHERE next_check_at IS NOT NULL`);

    await runner.query(`
      CREATE TABLE job_events (
        id bigint GENERATED ALWAYS AS IDENTITY,
        job_id uuid NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        type text NOT NULL,
        detail jsonb NOT NULL DEFAULT '{}',
        CONSTRAINT job_events_pk PRIMARY KEY (id)
      )`);
    await runner.query(`CREATE INDEX job_events_by_job ON job_events (job_id, id)`);

    await runner.query(`
      CREATE TABLE job_results (
        job_id uuid NOT NULL,
        content_id uuid NOT NULL,
        sha256 text NOT NULL,
        size_bytes bigint NOT NULL,
        stored_bytes bigint NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT job_results_pk PRIMARY KEY (job_id)
      )`);
    await runner.query(`CREATE UNIQUE INDEX job_results_by_content ON job_results (content_id)`);
    // The chunks are compressed already: EXTERNAL keeps PostgreSQL from trying once more.
    await runner.query(`
      CREATE TABLE result_chunks (
        content_id uuid NOT NULL,
        seq integer NOT NULL,
        bytes bytea NOT NULL,
        CONSTRAINT result_chunks_pk PRIMARY KEY (content_id, seq)
      )`);
    await runner.query(`ALTER TABLE result_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL`);

    await runner.query(`
      CREATE TABLE callbacks (
        id bigint GENERATED ALWAYS AS IDENTITY,
        job_id uuid NOT NULL,
        upstream_id text NOT NULL,
        status text NOT NULL,
        proved_by text NOT NULL,
        client_address text NOT NULL,
        deliveries integer NOT NULL DEFAULT 1,
        received_at timestamptz NOT NULL DEFAULT now(),
        last_received_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT callbacks_pk PRIMARY KEY (id)
      )`);
    await runner.query(`
      CREATE UNIQUE INDEX callbacks_message ON callbacks (job_id, upstream_id, status)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE callbacks`);
    await runner.query(`DROP TABLE result_chunks`);
    await runner.query(`DROP TABLE job_results`);
    await runner.query(`DROP TABLE job_events`);
    await runner.query(`DROP TABLE jobs`);
    await runner.query(`DROP TABLE api_keys`);
  }
}
