import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { isRecord } from './json/is-record.js';

/** The version of the gateway. */
export function packageVersion(): string {
  const path = findPackageJSON(import.meta.url);
  const content: unknown = path === undefined ? {} : JSON.parse(readFileSync(path, 'utf8'));
  return isRecord(content) ? String(content['version']) : '';
}
