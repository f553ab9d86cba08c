import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { JobsService } from '../jobs/jobs.service.js';
import { Settings } from '../platform/config/settings.js';
import { DataCipher, DataKeyError } from '../platform/crypto/data-cipher.js';
import { Transactions } from '../platform/database/transactions.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { addLogFields } from '../platform/logging/log-context.js';
import { timeOrderedId } from '../platform/time-ordered-id.js';
import { DeliveriesStore } from './delivering/deliveries.store.js';
import type { Endpoint } from './endpoints/endpoint.entity.js';
import { checkFormat, type EndpointSettings } from './endpoints/endpoint-input.js';
import { HEALTHY, newSecret, rowOf } from './endpoints/endpoint-secret.js';
import { EndpointsStore, type Backlog, type Owner } from './endpoints/endpoints.store.js';
import { JobEndpoints } from './endpoints/job-endpoints.js';
import { FanOut } from './events/fan-out.js';
import { AddressPolicy } from './sending/address-policy.js';

export type { Backlog, Owner } from './endpoints/endpoints.store.js';
export type { Endpoint } from './endpoints/endpoint.entity.js';

/** An endpoint with the names of its own headers and its backlog. */
export interface EndpointState {
  readonly endpoint: Endpoint;
  readonly headerNames: readonly string[];
  readonly backlog: Backlog;
}

/** A secret is shown once. */
export type NewEndpoint = EndpointState & { readonly secret: string };

/**
 * Endpoints of services. `owner` is the service whose endpoints exist for the caller; null for admins: all. Endpoints of
 * other services throw `endpoint_not_found`.
 */
@Injectable()
export class EndpointsService {
  constructor(
    private readonly settings: Settings,
    private readonly endpoints: EndpointsStore,
    private readonly deliveries: DeliveriesStore,
    private readonly fanOut: FanOut,
    private readonly jobEndpoints: JobEndpoints,
    private readonly jobs: JobsService,
    private readonly addresses: AddressPolicy,
    private readonly cipher: DataCipher,
    private readonly transactions: Transactions,
  ) {}

  /**
   * The URL of a job’s webhook as it is called. The first job with a webhook of its origin makes the endpoint. Throws
   * `endpoint_address_refused` or `too_many_endpoints`.
   */
  async forJob(service: string, text: string): Promise<string> {
    const webhookUrl = await this.urlOf(text);
    const { WEBHOOK_ORIGINS_PER_SERVICE: max } = this.settings;
    const endpoint = await this.transactions.run((manager) =>
      this.jobEndpoints.ensure(manager, { service, webhookUrl }, max),
    );
    if (endpoint === undefined) throw tooManyOrigins(max);
    return webhookUrl;
  }

  /** Throws `endpoint_address_refused`, `too_many_endpoints`, or `validation_failed`. */
  async create(service: string, given: EndpointSettings): Promise<NewEndpoint> {
    checkFormat(given);
    const id = timeOrderedId();
    const url = await this.urlOf(given.url);
    const secret = newSecret();
    const endpoint = {
      ...HEALTHY,
      ...this.columnsOf(id, given),
      id,
      service,
      url,
      forJobs: false,
      secret: this.cipher.encrypt(secret, rowOf(id)),
      disabledReason: given.enabled ? null : 'service',
      disabledAt: given.enabled ? null : new Date(),
    } as const;
    const { ENDPOINTS_PER_SERVICE: max } = this.settings;
    const inserted = await this.transactions.run((manager) =>
      this.endpoints.insertEndpoint(manager, endpoint, max),
    );
    if (inserted === undefined) throw tooMany(max);
    addLogFields({ endpointId: id });
    return { ...(await this.stateOf(inserted)), secret };
  }

  /** Up to `limit` endpoints after the endpoint `after`, oldest first. */
  async list(owner: Owner, after: string | undefined, limit: number): Promise<EndpointState[]> {
    return this.statesOf(await this.endpoints.list(owner, after, limit));
  }

  async get(owner: Owner, id: string): Promise<EndpointState> {
    return this.stateOf(await this.find(owner, id));
  }

