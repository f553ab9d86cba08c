import { statfs } from 'node:fs/promises';
import type { Settings } from '../platform/config/settings.js';
import { fail, ok, warn, type Finding } from './finding.js';

const GIGABYTE = 1024 ** 3;

/** Checks the free disk space of the embedded database. */
export async function checkDisk(settings: Settings): Promise<Finding[]> {
  const { DATA_DIR: directory } = settings;
  const { bavail, bsize } = await statfs(directory);
  const free = (bavail * bsize) / GIGABYTE;
  const message = `the embedded database in ${directory} has ${free.toFixed(1)} GB of free disk space`;
  const fix = 'free disk space, or move DATA_DIR to a larger disk';
  if (free < 0.2) return [fail('disk', message, fix)];
  return [free < 2 ? warn('disk', message, fix) : ok('disk', message)];
}
