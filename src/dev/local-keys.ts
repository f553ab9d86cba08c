import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tokenKeys, type TokenKey } from '../platform/config/setting-kinds.js';
import type { Settings } from '../platform/config/settings.js';

/**
 * `settings` with the keys that a local gateway makes for itself and keeps between starts: callbacks of jobs
 * from before a restart are still good, and the audit can be verified. In production they must be given.
 */
export async function withLocalKeys(settings: Settings): Promise<Settings> {
  const { DATA_DIR: directory, TOKEN_KEYS, AUDIT_KEYS } = settings;
  return settings.with({
    TOKEN_KEYS: TOKEN_KEYS ?? (await localKeys(directory, 'token-keys')),
    AUDIT_KEYS: AUDIT_KEYS ?? (await localKeys(directory, 'audit-keys')),
  });
}

async function localKeys(directory: string, name: string): Promise<readonly TokenKey[]> {
  const path = join(directory, name);
  await mkdir(directory, { recursive: true });
  const made = `${path}.${randomBytes(6).toString('hex')}`;
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined) return tokenKeys(kept.trim());
  await writeFile(made, `1:${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  // Of two processes that start at once, both use the file of the first.
  await link(made, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await unlink(made);
  return tokenKeys((await readFile(path, 'utf8')).trim());
}
