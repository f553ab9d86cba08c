import { Controller, Get, Param, Post, Query, Redirect } from '@nestjs/common';
import { h } from 'preact';
import { AdminAlerts } from '../admin/admin-alerts.js';
import { ConsolePages } from './console-pages.decorator.js';
import { Overview } from './overview.page.js';
import { isRange, OverviewService } from './overview.service.js';
import { Page } from './page.js';
import { CurrentSession } from './session.decorator.js';
import type { Session } from './sessions.js';

@ConsolePages()
@Controller('admin')
export class OverviewController {
  constructor(
    private readonly overview: OverviewService,
    private readonly alerts: AdminAlerts,
  ) {}

  @Get()
  async show(@Query() query: Record<string, unknown>): Promise<Page> {
    const range = isRange(query['range']) ? query['range'] : '24h';
    const figures = await this.overview.figures(range);
    const scripts = ['chart.js', 'charts.js'];
    return new Page('Overview', 'overview', h(Overview, { range, figures }), scripts);
  }

  @Post('alerts/:id/acknowledge')
  @Redirect('/admin', 303)
  async acknowledge(@CurrentSession() { actor }: Session, @Param('id') id: string): Promise<void> {
    await this.alerts.acknowledge(actor, id);
  }
}
