import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Events of jobs, the endpoints of services, and the deliveries of events to endpoints. */
export class Events1790960000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs ADD channels text[]`);
    await runner.query(
      `CREATE TABLE event_outbox (job_id uuid NOT NULL, metadata text, CONSTRAINT event_outbox_pk PRIMARY KEY (job_id))`,
    );
    await runner.query(`
      CREATE TABLE events (
        id uuid NOT NULL,
        position bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
        service text NOT NULL,
        type text NOT NULL,
        job_id uuid,
        endpoint_id uuid,
        body text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT events_pk PRIMARY KEY (id))`);
    await runner.query(`CREATE UNIQUE INDEX events_by_service ON events (service, position)`);
    await runner.query(
      `CREATE UNIQUE INDEX events_by_job ON events (job_id) WHERE job_id IS NOT NULL`,
    );
    // UUIDv7 by the clock of the database; PostgreSQL has its own from version 18 on.
    await runner.query(`
      CREATE FUNCTION new_event_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
        SELECT encode(
          set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
              PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
              FROM 1 FOR 6),
            52, 1), 53, 1), 'hex')::uuid
      $$`);
    await runner.query(`
      CREATE TABLE endpoints (
        id uuid NOT NULL,
        service text NOT NULL,
        url text NOT NULL,
        description text,
        event_types text[],
        channels text[],
        job_types text[],
        metadata text,
        headers text,
        rate_limit_per_second integer,
        retry_schedule double precision[],
        include_result boolean NOT NULL DEFAULT false,
        svix_headers boolean NOT NULL DEFAULT false,
        secret text NOT NULL,
        previous_secret text,
        previous_secret_until timestamptz,
        enabled boolean NOT NULL DEFAULT true,
        disabled_reason text,
        disabled_at timestamptz,
        failing_since timestamptz,
        consecutive_failures integer NOT NULL DEFAULT 0,
        paused_until timestamptz,
        last_success_at timestamptz,
        last_failure_at timestamptz,
        next_send_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT endpoints_pk PRIMARY KEY (id)) WITH (fillfactor = 50)`);
    await runner.query(`CREATE INDEX endpoints_by_service ON endpoints (service, id)`);
    await runner.query(`
      CREATE TABLE deliveries (
        event_id uuid NOT NULL,
        endpoint_id uuid NOT NULL,
        status text NOT NULL DEFAULT 'pending',
        attempts integer NOT NULL DEFAULT 0,
        failures integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz,
        lease uuid,
        worker integer,
        created_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        CONSTRAINT deliveries_pk PRIMARY KEY (event_id, endpoint_id))`);
    await runner.query(
      `CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_attempt_at) WHERE status = 'pending'`,
    );
    await runner.query(
      `CREATE INDEX deliveries_leased ON deliveries (endpoint_id) WHERE lease IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX deliveries_failed ON deliveries (endpoint_id, event_id) WHERE status = 'failed'`,
    );
    await runner.query(`
      CREATE TABLE delivery_attempts (
        event_id uuid NOT NULL,
        id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
        endpoint_id uuid NOT NULL,
        attempt integer NOT NULL,
        at timestamptz NOT NULL,
        duration_ms integer NOT NULL,
        status integer,
        error_code text,
        error text,
        response_headers text,
        response_body text,
        process text NOT NULL,
        CONSTRAINT delivery_attempts_pk PRIMARY KEY (event_id, id))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE delivery_attempts`);
    await runner.query(`DROP TABLE deliveries`);
    await runner.query(`DROP TABLE endpoints`);
    await runner.query(`DROP FUNCTION new_event_id`);
    await runner.query(`DROP TABLE events`);
    await runner.query(`DROP TABLE event_outbox`);
    await runner.query(`ALTER TABLE jobs DROP channels`);
  }
}
