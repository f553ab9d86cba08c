import { CommandError } from './command-error.js';
import { withContext } from './command-context.js';
import { print } from './print.js';

/** Verifies the chain of the audit, and that it holds the head `since` from the log. */
export function verifyAudit({ since }: { readonly since?: string }): Promise<void> {
  return withContext(async ({ verifier }) => {
    const { state, rows, firstBroken, reason, head } = await verifier.verify(since);
    const where = firstBroken === null ? '' : `entry ${firstBroken}: `;
    if (state === 'unverifiable') {
      throw new CommandError(
        `The audit could not be verified: ${where}${reason}. Put the key back and verify again.`,
      );
    }
    if (state === 'changed') {
      throw new CommandError(
        `The audit is not whole: ${where}${reason}. Compare it with a backup; see docs/audit.md.`,
      );
    }
    const held = since === undefined ? '' : ' It holds the given head.';
    print(`The audit is whole: ${rows} entries, none changed, missing or cut off.${held}`);
    print(`Head: ${head}`);
  });
}