  /** Enabling also sends what the endpoint has missed. Throws `endpoint_address_refused` or `validation_failed`. */
  async update(
    owner: Owner,
    id: string,
    changes: Partial<EndpointSettings>,
  ): Promise<EndpointState> {
    const endpoint = await this.find(owner, id);
    if (endpoint.forJobs) checkForJobs(endpoint, changes);
    const { payloadFormat, includeResult, eventTypes } = endpoint;
    checkFormat({ payloadFormat, includeResult, eventTypes, ...changes });
    const { enabled, url: text, ...rest } = changes;
    const url = text === undefined ? endpoint.url : await this.urlOf(text);
    const others = text === undefined ? rest : { ...rest, url };
    if (Object.keys(others).length > 0)
      await this.endpoints.update(endpoint.id, this.changesOf(endpoint.id, others));
    if (url !== endpoint.url) await this.endPause(endpoint);
    if (enabled === true && !endpoint.enabled) await this.enable(endpoint);
    if (enabled === false && endpoint.enabled) {
      await this.endpoints.disable(id, 'service');
    }
    return this.get(owner, id);
  }

  /** Throws `endpoint_in_use` if jobs need it for their webhooks. */
  async delete(owner: Owner, id: string): Promise<void> {
    const endpoint = await this.find(owner, id);
    await this.transactions.run(async (manager) => {
      if (endpoint.forJobs) await this.checkUnused(manager, endpoint);
      await this.endpoints.delete(manager, endpoint.id);
    });
  }

  /** The fan-out of a job that ends meanwhile waits for the lock, and makes the endpoint again. */
  private async checkUnused(manager: EntityManager, { id, service, url }: Endpoint): Promise<void> {
    const isEnabled = await this.endpoints.lock(manager, id);
    if (await this.jobs.hasOpenWebhooks(manager, service, url)) {
      throw inUse(`Jobs that have not ended name a webhook at ${url}.`);
    }
    const backlogs = await this.endpoints.countBacklogs([id], manager);
    if (isEnabled && (backlogs.get(id)?.pending ?? 0) > 0) {
      throw inUse(`Webhooks at ${url} wait for their delivery. To cancel them, disable it first.`);
    }
  }

  /** Makes a new secret. For `overlapSeconds` the last one signs too, unless `DATA_KEYS` lacks its key. */
  async rotateSecret(owner: Owner, id: string, overlapSeconds: number): Promise<NewEndpoint> {
    const endpoint = await this.find(owner, id);
    const secret = newSecret();
    const encrypted = this.cipher.encrypt(secret, rowOf(endpoint.id));
    const unreadable = this.isReadable(endpoint) ? null : endpoint.secret;
    await this.endpoints.rotateSecret(endpoint.id, encrypted, overlapSeconds, unreadable);
    return { ...(await this.get(owner, id)), secret };
  }

  /** Sends a test event by the way of all events, and returns its id. Throws `endpoint_disabled`. */
  async test(owner: Owner, id: string): Promise<string> {
    const endpoint = await this.find(owner, id);
    if (!endpoint.enabled) throw disabled();
    const type = 'endpoint.test';
    const data = { id: endpoint.id, url: endpoint.url, description: endpoint.description };
    const body = JSON.stringify({ type, timestamp: new Date(), data });
    await this.endpoints.closeBreaker(endpoint.id);
    const { service } = endpoint;
    return this.fanOut.addTestEvent({ service, type, endpointId: endpoint.id, body });
  }

  /**
   * Sends again what an endpoint has not received of the events since `since`, and enables it. Returns the number of
   * deliveries; `isDryRun`: only counts them.
   */
  async recover(owner: Owner, id: string, since: Date, isDryRun: boolean): Promise<number> {
    const endpoint = await this.find(owner, id);
    if (isDryRun) return this.deliveries.countUndelivered(endpoint.id, since);
    if (!endpoint.enabled) await this.endpoints.enable(endpoint.id);
    else await this.endpoints.closeBreaker(endpoint.id);
    const count = await this.deliveries.recover(endpoint.id, since);
    this.fanOut.announce(endpoint.service);
    return count;
  }

  /** The time since which events have not reached the endpoint; null if they reach it. */
  async findMissedSince({ id, failingSince, disabledAt }: Endpoint): Promise<Date | null> {
    if (failingSince === null) return disabledAt;
    // The event of the first failed attempt is older than the failure.
    return (await this.deliveries.findFirstFailed(id, failingSince)) ?? failingSince;
  }

