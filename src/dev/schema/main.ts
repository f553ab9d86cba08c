import 'reflect-metadata';
import { glob, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataSource } from 'typeorm';
import { Settings } from '../../platform/config/settings.js';
import { dataSourceOptions } from '../../platform/database/data-source-options.js';
import { startEmbeddedPostgres } from '../embedded-postgres.js';
import { findSchemaDrift, toMigration, withMigration, type SchemaDrift } from './schema-drift.js';

/*
 * `check` compares the entities with the migrations; `generate <name>` writes the missing migration. Both run all
 * migrations on a temporary server, so that they need no database and change none.
 */

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const INDEX = join(ROOT, 'migrations/index.ts');
const USAGE = 'npm run migration:generate -- <name>, for example: add-job-urgency';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const [command, name = ''] = process.argv.slice(2);
if (command === 'generate' && !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
  say(`A migration needs a name in lower case with hyphens: ${USAGE}`);
  process.exitCode = 1;
} else {
  const drift = await driftOfSources();
  if (command === 'generate') await generate(drift);
  else report(drift);
}

async function driftOfSources(): Promise<SchemaDrift> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-schema-'));
  const server = await startEmbeddedPostgres(directory, ['-c', 'fsync=off']);
  try {
    const settings = Settings.load({ DATABASE_URL: server.url, DATABASE_POOL_SIZE: '2' });
    const options = dataSourceOptions(settings, () => undefined, 'migrations');
    const dataSource = new DataSource({ ...options, entities: await entities() });
    await dataSource.initialize();
    try {
      await dataSource.runMigrations();
      return await findSchemaDrift(dataSource);
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Those of the sources: `dist` may hold compiled files whose source is deleted. */
async function entities(): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob('src/**/*.entity.ts', { cwd: ROOT })) {
    files.push(join(ROOT, 'dist', file.replace(/\.ts$/, '.js')));
  }
  return files;
}

function report({ up }: SchemaDrift): void {
  if (up.length === 0) {
    say('The entities and the migrations describe the same schema.');
    return;
  }
  say(
    'The entities differ from the migrations. To match the entities, a migration would have to run:\n',
  );
  for (const sql of up) say(`  ${sql};`);
  say(`\nChange the entities, or write a migration: ${USAGE}`);
  process.exitCode = 1;
}

async function generate(drift: SchemaDrift): Promise<void> {
  if (drift.up.length === 0) {
    say('The entities and the migrations describe the same schema: there is nothing to write.');
    process.exitCode = 1;
    return;
  }
  const timestamp = Date.now();
  const { className, source } = toMigration(drift, name, timestamp);
  const file = `${timestamp}-${name}`;
  const path = `migrations/${file}.ts`;
  await writeFile(join(ROOT, path), source, { flag: 'wx' });
  await writeFile(INDEX, withMigration(await readFile(INDEX, 'utf8'), className, file));
  say(
    `${path} is written and listed in migrations/index.ts. Read its statements, and say why in a comment.`,
  );
}
