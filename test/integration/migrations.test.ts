import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { MIGRATIONS } from '../../migrations/index.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findSchemaDrift } from '../../src/dev/schema/schema-drift.js';
import { Settings } from '../../src/platform/config/settings.js';
import { dataSourceOptions } from '../../src/platform/database/data-source-options.js';
import { newDatabase } from '../support/gateway.js';

const modules = import.meta.glob<Record<string, new () => object>>('../../src/**/*.entity.ts', {
  eager: true,
});
const entities = Object.values(modules).flatMap((module) =>
  Object.values(module).filter((item) => typeof item === 'function'),
);

let dataSource: DataSource;
let database: Awaited<ReturnType<typeof newDatabase>>;

beforeAll(async () => {
  database = await newDatabase();
  const options = dataSourceOptions(
    Settings.load({ DATABASE_URL: database.url, DATABASE_POOL_SIZE: '2' }),
    () => undefined,
  );
  dataSource = await new DataSource({ ...options, entities }).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

it('leave exactly the schema that the entities describe', async () => {
  expect(entities.length).toBeGreaterThan(4);
  expect((await findSchemaDrift(dataSource)).up).toEqual([]);
});

it('report a difference to the entities as statements in both directions', async () => {
  await dataSource.query('ALTER TABLE jobs ADD COLUMN stray text');
  await expect(findSchemaDrift(dataSource)).resolves.toEqual({
    up: ['ALTER TABLE "jobs" DROP COLUMN "stray"'],
    down: ['ALTER TABLE "jobs" ADD "stray" text'],
  });
  await dataSource.query('ALTER TABLE jobs DROP COLUMN stray');
});

it('go down to an empty schema and up again', async () => {
  const tables = async (): Promise<string[]> => {
    const rows: { name: string }[] = await dataSource.query(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };
  const before = await tables();
  const migrations = dataSource.migrations.length;
  for (let n = 0; n < migrations; n++) await dataSource.undoLastMigration();
  expect(await tables()).toEqual(['schema_migrations']);
  await dataSource.runMigrations();
  expect(await tables()).toEqual(before);
});

/** All that makes up the schema, as text; sorted, so that two can be compared. */
const SCHEMA = `
  SELECT concat_ws(' ', 'column', table_name, column_name, data_type, is_nullable, column_default,
                   is_identity, generation_expression) AS part
    FROM information_schema.columns WHERE table_schema = 'public'
  UNION ALL SELECT 'storage ' || attrelid::regclass || ' ' || attname || ' ' || attstorage::text
    FROM pg_attribute WHERE attrelid::regclass::text IN (SELECT tablename FROM pg_tables WHERE schemaname = 'public')
     AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL SELECT 'invalid index ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid
  UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'function ' || pg_get_functiondef(oid)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT 'options ' || relname || ' ' || reloptions::text
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
  ORDER BY 1`;

async function schema(): Promise<string[]> {
  const parts: { part: string }[] = await dataSource.query(SCHEMA);
  return parts.map(({ part }) => part);
}

it('each goes back exactly to where it came from', async () => {
  for (const _ of MIGRATIONS) await dataSource.undoLastMigration();
  const before: string[][] = [];
  for (let count = 1; count <= MIGRATIONS.length; count++) {
    before.push(await schema());
    const upTo = { ...dataSource.options, migrations: MIGRATIONS.slice(0, count) };
    const step = await new DataSource(upTo).initialize();
    expect(await step.runMigrations()).toHaveLength(1);
    await step.destroy();
  }
  for (const schemaBefore of before.toReversed()) {
    await dataSource.undoLastMigration();
    expect(await schema()).toEqual(schemaBefore);
  }
  await dataSource.runMigrations();
});

it('one that works outside a transaction can be repeated after it was broken off', async () => {
  const complete = await schema();
  await dataSource.query(`DELETE FROM schema_migrations WHERE name LIKE 'ResultsByTime%'`);
  await dataSource.runMigrations();
  expect(await schema()).toEqual(complete);
  expect(complete.filter((part) => part.includes('job_results_by_time'))).toHaveLength(1);
});
