import { Controller, Get, Param, Post, Query, Redirect } from '@nestjs/common';
import { h } from 'preact';
import { isServiceName } from '../access/service-name.js';
import { AdminServices } from '../admin/admin-services.js';
import { ServiceLimitsDto, toServiceLimits } from '../admin/service-share.dto.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { validationPipe } from '../platform/errors/field-errors.js';
import { Page } from './components/page.js';
import { ConsolePages } from './console-pages.decorator.js';
import { ServiceForm, Services } from './pages/services.page.js';
import { CurrentSession, Form } from './session/session.decorator.js';
import type { Session } from './session/sessions.service.js';

@ConsolePages()
@Controller('admin/services')
export class ServicesPagesController {
  private readonly pipe = validationPipe();

  constructor(private readonly services: AdminServices) {}

  @Get()
  async list(@Query('saved') saved: unknown): Promise<Page> {
    const services = await this.services.listServices();
    const changed = services.find(({ service }) => service === saved);
    return new Page('Services', 'services', h(Services, { services, changed }));
  }

  @Get(':service')
  async ask(@CurrentSession() session: Session, @Param('service') service: string): Promise<Page> {
    const share = await this.services.getService(nameOf(service));
    return new Page('Change a service', 'services', h(ServiceForm, { session, share }));
  }

  @Post(':service')
  @Redirect('/admin/services', 303)
  async save(
    @CurrentSession() session: Session,
    @Param('service') service: string,
    @Form() form: URLSearchParams,
  ): Promise<{ url: string }> {
    const limits = toServiceLimits(await this.limitsOf(form));
    await this.services.setLimits(session.actor, nameOf(service), limits);
    return { url: `/admin/services?saved=${service}` };
  }

  private async limitsOf(form: URLSearchParams): Promise<ServiceLimitsDto> {
    const given: Record<string, unknown> = {};
    for (const name of ['weight', 'maxInFlight', 'maxQueued']) {
      const text = form.get(name)?.trim() ?? '';
      if (text !== '') given[name] = Number(text);
    }
    const metadata = { type: 'body', metatype: ServiceLimitsDto } as const;
    const limits: unknown = await this.pipe.transform(given, metadata);
    if (limits instanceof ServiceLimitsDto) return limits;
    throw new Error('the pipe returned another type');
  }
}

function nameOf(service: string): string {
  if (!isServiceName(service)) throw new GatewayError('not_found');
  return service;
}
