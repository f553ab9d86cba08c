import type { DataSource } from 'typeorm';

/** The statements that turn the schema of the migrations into that of the entities, and back. */
export interface SchemaDrift {
  readonly up: readonly string[];
  readonly down: readonly string[];
}

/** Compares the entities of `dataSource` with its migrated database, and changes nothing. */
export async function findSchemaDrift(dataSource: DataSource): Promise<SchemaDrift> {
  const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log();
  return {
    up: upQueries.map(({ query }) => query),
    down: downQueries.map(({ query }) => query).toReversed(),
  };
}

/** A migration for `drift`; `name` is lower case with hyphens. */
export function toMigration(
  drift: SchemaDrift,
  name: string,
  timestamp: number,
): { className: string; source: string } {
  const words = name.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  const className = `${words.join('')}${timestamp}`;
  const calls = (statements: readonly string[]): string =>
    statements.map((sql) => `    await runner.query(\`${escapeTemplate(sql)}\`);\n`).join('');
  const source =
    `import type { MigrationInterface, QueryRunner } from 'typeorm';\n\n` +
    `export class ${className} implements MigrationInterface {\n` +
    `  async up(runner: QueryRunner): Promise<void> {\n${calls(drift.up)}  }\n\n` +
    `  async down(runner: QueryRunner): Promise<void> {\n${calls(drift.down)}  }\n}\n`;
  return { className, source };
}

/** `index` (the text of `migrations/index.ts`) with one more migration at its end. */
export function withMigration(index: string, className: string, file: string): string {
  const line = `import { ${className} } from './${file}.js';\n`;
  return index
    .replace(/\n\/\*\* All migrations/, () => `${line}\n/** All migrations`)
    .replace(/\];\n$/, () => `  ${className},\n];\n`);
}

function escapeTemplate(sql: string): string {
  return sql.replaceAll(/[\\`]|\$\{/g, (text) => `\\${text}`);
}
