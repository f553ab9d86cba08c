import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Ids of events are their order in the feed, so a cursor needs no row. They are UUIDv7 by the clock of the database, in
 * units of 1/4096 ms, and increase also if the clock is set back. Filters for rare types and failed deliveries have indexes.
 */
export class EventOrder1790980000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE SEQUENCE event_times`);
    await runner.query(`
      SELECT setval('event_times', ('x0' || substr(hex, 1, 12) || substr(hex, 14, 3))::bit(64)::bigint)
        FROM (SELECT replace(id::text, '-', '') AS hex FROM events ORDER BY id DESC LIMIT 1) AS newest`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION new_event_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
        SELECT (overlay(lpad(to_hex(setval('event_times', greatest(
                   nextval('event_times'), floor(extract(epoch FROM clock_timestamp()) * 4096000)::bigint))), 15, '0')
                 PLACING '7' FROM 13 FOR 0) || substr(gen_random_uuid()::text, 20))::uuid
      $$`);
    await runner.query(`ALTER TABLE events DROP COLUMN position`);
    await runner.query(`CREATE INDEX events_by_service ON events (service, id)`);
    for (const [name, columns] of [
      ['events_by_type', 'type, id'],
      ['events_by_service_and_type', 'service, type, id'],
    ] as const) {
      await runner.query(
        `CREATE INDEX ${name} ON events (${columns}) WHERE type <> 'job.completed'`,
      );
    }
    await runner.query(
      `CREATE INDEX deliveries_failed_by_event ON deliveries (event_id) WHERE status = 'failed'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX deliveries_failed_by_event`);
    await runner.query(`DROP INDEX events_by_service_and_type`);
    await runner.query(`DROP INDEX events_by_type`);
    await runner.query(`DROP INDEX events_by_service`);
    await runner.query(
      `ALTER TABLE events ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY NOT NULL`,
    );
    await runner.query(`CREATE UNIQUE INDEX events_by_service ON events (service, position)`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION new_event_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
        SELECT encode(
          set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
              PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
              FROM 1 FOR 6),
            52, 1), 53, 1), 'hex')::uuid
      $$`);
    await runner.query(`DROP SEQUENCE event_times`);
  }
}