  private async enable(endpoint: Endpoint): Promise<void> {
    const { id, service } = endpoint;
    const since = await this.findMissedSince(endpoint);
    await this.endpoints.enable(id);
    if (since !== null) await this.deliveries.recover(id, since);
    this.fanOut.announce(service);
  }

  /** The pause is for the receiver at the URL that the endpoint had. */
  private async endPause({ id, service }: Endpoint): Promise<void> {
    await this.endpoints.closeBreaker(id);
    this.fanOut.announce(service);
  }

  private async find(owner: Owner, id: string): Promise<Endpoint> {
    const endpoint = isUuid(id) ? await this.endpoints.find(owner, id) : null;
    if (endpoint === null) throw new GatewayError('endpoint_not_found');
    addLogFields({ endpointId: endpoint.id });
    return endpoint;
  }

  private async stateOf(endpoint: Endpoint): Promise<EndpointState> {
    const [state] = await this.statesOf([endpoint]);
    if (state === undefined) throw new Error('an endpoint has no state');
    return state;
  }

  private async statesOf(endpoints: readonly Endpoint[]): Promise<EndpointState[]> {
    const backlogs = await this.endpoints.countBacklogs(endpoints.map(({ id }) => id));
    return endpoints.map((endpoint) => ({
      endpoint,
      headerNames: Object.keys(this.headersOf(endpoint)),
      backlog: backlogs.get(endpoint.id) ?? { pending: 0, failed: 0 },
    }));
  }

  /** Empty if `DATA_KEYS` lacks their key: the service must be able to set them again. */
  private headersOf({ id, headers }: Endpoint): object {
    if (headers === null) return {};
    try {
      const parsed: unknown = JSON.parse(this.cipher.decrypt(headers, rowOf(id)));
      return typeof parsed === 'object' && parsed !== null ? parsed : {};
    } catch (error) {
      if (!(error instanceof DataKeyError)) throw error;
      return {};
    }
  }

  private isReadable({ id, secret }: Endpoint): boolean {
    try {
      this.cipher.decrypt(secret, rowOf(id));
      return true;
    } catch (error) {
      if (!(error instanceof DataKeyError)) throw error;
      return false;
    }
  }

  private changesOf(id: string, changes: Partial<EndpointSettings>) {
    const { headers, ...others } = changes;
    return headers === undefined ? others : this.columnsOf(id, { ...others, headers });
  }

  private columnsOf<Given extends Pick<EndpointSettings, 'headers'>>(id: string, given: Given) {
    const { headers } = given;
    const text = headers === null ? null : this.cipher.encrypt(JSON.stringify(headers), rowOf(id));
    return { ...given, headers: text };
  }

  /** Without the fragment, which is not sent. */
  private async urlOf(text: string): Promise<string> {
    const url = await this.addresses.checkUrl(text);
    url.hash = '';
    return url.href;
  }
}

/** What an endpoint for webhooks of jobs sends, and where, is up to the jobs. */
function checkForJobs({ url }: Endpoint, changes: Partial<EndpointSettings>): void {
  const errors = [
    ...(changes.payloadFormat === 'event'
      ? [
          {
            path: 'payloadFormat',
            message: 'must be reducto, which the webhooks of single jobs have',
          },
        ]
      : []),
    ...(changes.url === undefined || changes.url === url
      ? []
      : [{ path: 'url', message: `must be ${url}, the origin of the webhooks of single jobs` }]),
  ];
  if (errors.length > 0) throw new GatewayError('validation_failed', undefined, { errors });
}

function inUse(why: string): GatewayError {
  return new GatewayError('endpoint_in_use', why);
}

function tooMany(max: number): GatewayError {
  return new GatewayError(
    'too_many_endpoints',
    `A service has at most ${max} endpoints. Delete one that is no longer needed.`,
  );
}

function tooManyOrigins(max: number): GatewayError {
  return new GatewayError(
    'too_many_endpoints',
    `The webhooks of a service’s jobs go to at most ${max} origins. Delete the endpoint of one that is no longer needed.`,
  );
}

function disabled(): GatewayError {
  return new GatewayError('endpoint_disabled', 'Enable it first: PATCH it with {"enabled":true}.');
}
