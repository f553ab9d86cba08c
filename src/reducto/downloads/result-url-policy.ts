import { lookup as dnsLookup } from 'node:dns';
import { isIPv6, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { isPrivateAddress } from '../../platform/config/private-host.js';
import type { Settings } from '../../platform/config/settings.js';
import { isPublicAddress } from '../../platform/ip-address.js';
import { ResultDownloadError } from '../result-download-error.js';

type HostSettings = Pick<Settings, 'REDUCTO_BASE_URL' | 'RESULT_URL_HOSTS'>;

const HTTPS_PORT = '443';

/**
 * Decides which result URLs the gateway requests (SSRF protection). `check` validates the URL and every redirect;
 * `connector` validates the resolved addresses.
 */
export class ResultUrlPolicy {
  constructor(private readonly settings: HostSettings) {}

  /** Parses `address`; throws `ResultDownloadError` if the policy forbids it. */
  check(address: string, base?: URL): URL {
    if (!URL.canParse(address, base)) {
      throw refused('the URL of the result is not valid');
    }
    const url = new URL(address, base);
    this.checkEndpoint(url.protocol, url.hostname, url.port);
    if (url.username !== '' || url.password !== '') {
      throw refused('the URL of the result contains a user name or password');
    }
    return url;
  }

  /** Whether the operator trusts the endpoint of `address` by name; `undefined` if the policy forbids it. */
  isTrusted(address: string): boolean | undefined {
    if (!URL.canParse(address)) return undefined;
    const { protocol, hostname, port } = new URL(address);
    try {
      return this.checkEndpoint(protocol, hostname, port);
    } catch {
      return undefined;
    }
  }

  /** Connector for undici. A host that is not trusted by name must have only public addresses. */
  connector(options: buildConnector.BuildOptions): buildConnector.connector {
    const connectTrusted = buildConnector(options);
    const connectPublic = buildConnector({ ...options, lookup: lookupPublic });
    return (target, callback) => {
      try {
        // undici passes an IPv6 address without brackets.
        const hostname = isIPv6(target.hostname) ? `[${target.hostname}]` : target.hostname;
        const isTrusted = this.checkEndpoint(target.protocol, hostname, target.port);
        (isTrusted ? connectTrusted : connectPublic)(target, callback);
      } catch (error) {
        callback(error instanceof Error ? error : new Error(String(error)), null);
      }
    };
  }

  /** Whether the operator trusts the endpoint by name. Throws if it is neither trusted nor public https. */
  private checkEndpoint(protocol: string, hostname: string, givenPort: string): boolean {
    // A trailing dot names the same host.
    if (!/^https?:$/.test(protocol) || hostname.endsWith('.')) {
      throw refused('the URL of the result is not https, or has no valid host');
    }
    const port = givenPort === '' ? defaultPort(protocol) : givenPort;
    if (this.isReducto(protocol, hostname, port) || this.isListed(protocol, hostname, port)) {
      return true;
    }
    const endpoint = `${hostname}:${port}`;
    if (this.settings.RESULT_URL_HOSTS.length > 0) {
      throw refused(`${endpoint} of the result is not in RESULT_URL_HOSTS`);
    }
    if (isPrivateAddress(hostname.replace(/^\[|\]$/g, ''))) throw privateAddress(hostname);
    if (protocol !== 'https:' || port !== HTTPS_PORT) {
      throw refused(
        `the URL of the result is not https on port 443; name ${endpoint} in RESULT_URL_HOSTS if that is right`,
      );
    }
    return false;
  }

  /** The host of Reducto’s API, also by https on the standard port. */
  private isReducto(protocol: string, hostname: string, port: string): boolean {
    const base = this.settings.REDUCTO_BASE_URL;
    if (hostname !== base.hostname) return false;
    if (protocol === 'https:' && port === HTTPS_PORT) return true;
    return protocol === base.protocol && port === (base.port || defaultPort(protocol));
  }

  /** An entry with a port of its own also allows plain http there. */
  private isListed(protocol: string, hostname: string, port: string): boolean {
    if (protocol === 'http:' && port === HTTPS_PORT) return false;
    const endpoint = `${hostname}:${port}`;
    return this.settings.RESULT_URL_HOSTS.some((entry) =>
      entry.startsWith('*.') ? endpoint.endsWith(entry.slice(1)) : endpoint === entry,
    );
  }
}

function refused(message: string): ResultDownloadError {
  return new ResultDownloadError(message, { isFinal: true });
}

function defaultPort(protocol: string): string {
  return protocol === 'http:' ? '80' : HTTPS_PORT;
}

/** Refuses a name as a whole if one of its addresses is not public. */
const lookupPublic: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, options, (error, address, family) => {
    const addresses = Array.isArray(address) ? address.map((entry) => entry.address) : [address];
    const isRefused = error === null && !addresses.every(isPublicAddress);
    callback(isRefused ? privateAddress(hostname) : error, address, family);
  });
};

function privateAddress(hostname: string): ResultDownloadError {
  return refused(
    `the host ${hostname} of the result has a private address; name it in RESULT_URL_HOSTS if that is right`,
  );
}
