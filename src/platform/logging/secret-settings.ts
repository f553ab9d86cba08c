import { SETTING_TABLE, type SettingName } from '../config/setting-table.js';
import type { Settings } from '../config/settings.js';
import { neverPrint } from './redaction.js';

/** Redacts the secrets among the settings in all logs. */
export function neverPrintSettings(settings: Settings): void {
  for (const name of Object.keys(SETTING_TABLE) as SettingName[]) {
    if (SETTING_TABLE[name].secret) secretTexts(settings[name]).forEach(neverPrint);
  }
  if (settings.DATABASE_URL !== undefined) {
    const { password } = new URL(settings.DATABASE_URL);
    neverPrint(password);
    neverPrint(unescape(password));
  }
}

/** Decodes like PostgreSQL's driver, which keeps a bare percent sign. */
function unescape(password: string): string {
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}

function secretTexts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Buffer.isBuffer(value)) return [value.toString('base64'), value.toString('base64url')];
  if (Array.isArray(value)) return value.flatMap(secretTexts);
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(secretTexts);
  return [];
}
