import type { MigrationInterface, QueryRunner } from 'typeorm';

const RENAMED_COLUMNS: readonly (readonly [table: string, from: string, to: string])[] = [
  ['jobs', 'looks', 'polls'],
  ['jobs', 'claim', 'lease'],
  ['jobs', 'looking', 'polling'],
  ['jobs', 'hinted', 'poll_requested'],
  ['jobs', 'claimed_upstream_id', 'asserted_upstream_id'],
  ['alerts', 'figures', 'evidence'],
  ['api_keys', 'hint', 'prefix'],
  ['alerts', 'hurried_at', 'expedited_at'],
  ['upstream_rate', 'next_turn_at', 'next_permit_at'],
  ['upstream_rate', 'held_until', 'cool_down_until'],
  ['upstream_rate', 'troubles', 'failures'],
];

/**
 * Renames columns and tables to the field's terms. Processes of an earlier version do not know the new names: stop
 * them before this migration runs.
 */
export class FieldTerms1790850000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE upstream_pace RENAME TO upstream_rate`);
    await runner.query(
      `ALTER TABLE upstream_rate RENAME CONSTRAINT upstream_pace_pk TO upstream_rate_pk`,
    );
    await runner.query(`ALTER TABLE retention_turn RENAME TO retention_lease`);
    for (const part of ['pk', 'single']) {
      await runner.query(
        `ALTER TABLE retention_lease RENAME CONSTRAINT retention_turn_${part} TO retention_lease_${part}`,
      );
    }
    for (const [table, from, to] of RENAMED_COLUMNS) {
      await runner.query(`ALTER TABLE ${table} RENAME COLUMN ${from} TO ${to}`);
    }
    await runner.query(`
      UPDATE job_events
         SET type = 'polled',
             detail = CASE WHEN detail ? 'nextLookInSeconds'
                           THEN detail - 'nextLookInSeconds'
                                || jsonb_build_object('nextPollInSeconds', detail->'nextLookInSeconds')
                           ELSE detail END
       WHERE type = 'looked'`);
    await computeJobId(runner, 'assertedJobId');
  }

  async down(runner: QueryRunner): Promise<void> {
    await computeJobId(runner, 'claimedJobId');
    await runner.query(`
      UPDATE job_events
         SET type = 'looked',
             detail = CASE WHEN detail ? 'nextPollInSeconds'
                           THEN detail - 'nextPollInSeconds'
                                || jsonb_build_object('nextLookInSeconds', detail->'nextPollInSeconds')
                           ELSE detail END
       WHERE type = 'polled'`);
    for (const [table, from, to] of RENAMED_COLUMNS.toReversed()) {
      await runner.query(`ALTER TABLE ${table} RENAME COLUMN ${to} TO ${from}`);
    }
    for (const part of ['pk', 'single']) {
      await runner.query(
        `ALTER TABLE retention_lease RENAME CONSTRAINT retention_lease_${part} TO retention_turn_${part}`,
      );
    }
    await runner.query(`ALTER TABLE retention_lease RENAME TO retention_turn`);
    await runner.query(
      `ALTER TABLE upstream_rate RENAME CONSTRAINT upstream_rate_pk TO upstream_pace_pk`,
    );
    await runner.query(`ALTER TABLE upstream_rate RENAME TO upstream_pace`);
  }
}

/** PostgreSQL 15 cannot change the expression of a computed column. */
async function computeJobId(runner: QueryRunner, asserted: string): Promise<void> {
  await runner.query(`ALTER TABLE audit_entries DROP COLUMN job_id`);
  await runner.query(`
    ALTER TABLE audit_entries
      ADD COLUMN job_id text GENERATED ALWAYS AS (coalesce(data->>'jobId', data->>'${asserted}')) STORED`);
  await runner.query(`
    CREATE INDEX audit_entries_by_job ON audit_entries (job_id, id) WHERE job_id IS NOT NULL`);
}
