import { Controller, Get, HttpCode, Param, Post, Query, Redirect } from '@nestjs/common';
import { h } from 'preact';
import { SCOPES } from '../access/api-key.entity.js';
import { ApiKeysService } from '../access/api-keys.service.js';
import { isServiceName, SERVICE_NAME_RULE } from '../access/service-name.js';
import { AdminKeys } from '../admin/admin-keys.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { ConsolePages } from './console-pages.decorator.js';
import { CreatedKey, Keys, RevokeKey } from './pages/keys.page.js';
import { Page } from './components/page.js';
import { CurrentSession, Form } from './session/session.decorator.js';
import type { Session } from './session/sessions.service.js';

@ConsolePages()
@Controller('admin/keys')
export class KeysPagesController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly adminKeys: AdminKeys,
  ) {}

  @Get()
  async list(@CurrentSession() session: Session, @Query('done') done: unknown): Promise<Page> {
    const keys = await this.keys.list();
    return new Page('API keys', 'keys', h(Keys, { session, keys, revoked: done === 'revoke' }));
  }

  /** Answers without a redirect, which would have to store the key for the next page. */
  @Post()
  @HttpCode(200)
  async create(@CurrentSession() session: Session, @Form() form: URLSearchParams): Promise<Page> {
    const service = form.get('service')?.trim() ?? '';
    const scopes = SCOPES.filter((scope) => form.getAll('scopes').includes(scope));
    if (!isServiceName(service)) throw invalid('service', SERVICE_NAME_RULE);
    if (scopes.length === 0) throw invalid('scopes', 'at least one is needed');
    const { stored, key } = await this.adminKeys.create(session.actor, service, scopes);
    return new Page('Key created', 'keys', h(CreatedKey, { stored, apiKey: key }));
  }

  @Get(':id/revoke')
  async askToRevoke(@CurrentSession() session: Session, @Param('id') id: string): Promise<Page> {
    const keys = await this.keys.list();
    const stored = keys.find((key) => key.id === id && key.revokedAt === null);
    if (stored === undefined) throw new GatewayError('key_not_found');
    return new Page('Revoke a key', 'keys', h(RevokeKey, { session, stored }));
  }

  @Post(':id/revoke')
  @Redirect('/admin/keys?done=revoke', 303)
  async revoke(@CurrentSession() session: Session, @Param('id') id: string): Promise<void> {
    await this.adminKeys.revoke(session.actor, id);
  }
}

function invalid(path: string, message: string): GatewayError {
  return new GatewayError('validation_failed', undefined, { errors: [{ path, message }] });
}
