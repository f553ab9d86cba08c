import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tokenKeys, type TokenKey } from '../platform/config/setting-kinds.js';

/** Kept between starts, so that callbacks of jobs from before a restart are still good. */
export async function localTokenKeys(directory: string): Promise<readonly TokenKey[]> {
  const path = join(directory, 'token-keys');
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined) return tokenKeys(kept.trim());
  const made = `1:${randomBytes(32).toString('base64')}`;
  await writeFile(path, `${made}\n`, { mode: 0o600 });
  return tokenKeys(made);
}
