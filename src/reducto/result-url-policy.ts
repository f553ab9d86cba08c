import { lookup as dnsLookup } from 'node:dns';
import { isIPv6, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { isPrivateAddress } from '../platform/config/private-host.js';
import type { Settings } from '../platform/config/settings.js';
import { isPublicAddress } from '../platform/ip-address.js';
import { ResultDownloadError } from './result-download-error.js';

type HostSettings = Pick<Settings, 'REDUCTO_BASE_URL' | 'RESULT_URL_HOSTS'>;

const HTTPS_PORT = '443';

/**
 * Which URLs the gateway follows to a result. A URL comes from outside, perhaps out of a document. `check` judges it
 * before the request and after every redirect; `connector` judges the address that the host resolves to.
 */
export class ResultUrlPolicy {
  constructor(private readonly settings: HostSettings) {}

  /** Returns the URL in `address`; throws `ResultDownloadError` where the policy forbids it. */
  check(address: string, base?: URL): URL {
    if (!URL.canParse(address, base)) {
      throw new ResultDownloadError('the URL of the result is not valid');
    }
    const url = new URL(address, base);
    this.checkEndpoint(url.protocol, url.hostname, url.port);
    if (url.username !== '' || url.password !== '') {
      throw new ResultDownloadError('the URL of the result holds a user name or password');
    }
    return url;
  }

  /** Connects for undici. A host that is not trusted by name must have public addresses only. */
  connector(options: buildConnector.BuildOptions): buildConnector.connector {
    const connectTrusted = buildConnector(options);
    const connectPublic = buildConnector({ ...options, lookup: lookupPublic });
    return (target, callback) => {
      try {
        // undici hands over an IPv6 address without the brackets that it has in a URL.
        const hostname = isIPv6(target.hostname) ? `[${target.hostname}]` : target.hostname;
        const isTrusted = this.checkEndpoint(target.protocol, hostname, target.port);
        (isTrusted ? connectTrusted : connectPublic)(target, callback);
      } catch (error) {
        callback(error instanceof Error ? error : new Error(String(error)), null);
      }
    };
  }

  /** Whether the operator trusts the endpoint by name. Throws where it is neither trusted nor public https. */
  private checkEndpoint(protocol: string, hostname: string, givenPort: string): boolean {
    // With a dot at its end a name is the same host, but another text.
    if (!/^https?:$/.test(protocol) || hostname.endsWith('.')) {
      throw new ResultDownloadError('the URL of the result is not https, or has no valid host');
    }
    const port = givenPort === '' ? defaultPort(protocol) : givenPort;
    if (this.isReducto(protocol, hostname, port) || this.isListed(protocol, hostname, port)) {
      return true;
    }
    const endpoint = `${hostname}:${port}`;
    if (this.settings.RESULT_URL_HOSTS.length > 0) {
      throw new ResultDownloadError(`${endpoint} of the result is not in RESULT_URL_HOSTS`);
    }
    if (isPrivateAddress(hostname.replace(/^\[|\]$/g, ''))) throw privateAddress(hostname);
    if (protocol !== 'https:' || port !== HTTPS_PORT) {
      throw new ResultDownloadError(
        `the URL of the result is not https on port 443; name ${endpoint} in RESULT_URL_HOSTS if that is right`,
      );
    }
    return false;
  }

  /** Reducto's own host: where its API is, and by https on the standard port. */
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
  return new ResultDownloadError(
    `the host ${hostname} of the result has a private address; name it in RESULT_URL_HOSTS if that is right`,
  );
}
