import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { Settings } from '../../src/platform/config/settings.js';
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.js';
import { Client } from 'pg';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

/** The migrated database of which every test database is a copy. */
export const TEMPLATE = 'gateway_template';

/** Starts one PostgreSQL server for the whole run, in a temporary directory. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-test-'));
  const server = await startEmbeddedPostgres(directory, [
    '-c',
    'fsync=off',
    '-c',
    'max_connections=300',
  ]);
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await makeTemplate(server.url);
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide('databaseUrl', server.url);
  return stop;
}

async function makeTemplate(serverUrl: string): Promise<void> {
  const admin = new Client({ connectionString: serverUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${TEMPLATE}`);
  await admin.end();
  const { migrateTemplate } = await import('./migrate-template.js');
  await migrateTemplate(Settings.load({ DATABASE_URL: databaseUrl(serverUrl, TEMPLATE) }));
}

export function databaseUrl(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}
