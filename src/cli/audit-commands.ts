import { CommandError } from './command-error.js';
import { withContext } from './command-context.js';
import { print } from './print.js';

/** Verifies the audit chain, and that it contains the head `since` from the log. */
export function verifyAudit({ since }: { readonly since?: string }): Promise<void> {
  return withContext(async ({ verifier }) => {
    const { state, rows, firstBroken, reason, head } = await verifier.verify(since);
    const where = firstBroken === null ? '' : `entry ${firstBroken}: `;
    if (state === 'unverifiable') {
      throw new CommandError(
        `The audit could not be verified: ${where}${reason}. Add the key to AUDIT_KEYS again and repeat.`,
      );
    }
    if (state === 'changed') {
      throw new CommandError(
        `The audit is not intact: ${where}${reason}. Compare it with a backup; see docs/audit.md.`,
      );
    }
    const contained = since === undefined ? '' : ' It contains the given head.';
    print(`The audit is intact: ${rows} entries, none changed, missing, or cut off.${contained}`);
    print(`Head: ${head}`);
  });
}
