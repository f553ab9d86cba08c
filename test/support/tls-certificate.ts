import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SelfSigned {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** The path of the certificate, to trust it. */
  readonly file: string;
  readonly remove: () => void;
}

/** A self-signed certificate, made by OpenSSL. `name` is a subject alternative name such as `IP:127.0.0.1`. */
export function selfSigned(name: string, days = 100): SelfSigned {
  const directory = mkdtempSync(join(tmpdir(), 'certificate-'));
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
      .concat(['-keyout', key, '-out', cert, '-days', String(days), '-subj', '/CN=test'])
      .concat(['-addext', `subjectAltName=${name}`]),
    { stdio: 'ignore' },
  );
  return {
    key: readFileSync(key),
    cert: readFileSync(cert),
    file: cert,
    remove: () => rmSync(directory, { recursive: true }),
  };
}

export function withoutOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return false;
  } catch {
    process.stdout.write('openssl is missing: tests with certificates are skipped\n');
    return true;
  }
}
