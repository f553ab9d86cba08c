import { Controller, Get, Param, Post, Query, Redirect, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { h } from 'preact';
import { AdminDeliveries } from '../admin/admin-deliveries.js';
import { DeliveriesAdminService } from '../deliveries/deliveries-admin.service.js';
import { EndpointsService } from '../deliveries/endpoints.service.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { readFormMoment } from '../platform/http/moment.js';
import { Page } from './components/page.js';
import { ConsolePages } from './console-pages.decorator.js';
import { askedEndpoints } from './delivery-search.js';
import { EndpointDetail, type EndpointProperties } from './pages/endpoint.page.js';
import { Endpoints } from './pages/endpoints.page.js';
import { RecoverEndpoint } from './pages/recover-endpoint.page.js';
import { CurrentSession, Form } from './session/session.decorator.js';
import type { Session } from './session/sessions.service.js';

const PAGE_SIZE = 50;
const LATEST_EVENTS = 10;
const DAY_MILLISECONDS = 86_400_000;

@ConsolePages()
@Controller('admin/endpoints')
export class EndpointsPagesController {
  constructor(
    private readonly reads: DeliveriesAdminService,
    private readonly endpoints: EndpointsService,
    private readonly deliveries: AdminDeliveries,
  ) {}

  @Get()
  async list(
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page> {
    const asked = askedEndpoints(query);
    const { search, cursor, problems } = asked;
    if (problems.length > 0) void reply.status(422);
    const [found, counts, services] = await Promise.all([
      this.reads.listEndpoints(search, cursor, PAGE_SIZE + 1),
      this.reads.countStates(search.service),
      this.reads.listServices(),
    ]);
    const endpoints = found.slice(0, PAGE_SIZE);
    const next = found.length > PAGE_SIZE ? endpoints.at(-1)?.endpoint.id : undefined;
    const properties = { asked, services, counts, endpoints, next };
    return new Page('Endpoints', 'endpoints', h(Endpoints, properties));
  }

  @Get(':id')
  async get(
    @CurrentSession() session: Session,
    @Param('id') id: string,
    @Query('done') asked: unknown,
  ): Promise<Page> {
    const found = await this.reads.getEndpoint(id);
    const { service } = found.endpoint;
    const search = { service, endpointId: found.endpoint.id };
    const { events } = await this.reads.listEvents(search, undefined, LATEST_EVENTS);
    const done = DONE.find((action) => action === asked);
    return new Page('Endpoint', 'endpoints', h(EndpointDetail, { session, found, events, done }));
  }

  @Post(':id/enable')
  @Redirect('/admin/endpoints', 303)
  async enable(
    @CurrentSession() { actor }: Session,
    @Param('id') id: string,
  ): Promise<{ url: string }> {
    const { endpoint } = await this.deliveries.enable(actor, id);
    return { url: `/admin/endpoints/${endpoint.id}?done=enable` };
  }

  @Post(':id/disable')
  @Redirect('/admin/endpoints', 303)
  async disable(
    @CurrentSession() { actor }: Session,
    @Param('id') id: string,
  ): Promise<{ url: string }> {
    const { endpoint } = await this.deliveries.disable(actor, id);
    return { url: `/admin/endpoints/${endpoint.id}` };
  }

  @Post(':id/test')
  @Redirect('/admin/events', 303)
  async test(
    @CurrentSession() { actor }: Session,
    @Param('id') id: string,
  ): Promise<{ url: string }> {
    const event = await this.deliveries.test(actor, id);
    return { url: `/admin/events/${event}?done=test` };
  }

  /** Only reads: it counts what the recovery would send. */
  @Get(':id/recover')
  async askToRecover(
    @CurrentSession() session: Session,
    @Param('id') id: string,
    @Query('since') given: unknown,
  ): Promise<Page> {
    const { endpoint } = await this.reads.getEndpoint(id);
    const begin = await this.endpoints.findMissedSince(endpoint);
    const since =
      given === undefined || given === ''
        ? (begin ?? new Date(Date.now() - DAY_MILLISECONDS))
        : momentOf(given);
    const deliveries = await this.deliveries.countRecoverable(endpoint.id, since);
    const properties = { session, endpoint, since, deliveries };
    return new Page('Recover an endpoint', 'endpoints', h(RecoverEndpoint, properties));
  }

  @Post(':id/recover')
  @Redirect('/admin/endpoints', 303)
  async recover(
    @CurrentSession() { actor }: Session,
    @Param('id') id: string,
    @Form() form: URLSearchParams,
  ): Promise<{ url: string }> {
    const { endpoint } = await this.reads.getEndpoint(id);
    await this.deliveries.recover(actor, endpoint.id, momentOf(form.get('since')));
    return { url: `/admin/endpoints/${endpoint.id}?done=recover` };
  }
}

const DONE: readonly NonNullable<EndpointProperties['done']>[] = ['enable', 'recover'];

function momentOf(given: unknown): Date {
  const moment = typeof given === 'string' ? readFormMoment(given.trim()) : undefined;
  if (moment === undefined) {
    throw new GatewayError('invalid_query', '“Events since” is not a date with a time.');
  }
  return moment;
}
