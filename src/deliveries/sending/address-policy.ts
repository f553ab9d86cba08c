import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Injectable } from '@nestjs/common';
import { buildConnector } from 'undici';
import { isPrivateHost } from '../../platform/config/private-host.js';
import { addressBlock, type AddressBlock } from '../../platform/config/setting-kinds.js';
import { Settings } from '../../platform/config/settings.js';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { isWithin } from '../../platform/http/client-address.js';
import { addressKind, describeKind, type AddressKind } from '../../platform/ip-address.js';
import { withTimeout } from '../../platform/with-timeout.js';
import { AddressResolver } from './address-resolver.js';
import { DatabaseAddress } from './database-address.js';
import { AddressRefusedError, parseEndpointUrl, targetOf, type Target } from './endpoint-url.js';

const LOOPBACK = ['127.0.0.0/8', '::1/128'].map(addressBlock);

/** What an operator may list; `public` needs a list only for plain http. */
const LISTABLE: ReadonlySet<AddressKind> = new Set(['public', 'loopback', 'private', 'nat64']);

/** Of the check at creation. */
const RESOLVE_MILLISECONDS = 3000;

/**
 * Decides where the gateway sends events (SSRF protection). `checkUrl` checks the URL of an endpoint when it is made.
 * `connector` checks the resolved addresses at each connection, and connects only to addresses that it has checked.
 */
@Injectable()
export class AddressPolicy {
  private readonly networks: readonly AddressBlock[];
  private readonly hosts: readonly string[];
  private readonly database: DatabaseAddress;

  constructor(
    settings: Settings,
    private readonly resolver: AddressResolver,
  ) {
    const { DELIVERY_ALLOWED_NETWORKS: networks, NODE_ENV: environment } = settings;
    this.networks = networks ?? (environment === 'production' ? [] : LOOPBACK);
    this.hosts = settings.DELIVERY_ALLOWED_HOSTS;
    this.database = new DatabaseAddress(settings.DATABASE_URL, resolver);
  }

  /** The parsed URL. Throws `endpoint_address_refused`. A name that cannot be resolved now is checked at the connection. */
  async checkUrl(text: string): Promise<URL> {
    try {
      const url = parseEndpointUrl(text);
      const target = targetOf(url);
      const addresses = await this.resolveInTime(target.host);
      if (addresses === undefined) this.checkUnresolved(target);
      else await this.allowedOf(target, addresses);
      return url;
    } catch (error) {
      if (!(error instanceof AddressRefusedError)) throw error;
      const errors = [{ path: 'url', message: error.message }];
      throw new GatewayError(
        'endpoint_address_refused',
        `Events are not sent there: ${error.message}.`,
        { errors },
      );
    }
  }

  /** Connector of undici for one origin. Fails with `AddressRefusedError` if no address of the host is allowed. */
  connector(origin: URL, options: buildConnector.BuildOptions): buildConnector.connector {
    const target = targetOf(origin);
    const lookup: LookupFunction = (_hostname, { all }, callback) =>
      void this.lookUp(target, all === true, callback);
    const connect = buildConnector({ ...options, lookup });
    // Node does not look up a host that is an address.
    if (isIP(target.host) === 0) return connect;
    return (given, callback) =>
      void this.connectTo(target, () => connect(given, callback), callback);
  }

  private async lookUp(
    target: Target,
    all: boolean,
    callback: Parameters<LookupFunction>[2],
  ): Promise<void> {
    let addresses: readonly LookupAddress[];
    try {
      addresses = await this.allowedAddresses(target);
    } catch (error) {
      callback(asError(error), []);
      return;
    }
    const [first] = addresses;
    if (all) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family);
  }

  private async connectTo(
    target: Target,
    connect: () => void,
    callback: buildConnector.Callback,
  ): Promise<void> {
    try {
      await this.allowedAddresses(target);
      connect();
    } catch (error) {
      callback(asError(error), null);
    }
  }

  private async allowedAddresses(target: Target): Promise<readonly LookupAddress[]> {
    return this.allowedOf(target, await this.addressesOf(target.host));
  }

  private async addressesOf(host: string): Promise<readonly LookupAddress[]> {
    const family = isIP(host);
    return family === 0 ? this.resolver.resolve(host) : [{ address: host, family }];
  }

  private async resolveInTime(host: string): Promise<readonly LookupAddress[] | undefined> {
    const resolving = this.addressesOf(host);
    const { outcome } = await withTimeout(RESOLVE_MILLISECONDS, resolving);
    return outcome === 'done' ? resolving : undefined;
  }

  /** The allowed ones of `addresses`. Throws the first refusal if there is none. */
  private async allowedOf(
    target: Target,
    addresses: readonly LookupAddress[],
  ): Promise<readonly LookupAddress[]> {
    const refusals = await Promise.all(
      addresses.map(({ address }) => this.refusalOf(target, address)),
    );
    const allowed = addresses.filter((_, at) => refusals[at] === undefined);
    if (allowed.length > 0) return allowed;
    throw new AddressRefusedError(refusals[0] ?? `${target.host} has no address`);
  }

  /** Why the gateway does not connect to `address`; `undefined` if it may. */
  private async refusalOf(target: Target, address: string): Promise<string | undefined> {
    const { protocol, host, port } = target;
    const subject = host === address ? address : `${host} has the address ${address}, which`;
    const kind = addressKind(address);
    if (kind === undefined) return `${subject} is not an address that the gateway can check`;
    if (!LISTABLE.has(kind)) return `${subject} is ${describeKind(kind)}, which is never allowed`;
    if (await this.database.matches(address, port)) {
      return `${subject} is, with port ${port}, the database of the gateway`;
    }
    if (this.isListed(host) || isWithin(address, this.networks)) return undefined;
    if (kind !== 'public') return `${subject} is ${describeKind(kind)} and ${NOT_LISTED}`;
    if (protocol === 'https:') return undefined;
    return `plain http is only for listed hosts, and ${host} is ${NOT_LISTED}`;
  }

  /** A name without an address now: refused if no address of it could be allowed later. */
  private checkUnresolved({ protocol, host }: Target): void {
    if (this.isListed(host) || this.networks.length > 0) return;
    if (protocol === 'http:' || isPrivateHost(host)) {
      throw new AddressRefusedError(`${host} cannot be resolved, and is ${NOT_LISTED}`);
    }
  }

  private isListed(host: string): boolean {
    return this.hosts.some((entry) =>
      entry.startsWith('*.') ? host.endsWith(entry.slice(1)) : host === entry,
    );
  }
}

const NOT_LISTED =
  'not in DELIVERY_ALLOWED_NETWORKS or DELIVERY_ALLOWED_HOSTS, which the operator of the gateway sets';

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
