import { statfs } from 'node:fs/promises';
import type { Settings } from '../platform/config/settings.js';
import { fail, ok, warn, type Finding } from './finding.js';

const GIGABYTE = 1024 ** 3;

/** Room for the embedded database. Of a server elsewhere, the disk cannot be seen from here. */
export async function checkDisk(settings: Settings): Promise<Finding[]> {
  const { DATA_DIR: directory } = settings;
  const { bavail, bsize } = await statfs(directory);
  const free = (bavail * bsize) / GIGABYTE;
  const message = `${free.toFixed(1)} GB are free for the embedded database in ${directory}`;
  const fix = 'make room, or set DATA_DIR to a larger disk';
  if (free < 0.2) return [fail('disk', message, fix)];
  return [free < 2 ? warn('disk', message, fix) : ok('disk', message)];
}
