import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Settings } from '../platform/config/settings.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { clientAddress } from '../platform/http/client-address.js';
import { addLogFields } from '../platform/logging/log-context.js';
import { ApiKeysService } from './api-keys.service.js';
import type { Caller } from './caller.js';

declare module 'fastify' {
  interface FastifyRequest {
    caller?: Caller;
  }
}

/** The gateway’s own API. All its routes need an API key. */
export const API_PATH = '/v1/';

/** Authenticates a request by its API key, before its body is read. */
@Injectable()
export class Authentication {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly settings: Settings,
  ) {}

  /** `needsKey`: whether a route needs an API key. Call it before any route is declared. */
  register(fastify: FastifyInstance, needsKey: (route: string) => boolean): void {
    const authenticate = async (request: FastifyRequest): Promise<void> => {
      request.caller = await this.findCaller(request);
      addLogFields({ service: request.caller.service });
    };
    fastify.addHook('onRoute', (route) => {
      if (!needsKey(route.url)) return;
      route.onRequest = [...[route.onRequest ?? []].flat(), authenticate];
    });
  }

  private async findCaller({ headers, socket }: FastifyRequest): Promise<Caller> {
    const key = /^bearer +(\S{1,512})$/i.exec(headers.authorization?.trim() ?? '')?.[1];
    if (key === undefined) {
      throw new GatewayError(
        'unauthenticated',
        'Send the header "Authorization: Bearer <API key>".',
      );
    }
    const address = clientAddress(
      socket.remoteAddress ?? '',
      headers['x-forwarded-for']?.toString(),
      this.settings.TRUSTED_PROXIES,
    );
    return this.keys.authenticate(key, address, 'api');
  }
}
