import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The files that results link to. Their bytes are chunks as those of results. Beside a running older version: a nullable
 * column without default rewrites nothing, and the table is new.
 */
export class JobFiles1790950000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE job_files (
        job_id uuid NOT NULL,
        name text COLLATE "C" NOT NULL,
        content_id uuid NOT NULL,
        content_type text NOT NULL,
        size_bytes bigint NOT NULL,
        sha256 text NOT NULL,
        CONSTRAINT job_files_pk PRIMARY KEY (job_id, name)
      )`);
    await runner.query(`CREATE UNIQUE INDEX job_files_by_content ON job_files (content_id)`);
    await runner.query(`ALTER TABLE jobs ADD COLUMN missing_files jsonb`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs DROP COLUMN missing_files`);
    await runner.query(`DROP TABLE job_files`);
  }
}
