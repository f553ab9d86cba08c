import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Requests and metadata are kept as the text in which they came: jsonb sorts names, rewrites numbers, and refuses
 * escapes such as `\u0000`. Going back drops the few that jsonb cannot hold.
 */
export class RequestsAsText1790750000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE jobs
        ALTER COLUMN request TYPE text USING request::text,
        ALTER COLUMN metadata TYPE text USING metadata::text,
        ALTER COLUMN request_hash DROP NOT NULL,
        ADD COLUMN refers_to_jobs boolean NOT NULL DEFAULT false`);
    await runner.query(`UPDATE jobs SET refers_to_jobs = true WHERE request ILIKE '%jobid://%'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`UPDATE jobs SET request_hash = '' WHERE request_hash IS NULL`);
    await runner.query(`
      ALTER TABLE jobs
        ALTER COLUMN request TYPE jsonb
          USING CASE WHEN pg_input_is_valid(request, 'jsonb') THEN request::jsonb END,
        ALTER COLUMN metadata TYPE jsonb
          USING CASE WHEN pg_input_is_valid(metadata, 'jsonb') THEN metadata::jsonb END,
        ALTER COLUMN request_hash SET NOT NULL,
        DROP COLUMN refers_to_jobs`);
  }
}
