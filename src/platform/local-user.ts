import { userInfo } from 'node:os';

/** The user of the operating system; a container may have none with a name. */
export function localUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
