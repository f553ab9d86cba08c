import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { REFUSAL_REASONS } from '../../src/audit/refusal-reasons.js';
import { REFUSAL_CAUSES } from '../../src/audit/refusal.js';
import { tablesUnder } from '../support/markdown.js';

it('repeats the table of refusal reasons in the runbook', () => {
  const rows = tablesUnder(readFileSync('docs/runbook.md', 'utf8'), 'Reason').map((cells) =>
    cells.map((cell) => cell.replaceAll('\\', '')),
  );
  expect(rows).toEqual(
    REFUSAL_CAUSES.map((cause) => {
      const { why, remedies } = REFUSAL_REASONS[cause];
      return [`\`${cause}\``, why, remedies.join(' ')];
    }),
  );
});
