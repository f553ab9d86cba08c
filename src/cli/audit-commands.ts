import { CommandError } from './command-error.js';
import { withContext } from './command-context.js';
import { print } from './print.js';

export function verifyAudit(): Promise<void> {
  return withContext(async ({ verifier }) => {
    const { ok, rows, firstBroken, reason } = await verifier.verify();
    if (!ok) {
      throw new CommandError(
        `The audit is not whole: entry ${firstBroken}: ${reason}. Compare it with a backup.`,
      );
    }
    print(`The audit is whole: ${rows} entries, none changed, missing or cut off.`);
  });
}
