import { Controller, Get, Param, Post, Query, Redirect, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { h } from 'preact';
import { AdminDeliveries } from '../admin/admin-deliveries.js';
import { DeliveriesAdminService } from '../deliveries/deliveries-admin.service.js';
import { EventsService } from '../deliveries/events.service.js';
import { Page } from './components/page.js';
import { ConsolePages } from './console-pages.decorator.js';
import { askedEvents } from './delivery-search.js';
import { EventDetail, type EventProperties } from './pages/event.page.js';
import { Events } from './pages/events.page.js';
import { cursorOf } from './refusal-filter.js';
import { CurrentSession, Form } from './session/session.decorator.js';
import type { Session } from './session/sessions.service.js';

const PAGE_SIZE = 50;
const ATTEMPTS_PAGE_SIZE = 100;

@ConsolePages()
@Controller('admin/events')
export class EventsPagesController {
  constructor(
    private readonly reads: DeliveriesAdminService,
    private readonly events: EventsService,
    private readonly deliveries: AdminDeliveries,
  ) {}

  @Get()
  async list(
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page> {
    const asked = askedEvents(query);
    const { search, cursor, problems } = asked;
    if (problems.length > 0) void reply.status(422);
    const [page, services] = await Promise.all([
      this.reads.listEvents(search, cursor, PAGE_SIZE),
      this.reads.listServices(),
    ]);
    return new Page('Events', 'events', h(Events, { asked, services, page }));
  }

  @Get(':id')
  async get(
    @CurrentSession() session: Session,
    @Param('id') id: string,
    @Query() query: Record<string, unknown>,
  ): Promise<Page> {
    const event = await this.reads.getEvent(id);
    const found = await this.events.listAttempts(
      null,
      event.id,
      cursorOf(query),
      ATTEMPTS_PAGE_SIZE + 1,
    );
    const attempts = found.slice(0, ATTEMPTS_PAGE_SIZE);
    const next = found.length > ATTEMPTS_PAGE_SIZE ? attempts.at(-1)?.id : undefined;
    const done = DONE.find((action) => action === query['done']);
    const properties = { session, event, attempts, next, done };
    return new Page('Event', 'events', h(EventDetail, properties));
  }

  @Post(':id/resend')
  @Redirect('/admin/events', 303)
  async resend(
    @CurrentSession() { actor }: Session,
    @Param('id') id: string,
    @Form() form: URLSearchParams,
  ): Promise<{ url: string }> {
    const event = await this.reads.getEvent(id);
    await this.deliveries.resend(actor, event.id, form.get('endpointId'));
    return { url: `/admin/events/${event.id}?done=resend` };
  }
}

const DONE: readonly NonNullable<EventProperties['done']>[] = ['test', 'resend'];
