import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
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
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
  expect(upQueries.map(({ query }) => query)).toEqual([]);
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
