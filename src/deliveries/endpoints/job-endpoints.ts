import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { DataCipher } from '../../platform/crypto/data-cipher.js';
import { timeOrderedId } from '../../platform/time-ordered-id.js';
import { DEFAULTS } from './endpoint-input.js';
import { HEALTHY, newSecret, rowOf } from './endpoint-secret.js';
import { EndpointsStore, type EndpointFilter, type EndpointRow } from './endpoints.store.js';

/** A webhook that a job names. */
export interface JobWebhook {
  readonly service: string;
  readonly webhookUrl: string;
}

/** The endpoints for webhooks that single jobs name: one for each service and origin. */
@Injectable()
export class JobEndpoints {
  constructor(
    private readonly endpoints: EndpointsStore,
    private readonly cipher: DataCipher,
  ) {}

  /** The endpoint of the webhook; makes it if its service has fewer than `max` of them. */
  ensure(
    manager: EntityManager,
    { service, webhookUrl }: JobWebhook,
    max: number,
  ): Promise<EndpointFilter | undefined> {
    const url = originOf(webhookUrl);
    return this.endpoints.findForJobs(manager, service, url, max, () => this.make(service, url));
  }

  /** The endpoints of the webhooks, which nobody deletes before the commit. Makes those that were deleted. */
  async lock(manager: EntityManager, webhooks: readonly JobWebhook[]): Promise<EndpointFilter[]> {
    const wanted = new Map(
      webhooks.map((one) => [`${one.service} ${originOf(one.webhookUrl)}`, one]),
    );
    if (wanted.size === 0) return [];
    const locked = await this.endpoints.lockForJobs(
      manager,
      [...wanted.values()].map(({ service }) => service),
      [...wanted.values()].map(({ webhookUrl }) => originOf(webhookUrl)),
    );
    for (const { service, url } of locked) wanted.delete(`${service} ${url}`);
    const made: EndpointFilter[] = [];
    for (const webhook of wanted.values()) {
      // The job was accepted with its webhook, so no limit of the service prevents it.
      const endpoint = await this.ensure(manager, webhook, Infinity);
      if (endpoint !== undefined) made.push(endpoint);
    }
    return [...locked, ...made];
  }

  private make(service: string, url: string): EndpointRow {
    const id = timeOrderedId();
    return {
      ...HEALTHY,
      ...DEFAULTS,
      id,
      service,
      url,
      forJobs: true,
      payloadFormat: 'reducto',
      description: 'Webhooks that single jobs name.',
      headers: null,
      secret: this.cipher.encrypt(newSecret(), rowOf(id)),
      disabledReason: null,
      disabledAt: null,
    };
  }
}

/** The URL of the endpoint for webhooks at `url`. */
export function originOf(url: string): string {
  return `${new URL(url).origin}/`;
}
