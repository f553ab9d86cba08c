import { expect, it } from 'vitest';
import { toMigration, withMigration } from '../../src/dev/schema/schema-drift.js';

const DRIFT = {
  up: ['ALTER TABLE "jobs" ADD "cost" text', 'COMMENT ON COLUMN "jobs"."cost" IS \'`${x}\\\''],
  down: ['ALTER TABLE "jobs" DROP COLUMN "cost"'],
};

it('writes a migration with the statements of both directions', () => {
  const { className, source } = toMigration(DRIFT, 'add-job-cost', 1790000000000);
  expect(className).toBe('AddJobCost1790000000000');
  const [up, down] = source.split('async down');
  expect(up).toContain('await runner.query(`ALTER TABLE "jobs" ADD "cost" text`);');
  expect(down).toContain('await runner.query(`ALTER TABLE "jobs" DROP COLUMN "cost"`);');
});

it('escapes what a template literal would interpret', () => {
  const { source } = toMigration(DRIFT, 'add-job-cost', 1790000000000);
  expect(source).toContain("IS '\\`\\${x}\\\\'`");
});

it('lists a new migration last', () => {
  const index = `import { A1 } from './1-a.js';\n\n/** All migrations. */\nexport const MIGRATIONS = [\n  A1,\n];\n`;
  expect(withMigration(index, 'B2', '2-b')).toBe(
    `import { A1 } from './1-a.js';\nimport { B2 } from './2-b.js';\n\n/** All migrations. */\n` +
      `export const MIGRATIONS = [\n  A1,\n  B2,\n];\n`,
  );
});
