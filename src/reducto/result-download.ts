import { lookup as dnsLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, buildConnector, fetch, type Response } from 'undici';
import { isPrivateAddress } from '../platform/config/private-host.js';
import { Settings } from '../platform/config/settings.js';

/** Why a result could not be downloaded, in words without the URL: its query is a credential. */
export class ResultDownloadError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ResultDownloadError';
  }
}

const MAX_REDIRECTS = 3;

/**
 * Downloads results that Reducto hands out as a URL. The URL comes from outside and, through an
 * extraction, perhaps from a document: unless `RESULT_URL_HOSTS` names the host, it must not lead to a
 * private address. That is checked when the connection is made, so that neither a redirect nor a
 * DNS name that changes its mind gets around it.
 */
@Injectable()
export class ResultDownload implements OnApplicationShutdown {
  private readonly agent: Agent;

  constructor(private readonly settings: Settings) {
    const connect = buildConnector({ timeout: 10_000 });
    const guarded = buildConnector({ timeout: 10_000, lookup: lookupPublic });
    this.agent = new Agent({
      headersTimeout: 60_000,
      bodyTimeout: 60_000,
      connect: (options, callback) => {
        const host = options.hostname.replace(/^\[|\]$/g, '');
        if (this.isNamed(host)) return connect(options, callback);
        if (isPrivateAddress(host))
          return callback(new ResultDownloadError(privateMessage(host)), null);
        return guarded(options, callback);
      },
    });
  }

  /** The bytes behind `address`, decompressed, at most `RESULT_MAX_BYTES`. Throws `ResultDownloadError`. */
  async *read(address: string): AsyncGenerator<Buffer> {
    const signal = AbortSignal.timeout(this.settings.RESULT_TIMEOUT_SECONDS * 1000);
    try {
      const response = await this.open(address, signal);
      let size = 0;
      for await (const part of response.body ?? []) {
        const bytes = Buffer.from(part as Uint8Array);
        size += bytes.length;
        if (size > this.settings.RESULT_MAX_BYTES) {
          throw new ResultDownloadError('the result is larger than RESULT_MAX_BYTES');
        }
        yield bytes;
      }
    } catch (error) {
      throw readable(error, signal);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }

  private async open(address: string, signal: AbortSignal): Promise<Response> {
    let url = this.checked(address);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const response = await fetch(url, { dispatcher: this.agent, redirect: 'manual', signal });
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location !== null) {
        await response.body?.cancel();
        url = this.checked(new URL(location, url).href);
        continue;
      }
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new ResultDownloadError(`the host of the result answered ${response.status}`);
      }
      return response;
    }
    throw new ResultDownloadError('the host of the result redirects without end');
  }

  private checked(address: string): URL {
    if (!URL.canParse(address)) throw new ResultDownloadError('the URL of the result is not valid');
    const url = new URL(address);
    const named = this.isNamed(url.hostname.replace(/^\[|\]$/g, ''));
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && named)) {
      throw new ResultDownloadError('the URL of the result is not https');
    }
    if (this.settings.RESULT_URL_HOSTS.length > 0 && !named) {
      throw new ResultDownloadError(`the host ${url.hostname} is not in RESULT_URL_HOSTS`);
    }
    return url;
  }

  /** Whether the operator vouches for this host: listed, or that of Reducto itself. */
  private isNamed(host: string): boolean {
    const name = host.toLowerCase();
    if (name === this.settings.REDUCTO_BASE_URL.hostname.replace(/^\[|\]$/g, '')) return true;
    return this.settings.RESULT_URL_HOSTS.some((allowed) =>
      allowed.startsWith('*.')
        ? name.endsWith(allowed.slice(1))
        : name === allowed.replace(/^\[|\]$/g, ''),
    );
  }
}

const lookupPublic: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, options, (error, address, family) => {
    const addresses = Array.isArray(address) ? address.map((entry) => entry.address) : [address];
    const refused = error === null && addresses.some((entry) => isPrivateAddress(entry));
    callback(refused ? new ResultDownloadError(privateMessage(hostname)) : error, address, family);
  });
};

function privateMessage(host: string): string {
  return `the host ${host} of the result has a private address; name it in RESULT_URL_HOSTS if that is right`;
}

function readable(error: unknown, signal: AbortSignal): Error {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ResultDownloadError) return cause;
  }
  if (signal.aborted) return new ResultDownloadError('the download of the result took too long');
  return new ResultDownloadError('the download of the result broke off', { cause: error });
}
